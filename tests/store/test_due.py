"""What is due is found among the few that wait, however many mails have gone out."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.database import Database
from engage.store.deliveries import due, next_due

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("asked", [next_due, lambda db: due(db, NOW, 200)])
def test_what_is_due_is_found_by_the_index_of_those_that_wait(
    sqlite_url: str, asked: Callable[[Connection], Any]
) -> None:
    database = Database(sqlite_url)
    said: list[tuple[str, Any]] = []
    sa.event.listen(
        database.engine, "before_cursor_execute", lambda _c, _cur, sql, bound, *_: said.append((sql, bound))
    )
    with database.read() as db:
        asked(db)
        sql, bound = said[-1]
        plan = " ".join(row[-1] for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", bound))
    database.close()
    assert "ix_deliveries_due" in plan, plan
