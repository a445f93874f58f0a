"""What is asked of the database meanwhile, and what it reads for it on PostgreSQL."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from engage.store.database import Database


@contextmanager
def selects(database: Database) -> Iterator[dict[str, Any]]:
    """Each SELECT that is made within, with what was bound to it the last time."""
    said: dict[str, Any] = {}

    def note(_connection: object, _cursor: object, sql: str, bound: Any, *_: object) -> None:
        if sql.lstrip().startswith("SELECT"):
            said[sql] = bound

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def reading_whole(database: Database, said: Mapping[str, Any], tables: Collection[str]) -> list[str]:
    """Those of these statements that read one of the tables from end to end because nothing else is left to them."""
    found = []
    with database.read() as db:
        db.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it would read the few at once: now only if it must
        for sql, bound in said.items():
            plan = "\n".join(row[0] for row in db.exec_driver_sql(f"EXPLAIN {sql}", bound))
            if any(re.search(rf"Seq Scan on {table}\b", plan) for table in tables):
                found.append(sql)
    return found
