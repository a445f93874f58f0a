"""No page reads history: how many rows each statement of a page of the consoles reads, on PostgreSQL.

What reads a table that grows from end to end costs more each day, by an index or not. benchmarks/consoles.py has the
times.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from engage.store.database import Database
from engage.store.tables import deliveries
from engage.web.app import build_app
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.history import fill
from tests.support.shipped import copy_shipped

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MAILS, PARTNERS = 60_000, 2_000
GREAT = {"deliveries", "enrollments", "decisions", "feedback", "attempts", "events", "occasions", "webhooks"}
"""Tables that grow with history."""

MOST_READ = 25_000
"""Rows of one of them: rates are reckoned over the newest 20,000 mails."""

FEW = 2_000
"""So many rows PostgreSQL rather reads from end to end."""

PAGES = (
    "/console",
    "/console?over=14d",
    "/console/machinery",
    "/console/deliveries",
    "/console/deliveries?state=dead",
    "/console/deliveries?state=unknown",
    "/console/deliveries?state=dead&campaign={campaign}",
    "/console/deliveries?state=dead&error=no+such",
    "/console/deliveries?state=pending",
    "/console/deliveries?partner=x-1",
    "/console/deliveries/d-{dead}",
    "/console/held",
    "/console/campaigns",
    "/console/campaigns/{program}/{campaign}",
    "/console/calendar",
    "/console/stories",
    "/console/partners?q=x-1",
    "/console/partners/{program}/x-1",
    "/console/coaching",
    "/console/audit",
)


@pytest.fixture(scope="module")
def history(_postgres_lending: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engage]:
    folder = tmp_path_factory.mktemp("history")
    running = Engage(_postgres_lending.lend(), folder, *copy_shipped(folder))
    program_id = running.services.library().program_ids[running.program]
    fill(running.services.database, program_id, MAILS, running.now, timedelta(days=60), PARTNERS)
    while running.services.count_deliveries():
        pass
    yield running
    running.services.close()
    _postgres_lending.take_back()


@pytest.fixture(scope="module")
def known(history: Engage) -> dict[str, object]:
    d = deliveries.c
    with history.services.database.read() as db:
        dead = db.execute(sa.select(d.id).where(d.state == "dead").order_by(d.id.desc()).limit(1)).scalar_one()
        campaign = db.execute(sa.select(d.campaign).order_by(d.id).limit(1)).scalar_one()
    return {"dead": dead, "campaign": campaign, "program": history.program}


@pytest.fixture(scope="module")
def admin(history: Engage) -> Console:
    app: FastAPI = build_app(history.services)
    user = add_user(history.services)
    return Console(app, history.services, user, begin_session(history.services, user))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_no_history(page: str, history: Engage, known: dict[str, object], admin: Console) -> None:
    path = page.format(**known)
    admin.get(path)  # what is read once and kept is no part of it
    with watched(history.services.database) as reads:
        assert admin.get(path).status_code in (200, 303)
    assert not _too_many(reads)


def test_counting_what_is_new_reads_no_history(history: Engage) -> None:
    history.now += timedelta(minutes=5)
    with watched(history.services.database) as reads:
        history.services.count_deliveries()
        history.services.status()
    assert not _too_many(reads)


def test_who_reads_history_is_seen(history: Engage) -> None:
    d = deliveries.c
    whole = sa.select(sa.func.count()).select_from(deliveries).where(d.reason == "550 no such user")
    by_index = sa.select(sa.func.count(d.settled_at)).where(d.settled_at.is_not(None))
    for query in (whole, by_index):
        with watched(history.services.database) as reads, history.services.database.read() as db:
            db.execute(query)
        assert _too_many(reads)


@dataclass(frozen=True, slots=True)
class Read:
    """How many rows of a table a statement read, from end to end (`whole`) or not; infinitely many: it was not run."""

    statement: str
    table: str
    rows: float
    whole: bool


def _too_many(reads: list[Read]) -> str:
    bad = [one for one in reads if one.table in GREAT and one.rows > (FEW if one.whole else MOST_READ)]
    return "\n".join(f"{one.rows} of {one.table}: {one.statement}" for one in bad)


@contextmanager
def watched(database: Database) -> Iterator[list[Read]]:
    """What the statements in the block read, by running each SELECT of it once more under EXPLAIN ANALYZE."""
    statements: list[tuple[str, Any]] = []
    reads: list[Read] = []

    def note(_connection: Any, _cursor: Any, statement: str, bound: Any, _context: Any, many: bool) -> None:
        if not many and statement.lstrip().upper().startswith(("SELECT", "WITH", "INSERT INTO DELIVERY_COUNTS")):
            statements.append((statement, bound))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield reads
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    with database.engine.connect() as connection:
        cursor = connection.connection.cursor()
        for statement, bound in statements:
            run = "ANALYZE, " if not statement.upper().startswith("INSERT") else ""
            cursor.execute(f"EXPLAIN ({run}FORMAT JSON) {statement}", bound)
            [(found,)] = cursor.fetchall()
            reads += _reads(statement, found[0]["Plan"])


def _reads(statement: str, node: dict[str, Any]) -> Iterator[Read]:
    if "Relation Name" in node and node["Node Type"].endswith("Scan"):
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        whole = node["Node Type"] == "Seq Scan"
        if "Actual Rows" in node:
            rows = (node["Actual Rows"] + removed) * node["Actual Loops"]
            yield Read(statement, node["Relation Name"], rows, whole)
        elif whole:
            yield Read(statement, node["Relation Name"], math.inf, whole)
    for inner in node.get("Plans", ()):
        yield from _reads(statement, inner)
