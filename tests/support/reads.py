"""What statements read of PostgreSQL's tables: how many rows and blocks, by its own account (EXPLAIN ANALYZE, BUFFERS).

Not how long they take: that says how busy the machine is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engage.store.database import Database

_LOOKED_AT = ("SELECT", "WITH", "INSERT INTO DELIVERY_COUNTS")


@dataclass(frozen=True, slots=True)
class Scan:
    """How many rows of a table were looked at, whether they were wanted or not. `whole`: from its end to its end."""

    table: str
    rows: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement read: of which tables, and how many blocks of 8 kB in all, indexes among them."""

    statement: str
    scans: tuple[Scan, ...]
    blocks: int


@contextmanager
def watched(database: Database) -> Iterator[list[Reading]]:
    """What the statements in the block read, by running each of them once more; nothing of that stays written."""
    statements: list[tuple[str, Any]] = []
    readings: list[Reading] = []

    def note(_connection: Any, _cursor: Any, statement: str, bound: Any, _context: Any, many: bool) -> None:
        if not many and statement.lstrip().upper().startswith(_LOOKED_AT):
            statements.append((statement, bound))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield readings
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    with database.engine.connect() as connection:  # rolled back at its end
        cursor = connection.connection.cursor()
        for statement, bound in statements:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", bound)
            [([found],)] = cursor.fetchall()
            plan = found["Plan"]
            blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            readings.append(Reading(statement, tuple(_scans(plan)), blocks))


def _scans(node: dict[str, Any]) -> Iterator[Scan]:
    if "Relation Name" in node and node["Node Type"].endswith("Scan"):
        left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = (node["Actual Rows"] + left_out) * node["Actual Loops"]
        yield Scan(node["Relation Name"], rows, node["Node Type"] == "Seq Scan")
    for inner in node.get("Plans", ()):
        yield from _scans(inner)
