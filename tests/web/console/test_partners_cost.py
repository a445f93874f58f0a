"""What a partner's page asks the database: nothing that takes longer the more mail there is of others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engage.web.app import build_app
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial
from tests.support.shipped import copy_shipped

HISTORY = ("deliveries", "enrollments", "decisions", "attempts", "feedback", "events", "occasions", "runs")


@pytest.fixture
def engage(postgres_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()


def test_no_statement_of_it_reads_a_table_of_history_from_end_to_end(engage: Engage) -> None:
    write_trial(engage, "{send: a}", where="[referrals: {last: 90d, at_least: 1}]")
    engage.partner("ann")
    engage.refers("ann", "acme")
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.sweeps()
    services = engage.services
    user = add_user(services)
    console = Console(build_app(services), services, user, begin_session(services, user))
    said: dict[str, Any] = {}
    noted = ("before_cursor_execute", lambda _c, _cur, sql, bound, *_: said.update({sql: bound}))
    sa.event.listen(services.database.engine, *noted)
    cursor = "2026-10-01T00:00:00%2B00:00.9"
    page = f"/console/partners/{engage.program}/ann?campaign={TRIAL}&entries_before={cursor}&mails_before={cursor}"
    for path in (page, "/console/partners?q=ann+w", "/console/stories", "/console/stories/editions"):
        assert console.get(path).status_code == 200
    sa.event.remove(services.database.engine, *noted)

    scanned = []
    with services.database.read() as db:
        db.exec_driver_sql("SET LOCAL enable_seqscan = off")  # few rows: it would read them all; now only if it must
        for sql, bound in said.items():
            if sql.lstrip().startswith("SELECT"):
                plan = "\n".join(row[0] for row in db.exec_driver_sql(f"EXPLAIN {sql}", bound))
                scanned += [(table, sql) for table in HISTORY if re.search(rf"Seq Scan on {table}\b", plan)]
    assert any("FROM deliveries" in sql for sql in said)
    assert not scanned
