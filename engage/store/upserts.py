"""Inserts that let an existing row be, and updates of many rows at once, on both databases."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

BATCH = 1000
"""How many ids or rows one statement names at the most: below both databases' limits of bound values."""


def one_of(db: Connection, column: sa.Column[Any], ids: Collection[Any]) -> sa.ColumnElement[bool]:
    """Whether the column is one of `ids`. On PostgreSQL one array: the statement is the same however many they are."""
    if db.dialect.name == "sqlite":
        return column.in_(ids)
    return column == sa.any_(sa.bindparam(None, list(ids), type_=postgresql.ARRAY(column.type)))


def one_of_named(dialect: str, column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    """As `one_of`, for a statement that is built once: the ids are bound under `name`, as a list, at each execution."""
    if dialect == "sqlite":
        return column.in_(sa.bindparam(name, expanding=True))
    return column == sa.any_(sa.bindparam(name, type_=postgresql.ARRAY(column.type)))


def insert_or_ignore(db: Connection, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that skips rows which a unique constraint has already."""
    if db.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def insert_new(db: Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Inserts a row unless a unique constraint has it already; says whether it did."""
    # not by `rowcount`: where the driver returns the new key, it does not tell
    return db.execute(insert_or_ignore(db, table).returning(sa.literal(1)), row).first() is not None


def insert_many(
    db: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *returning: sa.Column[Any],
    or_ignore: bool = False,
) -> list[sa.Row[Any]]:
    """Inserts rows that all have the same keys; returns `returning` of each that was inserted, in no given order.

    On PostgreSQL all rows are one value: a statement with a value a cell costs more to write and to read than the rows.
    Ids grow in the order of the rows. `or_ignore` skips rows which a unique constraint has already.
    """
    if not rows:
        return []
    if db.dialect.name == "sqlite" or len(rows) == 1:  # for one row that costs more than it saves
        one_by_one = insert_or_ignore(db, table) if or_ignore else sa.insert(table)
        if not returning:
            db.execute(one_by_one, list(rows))
            return []
        return list(db.execute(one_by_one.returning(*returning), list(rows)))
    columns = [table.c[name] for name in rows[0]]
    statement = postgresql.insert(table).from_select(
        [column.name for column in columns], sa.select(*_values(columns, rows, "news").c)
    )
    if or_ignore:
        statement = statement.on_conflict_do_nothing()
    if returning:
        return list(db.execute(statement.returning(*returning)))
    db.execute(statement)
    return []


def _values(columns: Sequence[sa.Column[Any]], rows: Sequence[Mapping[str, Any]], name: str) -> sa.TableValuedAlias:
    """The rows as a table, made on PostgreSQL from one JSON text: the quickest to write of all forms there are."""
    names = [str(column.name) for column in columns]  # their own type, a kind of str, orjson does not take for keys
    text = orjson.dumps([{key: row[key] for key in names} for row in rows]).decode()
    named = (sa.column(column.name, column.type) for column in columns)
    made = sa.func.json_to_recordset(
        sa.cast(sa.bindparam("all_rows", text, type_=sa.Text), postgresql.JSON)
    ).table_valued(*named, name=name)
    return made.render_derived(with_types=True)


def update_each(
    db: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *also: sa.ColumnElement[bool],
    values: Mapping[str, Any] | None = None,
) -> set[int]:
    """Updates each row by its `id` with the other values of its mapping, where `also` holds too.

    All mappings have the same keys; `values` are the same for all, and may be expressions. One statement on PostgreSQL,
    one prepared statement run many times on SQLite. Returns the ids that were updated.
    """
    if not rows:
        return set()
    names = [name for name in rows[0] if name != "id"]
    if db.dialect.name == "sqlite":
        statement = (
            sa.update(table)
            .where(table.c.id == sa.bindparam("row_id"), *also)
            .values({name: sa.bindparam(f"new_{name}") for name in names} | dict(values or {}))
            .returning(table.c.id)
        )
        updated: set[int] = set()
        for row in rows:
            bound = {f"new_{name}": row[name] for name in names} | {"row_id": row["id"]}
            updated.update(db.execute(statement, bound).scalars())
        return updated
    news = _values([table.c.id, *(table.c[name] for name in names)], rows, "news")
    statement = (
        sa.update(table)
        .where(table.c.id == news.c.id, *also)
        .values({name: news.c[name] for name in names} | dict(values or {}))
        .returning(table.c.id)
    )
    return set(db.execute(statement).scalars())
