"""The limits that engage ships with: hours, caps, sunset and daily mails, as campaigns/program.yaml has them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engage.domain.programs import Rhythm
from tests.support.engage import ROOT, Engage
from tests.support.topics import wishes

WINDOW = timedelta(minutes=5)
BEGIN = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)  # a Monday, ten in New York, in the first month with an edition


@pytest.fixture
def engage(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(sqlite_url, tmp_path, ROOT / "campaigns", ROOT / "email_templates")
    running.now = BEGIN
    yield running
    running.services.close()


def campaigns(engage: Engage, since: int = 0) -> list[str]:
    """The campaigns of the mails that went out, in order."""
    return [message.category for message in engage.provider.messages[since:]]


def test_by_night_there_is_news_of_referrals_and_the_newsletter_waits_for_eight(engage: Engage) -> None:
    engage.logs_in(engage.partner())
    engage.now += timedelta(hours=16)  # two in the morning, in New York
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "accepted")
    engage.runs("monthly-newsletter")
    engage.after(hours=5, minutes=59)
    assert campaigns(engage) == ["referral-accepted"]
    engage.after(minutes=1)
    engage.sweeps()
    assert campaigns(engage) == ["referral-accepted", "monthly-newsletter"]


def test_by_day_mails_wait_for_each_other_and_the_first_of_the_order_wins(engage: Engage) -> None:
    engage.now += timedelta(days=1)  # to a Tuesday, on which both are due
    quiet_and_near_a_tier(engage)
    assert (engage.runs("no-login-30-days"), engage.runs("near-next-tier")) == ([], [])
    engage.now += WINDOW
    engage.sweeps()
    assert campaigns(engage) == ["near-next-tier"]


def test_a_nudge_without_room_is_a_line_of_the_newsletter_unless_it_is_no_longer_true(engage: Engage) -> None:
    engage.now += timedelta(days=1)
    for name in ("ann", "bea"):
        quiet_and_near_a_tier(engage, name)
    engage.runs("no-login-30-days")
    engage.runs("near-next-tier")
    engage.now += WINDOW
    engage.sweeps()
    engage.logs_in("bea")
    engage.now += timedelta(days=1)
    engage.runs("monthly-newsletter")
    engage.now += WINDOW
    engage.sweeps()
    letters = {m.to.email: m.text for m in engage.provider.messages if m.category == "monthly-newsletter"}
    assert {who: "What your referrals did while you were away" in text for who, text in letters.items()} == {
        "ann@example.com": True,
        "bea@example.com": False,
        "zoe@example.com": False,
    }


def test_who_gave_no_sign_of_life_for_a_year_rests(engage: Engage) -> None:
    engage.partner(joined_at=engage.now - timedelta(days=500))
    engage.runs("monthly-newsletter")
    assert engage.decisions()[-1] == ("skip", "resting")


def test_who_wants_one_mail_a_day_gets_it_at_five_and_what_was_undone_is_not_in_it(engage: Engage) -> None:
    engage.partner()
    for referral in ("acme", "birch"):
        engage.refers("ann", referral)
    wishes(engage, "ann", Rhythm.DAILY)
    engage.becomes("ann", "acme", "won")
    engage.becomes("ann", "birch", "accepted")
    assert engage.work() == []
    engage.now += timedelta(hours=1)
    engage.becomes("ann", "birch", "submitted")
    engage.work()
    engage.after(hours=6, minutes=1)  # five in the afternoon, in New York
    assert [message.subject for message in engage.provider.messages] == ["Acme Ltd: Won"]


def quiet_and_near_a_tier(engage: Engage, name: str = "ann") -> None:
    """A partner who has not logged in for 40 days and is one win from silver; somebody else keeps the feeds alive."""
    engage.logs_in(engage.partner(name), days_ago=40)
    for number in range(2):
        engage.refers(name, f"{name}-{number}", days_ago=45)
        engage.becomes(name, f"{name}-{number}", "won", days_ago=39 - number)
    engage.work()
    engage.logs_in(engage.partner("zoe"))
    engage.refers("zoe", f"{name}-none", days_ago=1)
