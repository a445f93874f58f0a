"""What the pages of deliveries and of what is held ask the database: nothing that takes longer as history grows."""

from datetime import timedelta

import pytest

from engage.domain.messages import Outcome, SendResult
from engage.store.tables import deliveries
from engage.web.app import build_app
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.statements import reading_whole, selects

HISTORY = ("deliveries", "enrollments", "decisions", "attempts", "feedback", "events", "occasions", "runs")
MANY = 20_000
PATH = "/console/deliveries"


@pytest.fixture
def kept_in(postgres_url: str) -> str:
    return postgres_url


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
    with selects(services.database) as said:
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
    assert any("FROM deliveries" in sql for sql in said)
    assert reading_whole(services.database, said, HISTORY) == []
