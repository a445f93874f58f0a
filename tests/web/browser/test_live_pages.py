"""What keeps itself up to date takes nothing out of the hands of whoever is reading it."""

import pytest

from engage.domain.accounts import Role
from engage.domain.messages import Outcome, SendResult
from engage.web.console import live
from tests.support.engage import Engage
from tests.support.pages import LoggedIn, Visitor
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

FOCUSED = "document.activeElement.innerText"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY", 0.1)


@pytest.fixture
def ops(logged_in: LoggedIn) -> Visitor:
    return logged_in(Role.OPS)


def dies(engage: Engage, name: str) -> None:
    """A mail to this partner is refused for good."""
    engage.provider.answers[f"{name}@example.com"] = SendResult(Outcome.DEAD, status=400, detail="refused")
    engage.partner(name)
    engage.refers(name, f"{name}-deal")
    engage.becomes(name, f"{name}-deal", "won")
    engage.work()


def test_the_overview_says_at_once_what_goes_wrong_and_the_focus_stays(engage: Engage, ops: Visitor) -> None:
    dies(engage, "ann")
    engage.after(minutes=2)
    ops.opens("/console")
    ops.tabs_to("Retry or drop")
    before = ops.page.evaluate(FOCUSED)
    with engage.services.database.write() as db:
        engage.services.gate.pause(db, "a wrong price", engage.now)
    ops.page.wait_for_selector("text=Resume sending >> visible=true")
    ops.page.wait_for_selector("text=a wrong price")
    assert ops.page.evaluate(FOCUSED) == before, "what is wrong came above it, and the focus did not move to that"
    with ops.page.expect_navigation():
        ops.presses("Enter")
    assert "/console/deliveries" in ops.page.url


def test_what_was_opened_stays_open_while_numbers_change(engage: Engage, ops: Visitor) -> None:
    dies(engage, "ann")
    engage.after(hours=1)
    while engage.services.count_deliveries():
        """Counts on, for the chart."""
    ops.opens("/console")
    ops.tabs_to("The numbers", "summary")
    ops.presses("Enter")
    dies(engage, "bob")
    engage.after(seconds=61)
    wait_for(lambda: ops.page.inner_text("#to-dead") == "2", "the second to be counted")
    assert ops.page.evaluate("document.activeElement.parentElement.open && document.activeElement.innerText") == (
        "The numbers"
    )


def test_a_table_stays_where_it_was_scrolled_to(engage: Engage, ops: Visitor) -> None:
    ops.opens("/console/machinery")
    table = "document.getElementById('table-schedules')"
    ops.tabs_to("table-schedules")
    assert ops.page.evaluate(f"{table}.mark = {table}.scrollLeft = 50") == 50
    engage.after(minutes=3)
    wait_for(lambda: ops.page.evaluate(f"{table}.mark === undefined"), "a new table")
    assert ops.page.evaluate(f"[document.activeElement.id, {table}.scrollLeft]") == ["table-schedules", 50]
