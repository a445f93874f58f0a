"""Coaching as a salesperson uses it: by keyboard, on a phone between two meetings and at a desk, in light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engage.domain.accounts import Role
from engage.domain.coaching import Outcome
from tests.pipeline.test_coaching import alerted, claims, listed, resolves, salesperson
from tests.support.engage import Engage
from tests.support.pages import PHONE, LoggedIn, Visitor
from tests.support.shipped import copy_shipped

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

DESK = 1280
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
def engage(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))  # a campaign is written beside those shipped
    yield running
    running.services.close()


@pytest.fixture
def sam(logged_in: LoggedIn) -> Visitor:
    """A salesperson who has logged in."""
    return logged_in(Role.SALES, None, "sam@example.com")


def test_each_page_is_fine_on_a_phone_and_at_a_desk(engage: Engage, sam: Visitor) -> None:
    engage.partner("eve", owner=engage.salesperson("sam"), first_name=EVIL, last_name="x" * 60)
    engage.refers("eve", "bolt", lead_company=EVIL)
    alerted(engage, "ann", "bob", "cyd")
    ann, bob, cyd = (next(one.id for one in listed(engage) if one.about == name) for name in ("Ann", "Bob", "Cyd"))
    joe = salesperson(engage, "joe")
    claims(engage, bob, joe)
    resolves(engage, cyd, joe, Outcome.NOT_REACHED, EVIL)
    eve = next(one.id for one in listed(engage) if one.partner == "eve")
    pages = {"list": "", "open": f"/{ann}", "anothers": f"/{bob}", "resolved": f"/{cyd}", "odd": f"/{eve}"}
    for name, page in {**pages, "resolved-list": "?show=resolved&whose=all", "empty": "?show=snoozed"}.items():
        sam.opens(f"/console/coaching{page}")
        for width in (320, PHONE, DESK):
            sam.finds_it_fine(f"console-coaching-{name}", width)


def test_a_call_from_the_list_to_its_outcome_by_keyboard(engage: Engage, sam: Visitor) -> None:
    alerted(engage)
    sam.opens("/console/coaching")
    sam.submits("Claim")
    assert "It is yours." in sam.reads
    assert "Referrals, last 90 days" in sam.reads, "why"
    assert "Call Ann." in sam.reads, "what to say"
    sam.finds_it_fine("console-coaching-mine")
    sam.tabs_to("Call +49 89 1234-5")
    sam.writes("note", "a word with the buyer")
    sam.submits("Talked, next step agreed")
    assert "Ann: Talked, next step agreed." in sam.reads
    assert listed(engage) == []


def test_an_alert_is_put_off_by_keyboard(engage: Engage, sam: Visitor) -> None:
    alerted(engage)
    sam.opens("/console/coaching")
    sam.submits("Open")
    sam.tabs_to("Not now")
    sam.presses("Enter")
    sam.submits("3 days")
    assert "Ann comes back in 3 days." in sam.reads
