"""The vocabulary of engage: frozen values, legal transitions, names and types of facts. Pure; imports nothing above it."""
