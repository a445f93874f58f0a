"""The counts of what happened: what was decided, sent and received."""
