"""Rows with a validity: how a change opens the next one, and how a table is brought to what it should hold."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.windows import BEGINNING
from engage.store.intake.entities import parts
from engage.store.upserts import insert_many, one_of, update_each

Value = TypeVar("Value")
Rows = dict[int, list[dict[str, Any]]]


def with_change(versions: Sequence[tuple[datetime, Value]], value: Value, at: datetime) -> list[tuple[datetime, Value]]:
    """Versions as (valid from, value), oldest first, once `value` holds from `at` on.

    The first is valid from the beginning; of two changes at one instant the later replaces; a change back at that
    instant leaves no trace. A change that arrives with an older instant than the newest version replaces that one.
    """
    if not versions:
        return [(BEGINNING, value)]
    newest = versions[-1][0]
    kept = list(versions[:-1]) if newest >= at else list(versions)
    if kept and kept[-1][1] == value:
        return kept
    return [*kept, (max(at, newest), value)]


def closed(starts: Sequence[datetime]) -> list[tuple[datetime, datetime | None]]:
    """(valid_from, valid_to) of versions that follow one another."""
    return list(zip(starts, (*starts[1:], None), strict=True))


def load_rows(db: Connection, table: sa.Table, owner: str, ids: Iterable[int]) -> Rows:
    """The rows of each owner, oldest first."""
    found: Rows = {}
    for part in parts(sorted(ids)):
        query = sa.select(table).where(one_of(db, table.c[owner], part)).order_by(table.c[owner], table.c.valid_from)
        for row in db.execute(query).mappings():
            found.setdefault(row[owner], []).append(dict(row))
    return found


def replace_rows(db: Connection, table: sa.Table, before: Rows, after: Mapping[int, Sequence[dict[str, Any]]]) -> None:
    """Deletes what is no longer true and writes what is; rows that stay as they are, or are valid from when they were,
    keep their ids.
    """
    gone: list[int] = []
    changed: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for owner, rows in after.items():
        wanted = {frozenset(row.items()): row for row in rows}
        false: dict[Any, int] = {}
        for old in before.get(owner, []):
            content = frozenset((name, value) for name, value in old.items() if name != "id")
            if wanted.pop(content, None) is None:
                false[_begins(old)] = old["id"]
        for row in wanted.values():
            id_ = false.pop(_begins(row), None)
            if id_ is None:
                new.append(row)
            else:
                changed.append({"id": id_} | row)
        gone.extend(false.values())
    for part in parts(sorted(gone)):
        db.execute(sa.delete(table).where(one_of(db, table.c.id, part)))
    update_each(db, table, changed)
    insert_many(db, table, new)


def _begins(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a row from the others of its owner; attributes have a name besides."""
    return row.get("name"), row["valid_from"]
