"""A partner's own page, by keyboard on a phone: before the code, after it, and when its link has run out."""

import re
from datetime import timedelta

import pytest

from engage.domain.records import RewardRecord
from engage.pipeline.page_links import PATH, PageLink, day_number
from engage.store import tables
from tests.support.engage import Engage
from tests.support.pages import Pages, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

WIDE = 1100
STATUSES = (
    "won",
    "qualified",
    "accepted",
    "proposal",
    "lost",
    "demo",
    "won",
    "submitted",
    "opportunity",
    "negotiation",
)
COMPANIES = ("Brightwater Logistics", "Gesellschaft für Verpackungstechnik und Fördersysteme mbH & Co. KG", "Acme")


def busy_partner(engage: Engage, locale: str | None = None) -> str:
    """Ten referrals, all the way down the ladder; four rewards, one of each kind; mails of lately."""
    engage.salesperson()
    partner = engage.partner("ann", locale=locale)
    for number, status in enumerate(STATUSES):
        company, days = COMPANIES[number % 3], 3 * number + 20
        engage.refers(partner, f"r{number}", days, lead_company=company, lead_name="Marcus Oyelaran", salesperson="sam")
        for back, step in ((days - 1, "accepted"), (number + 8, status)):
            if status != "submitted":
                engage.becomes(partner, f"r{number}", step, back)
    engage.becomes(partner, "r2", "qualified")
    engage.logs_in(partner)
    ago, later = engage.now - timedelta(days=40), engage.now + timedelta(days=60)
    engage.takes(
        RewardRecord("w1", partner, 123_400, referral="r0", label="First year", earned_at=engage.now, due_at=later),
        RewardRecord("w2", partner, 7_750, label="Bonus", earned_at=ago, paid_at=engage.now - timedelta(days=30)),
        RewardRecord("w3", partner, 20_000, referral="r4", label="First year", earned_at=ago, reversed_at=engage.now),
        RewardRecord("w4", partner, 1_250_000, referral="r1", label="First year", expected_at=later),
        news=False,
    )
    engage.work()
    return partner


def link_to(engage: Engage, partner: str, days_ago: int = 0) -> str:
    """Of a mail of that day."""
    with engage.services.database.read() as db:
        row = db.execute(tables.partners.select().where(tables.partners.c.external_id == partner)).one()
    issued = day_number(engage.now) - days_ago
    return PATH + PageLink(row.program_id, row.id, row.address_id, issued).token(engage.services.signer)


def mailed(engage: Engage, what: str) -> str:
    """The first text of this pattern in the one mail that goes out."""
    (mail,) = engage.work()
    found = re.search(what, mail.text)
    assert found, mail.text
    return found[1]


def code(engage: Engage) -> str:
    return mailed(engage, r"\b(\d{6})\b")


def wrong(right: str) -> str:
    return "000000" if right != "000000" else "111111"


def test_a_partner_reads_all_of_their_page_by_keyboard(engage: Engage, ann: Visitor) -> None:
    ann.opens(link_to(engage, busy_partner(engage)))
    assert "Hello Ann" in ann.reads
    assert "$1,234" not in ann.reads
    ann.finds_it_fine("page")
    ann.finds_it_fine("page", WIDE)
    folded = ann.page.locator("details:not([open]) summary")
    before = folded.count()
    ann.tabs_to(folded.first.inner_text().strip())
    ann.presses("Enter")
    assert folded.count() == before - 1
    ann.finds_it_fine("page-unfolded")

    ann.submits("Mail me a code")
    right = code(engage)
    assert "Six digits are on their way to a•••@example.com." in ann.reads
    ann.finds_it_fine("page-code")
    ann.writes("Code from the email", wrong(right))
    ann.submits("Show my rewards")
    assert "That is not the code" in ann.reads
    assert ann.page.get_attribute("#code", "aria-invalid") == "true"
    ann.finds_it_fine("page-wrong-code")
    ann.submits("That is not the code")  # what went wrong leads to where it is mended
    ann.page.keyboard.type(right)
    with ann.page.expect_navigation():
        ann.presses("Enter")
    assert "This browser shows your rewards from now on." in ann.reads
    assert "$1,234" in ann.reads
    ann.finds_it_fine("page-rewards")
    ann.finds_it_fine("page-rewards", WIDE)

    ann.opens(link_to(engage, "ann", days_ago=3))
    assert "$1,234" in ann.reads, "the browser is known by its cookies"
    ann.submits("Hide them in this browser")
    assert "Your rewards are hidden in this browser." in ann.reads
    assert "$1,234" not in ann.reads
    ann.finds_it_fine("page-hidden")
    ann.opens(link_to(engage, "ann"))
    assert "$1,234" not in ann.reads


def test_a_link_that_ran_out_is_renewed_by_keyboard(engage: Engage, ann: Visitor) -> None:
    engage.refers(engage.partner("ann"), "acme")
    ann.opens(link_to(engage, "ann", days_ago=31))
    assert "This link has run out" in ann.reads
    ann.finds_it_fine("page-expired")
    ann.submits("Mail me a fresh link")
    assert "A fresh link is on its way" in ann.reads
    ann.finds_it_fine("page-renewed")
    ann.opens(mailed(engage, r"(https?://[^/\s]+/p/\S+)"))
    assert "Acme Ltd" in ann.reads


def test_a_partner_confirms_in_german(engage: Engage, pages: Pages) -> None:
    ute = pages.visitor("de-DE").opens(link_to(engage, busy_partner(engage, locale="de")))
    assert ute.page.get_attribute("html", "lang") == "de"
    ute.finds_it_fine("page-de")
    ute.submits("Code zuschicken")
    right = code(engage)
    ute.writes("code", wrong(right))
    with ute.page.expect_navigation():
        ute.presses("Enter")
    ute.finds_it_fine("page-wrong-code-de")
    ute.writes("code", right)
    with ute.page.expect_navigation():
        ute.presses("Enter")
    assert "1.234" in ute.reads
    ute.finds_it_fine("page-rewards-de")
    ute.opens(link_to(engage, "ann", days_ago=31)).finds_it_fine("page-expired-de")


def test_who_has_nothing_yet_and_who_has_many_pages_find_it_fine(engage: Engage, ann: Visitor) -> None:
    ann.opens(link_to(engage, engage.partner("new"))).finds_it_fine("page-empty")
    engage.partner("many")
    for number in range(41):
        engage.refers("many", f"m{number}", days_ago=number)
    ann.opens(link_to(engage, "many"))
    ann.submits("Older")
    assert "Page 2 of 3" in ann.reads
    ann.finds_it_fine("page-2")
    ann.submits("Newer")
    assert "Page 1 of 3" in ann.reads
