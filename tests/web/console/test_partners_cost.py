"""What a partner's page asks the database: nothing that takes longer the more mail there is of others."""

import pytest

from engage.web.app import build_app
from tests.support.consoles import Console, add_user, begin_session
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial
from tests.support.statements import reading_whole, selects

HISTORY = ("deliveries", "enrollments", "decisions", "attempts", "feedback", "events", "occasions", "runs")


@pytest.fixture
def kept_in(postgres_url: str) -> str:
    return postgres_url


def test_no_statement_of_it_reads_a_table_of_history_from_end_to_end(engage: Engage) -> None:
    write_trial(engage, "{send: a}", where="[referrals: {last: 90d, at_least: 1}]")
    engage.partner("ann")
    engage.refers("ann", "acme")
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.sweeps()
    services = engage.services
    user = add_user(services)
    console = Console(build_app(services), services, user, begin_session(services, user))
    with selects(services.database) as said:
        cursor = "2026-10-01T00:00:00%2B00:00.9"
        page = f"/console/partners/{engage.program}/ann?campaign={TRIAL}&entries_before={cursor}&mails_before={cursor}"
        for path in (page, "/console/partners?q=ann+w", "/console/stories", "/console/stories/editions"):
            assert console.get(path).status_code == 200
    assert any("FROM deliveries" in sql for sql in said)
    assert reading_whole(services.database, said, HISTORY) == []
