"""No page reads history: what each statement of each page of the consoles reads, of a million mails in PostgreSQL.

What reads a table that grows from end to end costs more each day, by an index or not. benchmarks/consoles.py has the
times; here what is read is counted, which no busy machine changes.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.store.coming import (
    COUNTED,
    counted_since,
    last_runs,
    made_by,
    made_since,
    mails_coming,
    steps_coming,
    versions_seen,
)
from engage.store.delivery_lists import CHOICES
from engage.store.tables import audit_entries, deliveries
from engage.web.app import build_app
from tests.support.console_pages import PAGES, known
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.history import fill
from tests.support.reads import Reading, watched
from tests.support.shipped import copy_shipped

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MAILS, PARTNERS = 1_000_000, 20_000
WAITING = 30_000
"""So many mails wait, and so many partners stand in journeys: more than is counted of either."""

CHANGES = 100_000
"""So many entries the audit log has, most of them of no program."""

_HISTORY = "deliveries enrollments decisions feedback attempts events occasions webhooks runs delivery_counts"
GREAT = {*_HISTORY.split(), "audit_entries"}
"""Tables that grow with history."""

MOST_ROWS = 25_000
"""Rows that a statement reads of one of them, at the most: rates are reckoned over the newest 20,000 mails."""

MOST_BLOCKS = 30_000
"""Blocks that it reads of all tables and indexes: one for each of these rows, and what leads to them."""

FEW = 4_000
"""So many rows PostgreSQL rather reads from end to end; of none of these tables is that all."""


@pytest.fixture(scope="module")
def history(_postgres_lending: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engage]:
    folder = tmp_path_factory.mktemp("history")
    running = Engage(_postgres_lending.lend(), folder, *copy_shipped(folder))
    program_id = running.services.library().program_ids[running.program]
    fill(running.services.database, program_id, MAILS, running.now, timedelta(days=180), PARTNERS, WAITING, WAITING)
    while running.services.count_deliveries():
        pass
    with running.services.database.write() as db:
        db.execute(sa.text(_CHANGES), {"program": program_id, "changes": CHANGES, "at": running.now})
    with running.services.database.outside_transactions() as db:
        db.exec_driver_sql("VACUUM ANALYZE delivery_counts, audit_entries")
    yield running
    running.services.close()
    _postgres_lending.take_back()


_CHANGES = """INSERT INTO audit_entries (at, actor, program_id, action, object) SELECT :at, 'command line',
    CASE WHEN g <= 100 THEN :program END, 'delivery.resend', 'delivery:' || g FROM generate_series(1, :changes) g"""


@pytest.fixture(scope="module")
def names(history: Engage) -> dict[str, object]:
    return known(history.services, history.program)


@pytest.fixture(scope="module")
def app(history: Engage) -> FastAPI:
    return build_app(history.services)


@pytest.fixture(scope="module")
def admin(history: Engage, app: FastAPI) -> Console:
    user = add_user(history.services)
    return Console(app, history.services, user, begin_session(history.services, user))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_no_history(page: str, history: Engage, names: dict[str, object], admin: Console) -> None:
    path = page.format(**names)
    admin.get(path)  # what is read once and kept is no part of it
    with watched(history.services.database) as readings:
        assert admin.get(path).status_code in (200, 303)
    assert readings
    assert not too_much(readings)


def test_each_filter_is_one_that_the_list_knows() -> None:
    asked = {state for page in PAGES for state in parse_qs(urlsplit(page).query).get("state", ())}
    assert asked == {str(choice) for choice in CHOICES}  # another is taken to be none, and reads something else


def test_whoever_sees_one_program_reads_no_more_of_the_audit_log_than_they_see(history: Engage, app: FastAPI) -> None:
    user = add_user(history.services, programs=[history.program])
    scoped = Console(app, history.services, user, begin_session(history.services, user))
    for path in ("/console/audit", f"/console/audit?user={user.email}", "/console/audit?object=delivery:7"):
        with watched(history.services.database) as readings:
            assert scoped.get(path).status_code == 200
        read = sum(scan.rows for one in readings for scan in one.scans if scan.table == "audit_entries")
        assert read <= 110, path  # a page of them, by their ids


def test_counting_what_is_new_reads_no_history(history: Engage) -> None:
    history.now += timedelta(minutes=5)
    with watched(history.services.database) as readings:
        history.services.count_deliveries()
        history.services.status()
    assert not too_much(readings)


# --- what comes (store/coming.py) -------------------------------------------------------------------------------------

Asks = Callable[[Connection, int, datetime], object]


def days(now: datetime) -> list[tuple[datetime | None, datetime]]:
    ends = [now + timedelta(days=number) for number in range(1, 15)]
    return list(zip([None, *ends[:-1]], ends, strict=True))


COMING: dict[str, Asks] = {
    "mails that wait": lambda db, program, now: mails_coming(db, program, days(now)),
    "steps of journeys": lambda db, program, now: steps_coming(db, program, days(now)),
    "the last runs": lambda db, program, _: last_runs(db, [program]),
    "what the last runs made": lambda db, program, _: made_by(db, last_runs(db, [program], done=True).values()),
    "what was accepted lately": lambda db, program, now: counted_since(
        db, [program], now - timedelta(days=30), [DeliveryState.ACCEPTED]
    ),
    "what was made lately": lambda db, program, now: made_since(db, program, now - timedelta(days=14)),
    "versions": lambda db, program, _: versions_seen(db, program, "monthly-newsletter", 10),
}


@pytest.mark.parametrize("what", COMING)
def test_what_comes_is_told_without_history(what: str, history: Engage) -> None:
    program_id = history.services.library().program_ids[history.program]
    with watched(history.services.database) as readings, history.services.database.read() as db:
        assert COMING[what](db, program_id, history.now)
    assert not too_much(readings)


def test_of_what_waits_for_a_day_no_more_is_read_than_is_counted(history: Engage) -> None:
    program_id = history.services.library().program_ids[history.program]
    with watched(history.services.database) as readings, history.services.database.read() as db:
        mails = mails_coming(db, program_id, days(history.now))
        steps = steps_coming(db, program_id, days(history.now))
    assert [day.total() for day in mails[:2]] == [COUNTED, 0]
    assert [day.total() for day in steps[:4]] == [0, 0, COUNTED, 0]
    of_mails, of_steps = (sum(scan.rows for scan in one.scans) for one in readings)
    assert of_mails <= COUNTED + 10  # of each lane one more than is taken
    assert of_steps <= COUNTED


# --- what counts as too much ------------------------------------------------------------------------------------------


def test_who_reads_history_is_seen(history: Engage) -> None:
    d = deliveries.c
    whole = sa.select(sa.func.count()).select_from(deliveries).where(d.reason == "550 no such user")
    by_index = sa.select(sa.func.count(d.settled_at)).where(d.settled_at.is_not(None))
    log = sa.select(sa.func.count()).select_from(audit_entries).where(audit_entries.c.actor == "nobody")
    for query in (whole, by_index, log):
        with watched(history.services.database) as readings, history.services.database.read() as db:
            db.execute(query)
        assert too_much(readings)


def too_much(readings: list[Reading]) -> str:
    """What of it reads history, if any does; a constant bounds the rest, whatever the size of these tables."""
    found = [f"{one.blocks:,} blocks: {one.statement}" for one in readings if one.blocks > MOST_BLOCKS]
    for one in readings:
        for scan in one.scans:
            if scan.table in GREAT and scan.rows > (FEW if scan.whole else MOST_ROWS):
                found.append(f"{scan.rows:,.0f} rows of {scan.table}: {one.statement}")
    return "\n".join(found)
