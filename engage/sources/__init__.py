"""Import and watched databases: what happened elsewhere becomes engage's records, once."""
