"""Each role does its main work in a browser, by keyboard alone, while real workers run."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
import pytest
from playwright.sync_api import Browser

from engage.pipeline.shelf import LOOK_EVERY
from tests.support.command import EngageCommand
from tests.support.installation import Installation, Web, email
from tests.support.npm import npm_package
from tests.support.pages import PHONE, Pages, Visitor, kept_pictures
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

DESK = 1280
PASSWORD = "a sentence that nobody guesses"

COACH = """\
campaign: call-them
why: Whoever wins for the first time should hear a voice.
state: live
topic: referral-status
for: referral
when: {event: referral.status_changed, to: won}
steps:
  - alert: {to: owner, say: won}
"""


class Office:
    """An installation with its workers, and people who come in with the link that they were given."""

    def __init__(self, installation: Installation, web: Web, pages: Pages) -> None:
        self.installation, self.web, self._pages = installation, web, pages

    def hires(self, role: str) -> Visitor:
        """Somebody with this role, who chooses a password by keyboard and is in."""
        added = self.installation.run("user", "add", f"{role}@example.com", "--role", role, "--name", role.title())
        assert added.code == 0, added.err
        return self.lets_in(re.search(r"http\S+", added.out)[0])  # type: ignore[index]

    def lets_in(self, link: str) -> Visitor:
        visitor = self._pages.visitor().opens(link)
        visitor.writes("New password", PASSWORD)
        visitor.writes("The same once more", PASSWORD)
        visitor.submits("Keep it and log in")
        return visitor

    def arrive(self, *subjects: str) -> None:
        """Waits until partners have these mails, each once."""
        wait_for(lambda: set(subjects) <= set(self.web.subjects()), f"{subjects} among the mails")
        found = self.web.subjects()
        assert all(found.count(subject) == 1 for subject in subjects)

    def faults(self, visitor: Visitor, script: object) -> None:
        answer = visitor.page.request.post(
            f"{self.web.url}/mailbox/faults", data=orjson.dumps(script), headers={"Content-Type": "application/json"}
        )
        assert answer.ok


@pytest.fixture
def office(
    run_engage: EngageCommand,
    sqlite_url: str,
    valkey_url: str,
    unused_port: int,
    chromium_of_pages: Browser,
) -> Iterator[Office]:
    installation = Installation(run_engage, sqlite_url, redis_url=valkey_url, port=str(unused_port))
    (installation.campaigns / "call.yaml").write_text(COACH)
    (installation.emails / "alerts").mkdir()
    (installation.emails / "alerts" / "won.md").write_text(email("Please call {{ partner.name }}", "They won."))
    assert installation.imports().code == 0
    web = Web(unused_port)
    process = installation.start("web", "--with-mailbox")
    installation.start("worker")
    installation.start("scheduler")
    web.wait_until_up(process, installation.folder / "web.log")
    pages = Pages(chromium_of_pages, web.url, npm_package("axe-core"), kept_pictures())
    yield Office(installation, web, pages)
    pages.close()


def test_an_operator_finds_what_died_mends_it_and_it_goes_out(office: Office) -> None:
    ops = office.hires("ops")
    office.faults(ops, [{"answer": 400, "times": 1_000}])
    office.installation.wins("acme", "birch")

    def dead() -> bool:
        return "4" in ops.opens("/console/deliveries?state=dead").page.inner_text("ul.cards > li:first-child")

    wait_for(dead, "four dead mails: two to the partner, two to who is to call them")
    office.faults(ops, [])
    ops.opens("/console")
    for width in (PHONE, DESK):
        ops.finds_it_fine("role-ops", width)
    ops.submits("Retry or drop")
    ops.tabs_to("Those that I ticked", "radio")
    ops.presses("ArrowDown")
    ops.writes("why", "the provider was mended")
    ops.submits("Try again")
    office.arrive("Acme Ltd signed", "Birch Ltd signed")


def test_an_operator_stops_all_mail_and_lets_it_out_again(office: Office) -> None:
    ops = office.hires("ops")
    ops.opens("/console/held")
    ops.tabs_to("Pause all sending")
    ops.presses("Enter")
    ops.writes("Why", "a wrong price")
    ops.submits("Pause all sending")
    office.installation.wins("acme")
    wait_for(lambda: "a wrong price" in ops.opens("/console").reads, "the overview to say that it is paused")
    assert office.web.mails() == []
    ops.submits("Resume sending")
    ops.writes("Why", "the price is right")
    ops.submits("Resume sending")
    office.arrive("Acme Ltd signed")


def test_an_operator_settles_mails_whose_answer_was_lost(office: Office) -> None:
    ops = office.hires("ops")
    office.faults(ops, [{"accept_then_drop": True, "times": 1_000}])
    office.installation.wins("acme")
    wait_for(lambda: "2" in unknown(ops), "two mails of which nobody knows: to the partner, and to who is to call")
    ops.opens("/console")
    ops.submits("Settle them")
    for width in (PHONE, DESK):
        ops.finds_it_fine("role-ops-unknown", width)
    ops.tabs_to("Those that I ticked", "radio")
    ops.presses("ArrowDown")
    ops.writes("why", "they are in the mailbox")
    ops.submits("It was sent")
    assert "0" in unknown(ops)
    office.arrive("Acme Ltd signed")


def unknown(ops: Visitor) -> str:
    return ops.opens("/console/deliveries?state=unknown").page.inner_text("ul.cards > li:nth-child(2)")


def test_a_marketer_sees_who_would_get_what_and_stops_a_campaign(office: Office) -> None:
    marketer = office.hires("marketing")
    marketer.opens("/console")
    marketer.submits("Campaigns")
    marketer.submits("monthly")
    for width in (PHONE, DESK):
        marketer.finds_it_fine("role-marketing", width)
    marketer.writes("partner", "ann")
    marketer.submits("Would they get it?")
    assert "Tips for Ann" in marketer.reads
    marketer.opens("/console/campaigns/maven-partners/referral-won")
    marketer.tabs_to("Pause this campaign")
    marketer.presses("Enter")
    marketer.writes("Why", "the text is old")
    marketer.submits("Pause the campaign")
    office.installation.wins("acme")
    said = office.installation.run("status").out
    assert "referral-won" in said
    marketer.tabs_to("Let it go on")
    marketer.presses("Enter")
    marketer.writes("Why", "the text is new")
    marketer.submits("Let it go on")
    resumed = datetime.now(UTC)
    wait_for(lambda: datetime.now(UTC) > resumed + 2 * LOOK_EVERY, "the worker to look again")
    office.installation.wins("acme", "birch")
    office.arrive("Birch Ltd signed")
    marketer.submits("Calendar")
    assert "The next 14 days" in marketer.reads
    for width in (PHONE, DESK):
        marketer.finds_it_fine("role-marketing-calendar", width)
    marketer.submits("Stories")
    assert "There are no stories" in marketer.reads, "and it says where they are written"


def test_a_salesperson_claims_an_alert_calls_and_says_what_came_of_it(office: Office) -> None:
    office.installation.wins("acme")
    sales = office.hires("sales")

    def told() -> bool:
        return "Claim" in sales.opens("/console/coaching").reads

    wait_for(told, "an alert")
    for width in (PHONE, DESK):
        sales.finds_it_fine("role-sales", width)
    sales.submits("Claim")
    assert "Yours" in sales.reads or "In your hands" in sales.reads
    sales.writes("Note", "they want a second seat")
    sales.submits("Talked, next step agreed")
    sales.opens("/console/coaching?show=resolved")
    sales.submits("Ann")
    assert "they want a second seat" in sales.reads
    sales.submits("Open it again")
    assert "It is open again, and yours." in sales.reads
    for closed in ("/console/deliveries", "/console/held", "/console/users", "/console/audit", "/console/campaigns"):
        assert "does not let you do this" in sales.opens(closed).reads


def test_an_admin_invites_somebody_who_may_only_look(office: Office) -> None:
    admin = office.hires("admin")
    admin.opens("/console/users")
    for width in (PHONE, DESK):
        admin.finds_it_fine("role-admin", width)
    admin.writes("Email address", "eve@example.com")
    admin.writes("Name", "Eve")
    admin.submits("Make a link for them")
    link = re.search(r"http\S+/console/link/\S+", admin.reads)
    assert link
    eve = office.lets_in(link[0])
    for width in (PHONE, DESK):
        eve.opens("/console").finds_it_fine("role-read-only", width)
    eve.opens("/console/held")
    assert eve.page.query_selector("main form[method=post]") is None, "whoever may only look has no button"
    assert "does not let you do this" in eve.opens("/console/users").reads
    assert "eve@example.com" in admin.opens("/console/audit").reads
