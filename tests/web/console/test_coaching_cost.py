"""What the coaching pages, and sending beside them, ask the database: nothing that grows with alerts of the past."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from engage.store.people import partner_standings
from engage.web.app import build_app
from tests.pipeline.test_coaching import alerted, listed
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.statements import selects

HISTORY = ("coaching_alerts", "deliveries", "enrollments", "decisions")
OLD = 20_000


@pytest.fixture
def kept_in(postgres_url: str) -> str:
    return postgres_url


def grow_old(engage: Engage) -> None:
    """Many alerts of the past: most of them resolved, some that nobody ever took, some whose claim is long over."""
    columns = "program_id, campaign, template, recipient, staff_id, evidence"
    with engage.services.database.write() as db:
        db.exec_driver_sql(
            f"INSERT INTO coaching_alerts ({columns}, raised_at, delivery_id, partner_id, "
            "state, claimed_by, claimed_at, resolved_at) "
            f"SELECT {columns}, raised_at - interval '200 days', 1000 + n, 1000 + n, "
            "CASE mod(n, 10) WHEN 0 THEN 'open' WHEN 1 THEN 'claimed' ELSE 'resolved' END, 1, "
            "CASE WHEN mod(n, 10) > 0 THEN raised_at - interval '190 days' END, "
            "CASE WHEN mod(n, 10) > 1 THEN raised_at - interval '180 days' END "
            f"FROM coaching_alerts, generate_series(1, {OLD}) n WHERE id = (SELECT min(id) FROM coaching_alerts)"
        )
    with engage.services.database.write() as db:
        db.exec_driver_sql("ANALYZE coaching_alerts")


def test_no_statement_reads_the_alerts_of_the_past(engage: Engage) -> None:
    alerted(engage, "ann", "bob")
    grow_old(engage)
    engage.now += timedelta(hours=1)
    services = engage.services
    user = add_user(services, email="sam@example.com")
    console = Console(build_app(services), services, user, begin_session(services, user))
    with selects(services.database) as said:
        first = listed(engage)[0]
        path = f"/console/coaching/{first.id}"
        assert console.post(f"{path}/claim").status_code == 303
        pages = ("", "?whose=all", "?whose=1", "?show=snoozed", "?show=resolved", f"?after={first.id}", f"/{first.id}")
        for page in pages:
            assert console.get(f"/console/coaching{page}").status_code == 200
        with services.database.read() as db:
            assert partner_standings(db, [1, 2])[first.partner_id or 0].claimed_at == engage.now

    with services.database.read() as db:
        read = {sql: rows_read(db, sql, bound) for sql, bound in said.items()}
    assert any("FROM coaching_alerts" in sql for sql in said)
    assert {sql: count for sql, count in read.items() if count > OLD / 100} == {}


def rows_read(db: Connection, sql: str, bound: Any) -> float:
    """The most rows that a step of the statement took of a table that grows, those that it left out included."""
    (plan,) = db.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", bound).scalar_one()
    most, steps = 0.0, [plan["Plan"]]
    while steps:
        step = steps.pop()
        steps += step.get("Plans", ())
        if step.get("Relation Name") in HISTORY:
            left_out = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
            most = max(most, (step["Actual Rows"] + left_out) * step["Actual Loops"])
    return most
