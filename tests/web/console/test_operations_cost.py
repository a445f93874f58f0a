"""What the pages of deliveries and of what is held ask the database: nothing that takes longer as history grows."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.store.tables import deliveries
from engage.web.app import build_app
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped

HISTORY = ("deliveries", "enrollments", "decisions", "attempts", "feedback", "events", "occasions", "runs")
MANY = 20_000
PATH = "/console/deliveries"


@pytest.fixture
def engage(postgres_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()


def history(engage: Engage) -> None:
    """Many mails that came to an end long ago, as copies of one; and a dead one, an unknown one and one that waits."""
    answers = {
        "ann": SendResult(Outcome.ACCEPTED, status=202),
        "bob": SendResult(Outcome.DEAD, status=400, detail="no"),
    }
    answers |= {"cyd": SendResult(Outcome.UNKNOWN, detail="lost"), "dan": SendResult(Outcome.RETRY, detail="busy")}
    for name, answer in answers.items():
        engage.provider.answers[f"{name}@example.com"] = answer
        engage.refers(engage.partner(name), f"{name}-deal")
        engage.becomes(name, f"{name}-deal", "won")
    engage.work()
    with engage.services.database.write() as db:
        names = [column.name for column in deliveries.c if column.name != "id"]
        copied = ", ".join(f'"{name}"' for name in names)
        own = {"public_id": "'c' || n", "occasion": "'c' || n", "settled_at": "settled_at - n * interval '1 second'"}
        chosen = ", ".join(own.get(name, f'"{name}"') for name in names)
        db.exec_driver_sql(
            f"INSERT INTO deliveries ({copied}) SELECT {chosen} FROM deliveries, generate_series(1, {MANY}) AS n "
            "WHERE recipient = 'partner:ann'"
        )
        db.exec_driver_sql("ANALYZE deliveries")


@pytest.mark.postgres
def test_no_statement_of_them_reads_a_table_of_history_from_end_to_end(engage: Engage) -> None:
    history(engage)
    services = engage.services
    user = add_user(services)
    console = Console(build_app(services), services, user, begin_session(services, user))
    said: dict[str, Any] = {}
    noted = ("before_cursor_execute", lambda _c, _cur, sql, bound, *_: said.update({sql: bound}))
    sa.event.listen(services.database.engine, *noted)
    after = f"{(engage.now + timedelta(1)).isoformat()}~999999".replace("+", "%2B")
    for path in (
        PATH,
        f"{PATH}?state=dead&error=no&campaign=referral-won&partner=bob",
        f"{PATH}?state=unknown&after=~99",
        f"{PATH}?state=waiting&after={after}",
        f"{PATH}?state=retry&error=busy",
        f"{PATH}?state=in-hands",
        f"{PATH}?state=accepted&after={after}",
        f"{PATH}?state=skipped&campaign=monthly",
        f"{PATH}?partner=bob",
        f"{PATH}/d-2",
        "/console/held",
    ):
        assert console.get(path).status_code == 200, path
    sa.event.remove(services.database.engine, *noted)
    scanned = []
    with services.database.read() as db:
        db.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it would read the few at once: now only if it must
        for sql, bound in said.items():
            if sql.lstrip().startswith("SELECT"):
                plan = "\n".join(row[0] for row in db.exec_driver_sql(f"EXPLAIN {sql}", bound))
                scanned += [sql for table in HISTORY if re.search(rf"Seq Scan on {table}\b", plan)]
    assert any("FROM deliveries" in sql for sql in said)
    assert not scanned, "\n\n".join(scanned)
