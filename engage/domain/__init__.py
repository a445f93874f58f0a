"""The vocabulary of engage: frozen values, legal transitions, names and types of facts. Imports nothing above it."""
