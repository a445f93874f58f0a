"""Templates: compiled once when loaded, rendered in a sandbox per recipient."""
