"""Alembic migrations; `engage.store.schema` runs them."""
