"""Inserts that let an existing row be, and updates of many rows at once, on both databases."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

BATCH = 1000
"""How many ids or rows one statement names at the most: below both databases' limits of bound values."""


def insert_or_ignore(db: Connection, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that skips rows which a unique constraint has already."""
    if db.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def update_each(
    db: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *also: sa.ColumnElement[bool]
) -> set[int]:
    """Updates each row by its `id` with the other values of its mapping, where `also` holds too.

    All mappings have the same keys. One statement on PostgreSQL, one prepared statement run many times on SQLite.
    Returns the ids that were updated.
    """
    if not rows:
        return set()
    names = [name for name in rows[0] if name != "id"]
    if db.dialect.name == "sqlite":
        statement = (
            sa.update(table)
            .where(table.c.id == sa.bindparam("row_id"), *also)
            .values({name: sa.bindparam(f"new_{name}") for name in names})
            .returning(table.c.id)
        )
        updated: set[int] = set()
        for row in rows:
            values = {f"new_{name}": row[name] for name in names} | {"row_id": row["id"]}
            updated.update(db.execute(statement, values).scalars())
        return updated
    columns = [table.c.id, *(table.c[name] for name in names)]
    arrays = [
        sa.bindparam(f"all_{column.name}", [row[column.name] for row in rows], type_=postgresql.ARRAY(column.type))
        for column in columns
    ]
    news = (
        sa.func.unnest(*arrays)
        .table_valued(*(sa.column(c.name, c.type) for c in columns), name="news")
        .render_derived()
    )
    statement = (
        sa.update(table)
        .where(table.c.id == news.c.id, *also)
        .values({name: news.c[name] for name in names})
        .returning(table.c.id)
    )
    return set(db.execute(statement).scalars())
