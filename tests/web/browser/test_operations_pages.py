"""Deliveries and what is held as an operator uses them: by keyboard, on a phone and at a desk, in light and dark."""

import pytest

from engage.domain.accounts import Role
from engage.domain.messages import Outcome, SendResult
from engage.domain.records import ReferralRecord
from engage.store.audit import entries
from engage.store.campaign_pauses import begin_pause
from engage.store.topic_pauses import pause_topic
from tests.support.engage import Engage
from tests.support.mishaps import LOST, REFUSED, won
from tests.support.pages import PHONE, LoggedIn, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

DESK = 1280
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
def ops(logged_in: LoggedIn) -> Visitor:
    """An operator who has logged in."""
    return logged_in(Role.OPS)


def test_each_page_is_fine_on_a_phone_and_at_a_desk(engage: Engage, ops: Visitor) -> None:
    won(engage, ann=REFUSED, bob=REFUSED, cyd=LOST, dan=None)
    won(engage, eve=SendResult(Outcome.DEAD, status=400, detail=EVIL))
    engage.after(hours=1)
    rows = [[ReferralRecord(f"x{n}", "ann", lead_company=EVIL, status="won", status_at=engage.now)] for n in range(4)]
    engage.services.take(engage.program, rows, source="crm", news=True, limit=3)
    with engage.services.database.write() as db:
        begin_pause(db, 1, "first-steps", EVIL, engage.now)
        pause_topic(db, 1, "tips", "12 of the 900 mails of 2026-03-01 were reported as spam", engage.now)
        engage.services.gate.pause(db, "a wrong price in the newsletter", engage.now)
    for name, page in {
        "deliveries": "/console/deliveries",
        "unknown": "/console/deliveries?state=unknown",
        "accepted": "/console/deliveries?state=accepted",
        "delivery": "/console/deliveries/d-1",
        "held": "/console/held",
    }.items():
        ops.opens(page)
        for width in (320, PHONE, DESK):
            ops.finds_it_fine(f"console-{name}", width)


def test_an_operator_tries_dead_mails_again_by_keyboard(engage: Engage, ops: Visitor) -> None:
    won(engage, ann=REFUSED, bob=REFUSED)
    engage.after(hours=1)
    ops.opens("/console/deliveries")
    ops.tabs_to("Those that I ticked", "radio")
    ops.presses("ArrowDown")
    ops.writes("why", "the template is mended")
    ops.submits("Try again")
    assert "2 mails will be tried again if it is still right." in ops.reads
    engage.work()
    assert engage.partner_states() == {"ann": "accepted", "bob": "accepted"}
    with engage.services.database.read() as db:
        assert [one.why for one in entries(db, 5)] == ["the template is mended"] * 2


def test_an_operator_pauses_all_sending_by_keyboard(ops: Visitor) -> None:
    ops.opens("/console/held")
    ops.tabs_to("Pause all sending", "summary")
    ops.presses("Enter")
    ops.writes("why-pause", "a wrong price")
    ops.submits("Pause all sending")
    assert "All sending is paused." in ops.reads
    ops.writes("why-resume", "mended")
    ops.submits("Resume sending")
    assert "Sending goes on." in ops.reads
