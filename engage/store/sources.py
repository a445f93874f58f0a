"""How far each watched source has been read. Whoever polls one holds its version: every write moves it, and a poller
that finds it moved has been overtaken and writes nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import Feed
from engage.store.intake import hear
from engage.store.tables import feed_readings, source_rejects, source_rows, watched_sources
from engage.store.upserts import insert_many, insert_or_ignore, one_of

HEARD_EVERY = timedelta(minutes=5)
"""How often a poll notes that a feed was heard, at the most."""

_s, _rows, _rejects = watched_sources.c, source_rows.c, source_rejects.c
_ALL_REJECTS = sa.select(
    _rejects.id, _rejects.row_key, _rejects.row, _rejects.reason, _rejects.first_at, _rejects.last_at
)


@dataclass(frozen=True, slots=True)
class SourceState:
    """A row of watched_sources."""

    id: int
    program_id: int
    name: str
    version: int
    position: str | None
    baselined_at: datetime | None
    next_poll_at: datetime
    polled_at: datetime | None
    succeeded_at: datetime | None
    failures: int
    error: str | None
    held: bool


@dataclass(frozen=True, slots=True)
class RejectedRow:
    id: int
    row_key: str
    row: Mapping[str, Any]
    reason: str
    first_at: datetime
    last_at: datetime


def source_states(db: Connection, names: Collection[str]) -> dict[str, SourceState]:
    """The state of each of these sources that has one, by name."""
    found = db.execute(sa.select(watched_sources).where(_s.name.in_(names)))
    return {row.name: SourceState(**row._mapping) for row in found}


def add_sources(db: Connection, program_ids: Mapping[str, int], now: datetime) -> None:
    """Adds sources, name -> program, that are to be polled at once; those that are there already stay."""
    for name, program_id in program_ids.items():
        new = {"program_id": program_id, "name": name, "version": 0, "next_poll_at": now, "failures": 0, "held": False}
        db.execute(insert_or_ignore(db, watched_sources), new)


def source_names(db: Connection, ids: Collection[int]) -> list[str]:
    return list(db.execute(sa.select(_s.name).where(_s.id.in_(ids)).order_by(_s.id)).scalars())


def claim(db: Connection, state: SourceState, now: datetime, until: datetime) -> int | None:
    """Takes a source for one poll; its new version, or None when another poller was first. `until`: then it is free."""
    values = {"polled_at": now, "next_poll_at": until}
    return state.version + 1 if _write(db, state.id, state.version, values) else None


def move(db: Connection, source_id: int, version: int, **values: Any) -> bool:
    """Writes to a source that the caller has claimed, and moves its version by one; False: it was overtaken.

    To be the first statement of a transaction, so that two pollers come one after the other.
    """
    return _write(db, source_id, version, values)


def _write(db: Connection, source_id: int, version: int, values: Mapping[str, Any]) -> bool:
    mine = sa.update(watched_sources).where(_s.id == source_id, _s.version == version)
    return db.execute(mine.values(version=version + 1, **values)).rowcount == 1


def receive(db: Connection, program_id: int, name: str, now: datetime) -> int:
    """Notes that a system has pushed, and locks its source until the transaction ends; the source's id.

    To be the first statement of a transaction, as `move` is.
    """
    done = {"polled_at": now, "succeeded_at": now, "baselined_at": sa.func.coalesce(_s.baselined_at, now)}
    mine = sa.update(watched_sources).where(_s.name == name).values(failures=0, error=None, held=False, **done)
    source_id = db.execute(mine.returning(_s.id)).scalar()
    if source_id is None:
        add_sources(db, {name: program_id}, now)
        source_id = db.execute(mine.returning(_s.id)).scalar_one()
    return int(source_id)


# --- rows of the overlap ----------------------------------------------------------------------------------------------


def known_hashes(db: Connection, source_id: int, hashes: Collection[str]) -> set[str]:
    """Which of these rows have been taken already."""
    query = sa.select(_rows.hash).where(_rows.source_id == source_id, one_of(db, _rows.hash, hashes))
    return set(db.execute(query).scalars())


def keep_hashes(db: Connection, source_id: int, positions: Mapping[str, str]) -> None:
    """Notes rows as taken, hash -> position; none of them is known yet."""
    rows = [{"source_id": source_id, "hash": hash_, "position": at} for hash_, at in positions.items()]
    insert_many(db, source_rows, rows)


def forget_hashes(db: Connection, source_id: int, before: str) -> None:
    """Forgets rows that lie before the overlap and are not read again."""
    db.execute(sa.delete(source_rows).where(_rows.source_id == source_id, _rows.position < before))


# --- rows that could not be taken -------------------------------------------------------------------------------------


def rejected_rows(db: Connection, source_id: int, limit: int) -> list[RejectedRow]:
    """The rows that wait to be tried again: those first that were tried longest ago, in the order of their coming."""
    query = _ALL_REJECTS.where(_rejects.source_id == source_id)
    return [RejectedRow(*row) for row in db.execute(query.order_by(_rejects.last_at, _rejects.id).limit(limit))]


def rejected_of(db: Connection, source_id: int, things: Collection[str]) -> list[RejectedRow]:
    """The rows that wait about one of these things: their keys are the thing, a blank, and what of it."""
    found: list[RejectedRow] = []
    ordered = sorted(things)
    for start in range(0, len(ordered), 100):  # SQLite nests no deeper
        # all that begins so: after the blank comes the !
        of_one = [
            (_rejects.row_key >= f"{one} ") & (_rejects.row_key < f"{one}!") for one in ordered[start : start + 100]
        ]
        query = _ALL_REJECTS.where(_rejects.source_id == source_id, sa.or_(*of_one))
        found += [RejectedRow(*row) for row in db.execute(query.order_by(_rejects.id))]
    return found


def count_rejected(db: Connection) -> dict[int, int]:
    """source id -> rows that wait."""
    query = sa.select(_rejects.source_id, sa.func.count()).group_by(_rejects.source_id)
    return {id_: count for id_, count in db.execute(query)}


def keep_rejects(
    db: Connection, source_id: int, rows: Mapping[str, tuple[Mapping[str, Any], str]], now: datetime
) -> None:
    """Keeps rows that could not be taken, key -> (row, reason); one of the same key is replaced."""
    there = dict.fromkeys(_known_keys(db, source_id, rows))
    for key in there:
        row, reason = rows[key]
        mine = sa.update(source_rejects).where(_rejects.source_id == source_id, _rejects.row_key == key)
        db.execute(mine.values(row=row, reason=reason, last_at=now))
    new = [
        {"source_id": source_id, "row_key": key, "row": row, "reason": reason, "first_at": now, "last_at": now}
        for key, (row, reason) in rows.items()
        if key not in there
    ]
    if new:
        db.execute(sa.insert(source_rejects), new)


def drop_rejects(db: Connection, source_id: int, keys: Sequence[str]) -> None:
    """Forgets rows that have been taken since."""
    if known := _known_keys(db, source_id, keys):
        mine = _rejects.source_id == source_id
        db.execute(sa.delete(source_rejects).where(mine, one_of(db, _rejects.row_key, known)))


def forget_rejects(db: Connection, source_id: int, before: datetime) -> None:
    """Forgets rows that have been tried in vain since then."""
    db.execute(sa.delete(source_rejects).where(_rejects.source_id == source_id, _rejects.first_at < before))


def tried_again(db: Connection, ids: Collection[int], reasons: Mapping[int, str], now: datetime) -> None:
    """Notes that rows were tried in vain; `reasons` has those whose reason is another now."""
    if ids:
        db.execute(sa.update(source_rejects).where(one_of(db, _rejects.id, ids)).values(last_at=now))
    for id_, reason in reasons.items():
        db.execute(sa.update(source_rejects).where(_rejects.id == id_).values(reason=reason))


def _known_keys(db: Connection, source_id: int, keys: Iterable[str]) -> list[str]:
    query = sa.select(_rejects.row_key).where(_rejects.source_id == source_id, one_of(db, _rejects.row_key, list(keys)))
    return list(db.execute(query).scalars())


# --- feeds ------------------------------------------------------------------------------------------------------------


def hear_now_and_then(db: Connection, program_id: int, feeds: Iterable[Feed], now: datetime) -> None:
    """Notes that live sources of these feeds were read, unless that was noted in the last five minutes."""
    r = feed_readings.c
    for feed in feeds:
        query = sa.select(sa.func.max(r.heard_at)).where(r.program_id == program_id, r.feed == feed)
        last = db.execute(query).scalar()
        if last is None or now - last >= HEARD_EVERY:
            hear(db, program_id, feed, now)
