"""Every table and every query; SQLite and PostgreSQL alike."""
