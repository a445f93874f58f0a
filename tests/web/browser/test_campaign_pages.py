"""Campaigns and the calendar as marketing uses them: by keyboard, on a phone and at a desk, in light and dark."""

import pytest

from engage.domain.accounts import Role
from tests.support.engage import Engage
from tests.support.pages import PHONE, LoggedIn, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

DESK = 1280
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
QUIET, JOURNEY = "no-login-30-days", "first-steps"


@pytest.fixture
def path(engage: Engage) -> str:
    return f"/console/campaigns/{engage.program}"


@pytest.fixture
def marketing(engage: Engage, logged_in: LoggedIn) -> Visitor:
    """Somebody of one program's marketing who has logged in."""
    return logged_in(Role.MARKETING, [engage.program])


@pytest.fixture(autouse=True)
def partners(engage: Engage) -> None:
    engage.partner("ann", last_name="Ames")
    engage.refers("ann", "r-1", days_ago=50)
    engage.refers("ann", "r-2", days_ago=60)
    engage.logs_in("ann", days_ago=40)
    engage.partner("eve", first_name=EVIL, last_name=EVIL)
    engage.refers("eve", "r-3", days_ago=45)
    engage.refers("eve", "r-4", days_ago=46)
    engage.logs_in("eve", days_ago=35)
    engage.partner("bob")
    engage.logs_in("bob")  # that both feeds are heard
    engage.refers("bob", "r-5", days_ago=0)


def test_each_page_is_fine_on_a_phone_and_at_a_desk(marketing: Visitor, path: str) -> None:
    for name, page in {
        "campaigns": "/console/campaigns",
        "campaign": f"{path}/{QUIET}",
        "journey": f"{path}/{JOURNEY}",
        "plan": f"{path}/{QUIET}/plan",
        "as-partner": f"{path}/{QUIET}/as?partner=ann",
        "calendar": "/console/calendar",
    }.items():
        marketing.opens(page)
        marketing.page.wait_for_load_state("networkidle")
        for width in (320, PHONE, DESK):
            marketing.finds_it_fine(f"console-{name}", width)


def test_one_finds_out_by_keyboard_who_would_get_a_campaign_and_what_they_would_read(
    marketing: Visitor, engage: Engage
) -> None:
    marketing.opens("/console/campaigns")
    marketing.submits(QUIET)
    marketing.page.wait_for_selector("text=Meet its condition")
    assert "Goes out: 2" in marketing.reads, marketing.page.inner_text("section")
    marketing.writes("partner", "ann@example.com")
    marketing.submits("Would they get it?")
    assert "Yes." in marketing.reads
    mail = marketing.page.frame_locator("iframe.mail")
    assert "Hello Ann" in mail.locator("body").inner_text()
    assert engage.states() == [], "looking sends nothing"


def test_what_a_partner_wrote_runs_neither_on_the_page_nor_in_the_mail(marketing: Visitor, path: str) -> None:
    ran: list[str] = []
    marketing.page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    for page in (f"{path}/{QUIET}/plan", f"{path}/{QUIET}/as?partner=eve", f"{path}/{QUIET}/mail?partner=eve"):
        marketing.opens(page)
        marketing.page.wait_for_load_state("networkidle")
        assert "onerror=alert(1)" in marketing.page.content() or "eve" in page, "it is there, as text"
    assert ran == []
    assert not [one for one in marketing.complaints if "script" in one], marketing.complaints


def test_a_mail_cannot_lead_its_reader_out_of_its_frame(marketing: Visitor, path: str) -> None:
    marketing.opens(f"{path}/{QUIET}/as?partner=ann")
    here = marketing.page.url
    frame = marketing.page.frame_locator("iframe.mail")
    frame.locator("a").first.click()
    marketing.page.wait_for_timeout(300)
    assert marketing.page.url == here
    assert len(marketing.page.context.pages) == 1, "nor into a window of its own"
