"""Brings a fresh database to engage's schema, as a new installation would have it."""

from engage.store.database import Database
from engage.store.tables import metadata


def prepare(url: str) -> None:
    database = Database(url)
    try:
        metadata.create_all(database.engine)
    finally:
        database.close()
