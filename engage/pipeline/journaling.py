"""Stores what the provider took while the database was away, out of the journals of this process and of dead ones."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from engage.store.database import Database
from engage.store.evidence import accept_on_evidence, ids_of
from engage.store.journal import Entry, Journal

log = structlog.get_logger(__name__)


def replay_journal(database: Database, journal: Journal, clock: Callable[[], datetime]) -> None:
    """Each journal is a transaction of its own; what is stored is forgotten, and to store it twice does no harm."""
    for entries in journal.left_behind():
        _store(database, entries, clock())
    if entries := journal.entries():
        _store(database, entries, clock())
        journal.forget(entries)


def _store(database: Database, entries: Sequence[Entry], now: datetime) -> None:
    with database.write() as db:
        ids = ids_of(db, {entry.delivery for entry in entries})
        known = [(ids[entry.delivery], entry) for entry in entries if entry.delivery in ids]
        accepted = {id_: entry.provider_id for id_, entry in known}
        numbers = {id_: entry.attempt for id_, entry in known}
        settled = accept_on_evidence(db, accepted, now, numbers)
    log.info("journal_replayed", entries=len(entries), settled=len(settled))
