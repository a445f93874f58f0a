"""Brings a fresh database to engage's schema, as a new installation would have it."""

from engage.store.database import Database
from engage.store.schema import migrate


def prepare(url: str) -> None:
    database = Database(url)
    try:
        migrate(database)
    finally:
        database.close()
