"""Good news that is taken back: a correction goes out if the good news did, and neither if it did not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.messages import Outcome, SendResult
from engage.domain.programs import Rhythm
from engage.store import tables
from tests.support.engage import Engage
from tests.support.topics import GATHER, add_correction, deliveries, say, wait, wishes

Start = Callable[..., Engage]


@pytest.fixture
def begin(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Start:
    """Starts engage with these lines at the topic; Ann has a referral, and there is a campaign for corrections."""

    def beginning(*lines: str) -> Engage:
        say(authored, *lines)
        add_correction(authored)
        engage = start("")
        engage.refers(engage.partner(zone="America/New_York"), "acme")
        return engage

    return beginning


def subjects(engage: Engage, **length: float) -> list[str]:
    return [mail.subject for mail in wait(engage, **length)]


WON, OPEN_AGAIN = "Acme Ltd signed. Thank you!", "Acme Ltd is open again"


def test_a_correction_goes_out_if_the_good_news_did(begin: Start) -> None:
    engage = begin("regression: correct")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    assert subjects(engage) == [WON]
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage) == [OPEN_AGAIN]


def test_neither_goes_out_if_the_good_news_had_not_yet(begin: Start) -> None:
    engage = begin("regression: correct", "collapse: 10m")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    assert subjects(engage, minutes=5) == []
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage, minutes=20) == []
    assert deliveries(engage) == [("referral-won", "skipped", "undone")]
    assert {("skip", "undone"), ("skip", "nothing_to_correct")} <= set(engage.decisions())


def test_neither_goes_out_if_both_are_learned_of_at_once(begin: Start) -> None:
    engage = begin("regression: correct")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage) == []


def test_good_news_is_taken_back_even_if_no_campaign_tells_of_the_regression(
    begin: Start, authored: tuple[Path, Path]
) -> None:
    engage = begin("regression: correct", "collapse: 10m")
    (authored[0] / "status_updates" / "reopened.yaml").unlink()
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    engage.work()
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage, minutes=20) == []
    assert deliveries(engage) == [("referral-won", "skipped", "undone")]


def test_what_is_won_again_is_told_once(begin: Start) -> None:
    engage = begin("regression: correct", "collapse: 10m")
    for status, days_ago in (("won", 0.3), ("reopened", 0.2), ("won", 0.1)):
        engage.becomes("ann", "acme", status, days_ago=days_ago)
        engage.work()
    assert subjects(engage, minutes=20) == [WON]


def test_good_news_that_a_provider_may_have_sent_is_corrected(begin: Start) -> None:
    engage = begin("regression: correct")
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.UNKNOWN, detail="a timeout")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    engage.work()
    engage.provider.answers.clear()
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage) == [OPEN_AGAIN]


def test_good_news_in_a_workers_hands_is_looked_at_again_with_its_correction(begin: Start) -> None:
    """The worker is faster to give up than to send: then there is nothing to correct."""
    engage = begin("regression: correct")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    engage.services.match(engage.queue.waiting.popleft()[1])
    with engage.services.database.write() as db:
        db.execute(sa.update(tables.deliveries).values(state="claimed", lease="x", lease_until=engage.now))
    engage.queue.waiting.clear()
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage) == []
    with engage.services.database.write() as db:
        won = tables.deliveries.c.campaign == "referral-won"
        db.execute(sa.update(tables.deliveries).where(won).values(state="pending", lease=None, lease_until=None))
    assert subjects(engage, minutes=1) == []
    assert deliveries(engage) == [
        ("referral-won", "skipped", "undone"),
        ("referral-reopened", "skipped", "nothing_to_correct"),
    ]


def test_what_was_never_told_needs_no_correction(begin: Start) -> None:
    engage = begin("regression: correct")
    engage.becomes("ann", "acme", "negotiation", days_ago=0.2)  # no campaign tells of it
    engage.becomes("ann", "acme", "opportunity", days_ago=0.1)
    assert subjects(engage) == []
    assert engage.decisions() == [("skip", "nothing_to_correct")]


def test_a_win_after_a_loss_takes_nothing_back(begin: Start) -> None:
    engage = begin("regression: correct")
    for status, days_ago in (("lost", 0.3), ("won", 0.1)):
        engage.becomes("ann", "acme", status, days_ago=days_ago)
    assert subjects(engage) == [WON]


def test_a_topic_that_says_nothing_of_them_tells_of_regressions_as_of_anything_else(begin: Start) -> None:
    engage = begin("collapse: 10m")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    engage.work()
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage, minutes=20) == [OPEN_AGAIN]


def test_a_topic_may_ignore_them(begin: Start) -> None:
    engage = begin("regression: ignore")
    engage.becomes("ann", "acme", "won", days_ago=0.2)
    engage.becomes("ann", "acme", "reopened", days_ago=0.1)
    assert subjects(engage) == [WON]
    assert engage.decisions()[-1] == ("skip", "regression_ignored")


def test_good_news_of_a_daily_mail_is_corrected_by_the_next(begin: Start) -> None:
    engage = begin("regression: correct", GATHER)
    wishes(engage, "ann", Rhythm.DAILY)
    engage.becomes("ann", "acme", "won", days_ago=0.01)
    assert subjects(engage, hours=7) == ["News about Acme Ltd"]
    engage.becomes("ann", "acme", "reopened")
    (mail,) = wait(engage, days=1)
    assert "Won -> Open again" in mail.text


def test_good_news_that_waits_for_a_daily_mail_is_taken_out_of_it(begin: Start) -> None:
    engage = begin("regression: correct", GATHER)
    wishes(engage, "ann", Rhythm.DAILY)
    engage.becomes("ann", "acme", "won", days_ago=0.01)
    engage.work()
    engage.becomes("ann", "acme", "reopened")
    assert subjects(engage, hours=7) == []
    assert deliveries(engage) == [("referral-status-daily", "skipped", "undone")]
