"""Several changes of one referral soon after one another are one mail, about the last of them."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.pipeline.match import match_events
from engage.store import tables
from tests.support.engage import Engage
from tests.support.topics import deliveries, say, told_by, wait


@pytest.fixture
def collapsing(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:
    say(authored, "collapse: 10m")
    engage = start("")
    engage.refers(engage.partner(), "acme")
    return engage


def later(engage: Engage, minutes: float) -> list[str]:
    """The subjects of what goes out when so much time has passed."""
    return [mail.subject for mail in wait(engage, minutes=minutes)]


def test_three_changes_within_ten_minutes_of_the_first_are_one_mail_about_the_last(collapsing: Engage) -> None:
    collapsing.becomes("ann", "acme", "accepted")
    assert later(collapsing, 4) == []
    collapsing.becomes("ann", "acme", "opportunity")
    assert later(collapsing, 5) == []
    collapsing.becomes("ann", "acme", "won")
    assert later(collapsing, 0.9) == []
    assert later(collapsing, 0.2) == ["Acme Ltd signed. Thank you!"]
    assert deliveries(collapsing) == [
        ("referral-accepted", "skipped", "collapsed"),
        ("referral-became-opportunity", "skipped", "collapsed"),
        ("referral-won", "accepted", None),
    ]
    assert told_by(collapsing, "referral-won") == ["referral-accepted", "referral-became-opportunity", "referral-won"]
    assert ("skip", "collapsed") in collapsing.decisions()


def test_changes_that_are_told_at_once_are_one_mail_too(collapsing: Engage) -> None:
    for status, days_ago in (("won", 0.1), ("accepted", 0.3), ("opportunity", 0.2)):
        collapsing.becomes("ann", "acme", status, days_ago=days_ago)
    assert later(collapsing, 10) == ["Acme Ltd signed. Thank you!"]


def test_the_mail_goes_out_ten_minutes_after_the_first_change_and_not_later(collapsing: Engage) -> None:
    collapsing.becomes("ann", "acme", "accepted")
    later(collapsing, 9)
    collapsing.becomes("ann", "acme", "opportunity")
    assert later(collapsing, 1) == ["Acme Ltd is now an opportunity"]


def test_a_change_after_that_is_a_mail_of_its_own(collapsing: Engage) -> None:
    collapsing.becomes("ann", "acme", "accepted")
    assert len(later(collapsing, 10)) == 1
    collapsing.becomes("ann", "acme", "won")
    assert later(collapsing, 10) == ["Acme Ltd signed. Thank you!"]


def test_a_mail_that_has_waited_longer_than_that_takes_up_no_more(collapsing: Engage) -> None:
    collapsing.becomes("ann", "acme", "accepted")
    collapsing.work()
    collapsing.now += timedelta(minutes=11)  # no worker was there
    collapsing.becomes("ann", "acme", "won")
    assert len(later(collapsing, 10)) == 2


def test_two_referrals_are_never_made_one(collapsing: Engage) -> None:
    collapsing.refers("ann", "bolt")
    collapsing.becomes("ann", "acme", "accepted")
    collapsing.becomes("ann", "bolt", "won")
    assert sorted(later(collapsing, 10)) == ["Bolt Ltd signed. Thank you!", "We accepted your referral of Acme Ltd"]


def test_without_collapse_each_change_is_a_mail_at_once(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "accepted")
    engage.becomes("ann", "acme", "won")
    assert len(engage.work()) == 2
    assert engage.count(tables.delivery_occasions) == 0


def test_a_change_that_comes_while_the_mail_is_being_sent_starts_anew(collapsing: Engage) -> None:
    collapsing.becomes("ann", "acme", "accepted")
    collapsing.work()
    with collapsing.services.database.write() as db:
        db.execute(sa.update(tables.deliveries).values(state="sending", lease="x", attempts=1))
    collapsing.becomes("ann", "acme", "won")
    assert later(collapsing, 10) == ["Acme Ltd signed. Thank you!"]
    assert [state for _, state, _ in deliveries(collapsing)] == ["sending", "accepted"]


def test_a_change_of_which_no_campaign_tells_leaves_the_mail_as_it_is(collapsing: Engage) -> None:
    collapsing.becomes("ann", "acme", "accepted")
    later(collapsing, 5)
    collapsing.becomes("ann", "acme", "qualified")
    assert later(collapsing, 5) == ["We accepted your referral of Acme Ltd"]


@pytest.fixture
def several(authored: tuple[Path, Path], tmp_path: Path, database_url: str) -> Iterator[Engage]:
    say(authored, "collapse: 10m")
    engage = Engage(database_url, tmp_path, *authored)
    yield engage
    engage.services.close()


@pytest.mark.parametrize("trial", range(5))
def test_workers_that_match_the_changes_of_one_referral_at_once_make_one_mail(several: Engage, trial: int) -> None:
    several.refers(several.partner(), "acme")
    for status, days_ago in (("accepted", 0.3), ("opportunity", 0.2), ("won", 0.1)):
        several.becomes("ann", "acme", status, days_ago=days_ago)
    batches = [ids for task, ids, _ in several.queue.waiting if task == "match"]
    several.queue.waiting.clear()
    assert len(batches) == 3
    ready = threading.Barrier(3)

    def match(ids: list[int]) -> None:
        ready.wait()
        with several.services.database.write() as db:
            match_events(db, several.services.library(), ids, several.now)

    order = batches[trial % 3 :] + batches[: trial % 3]
    threads = [threading.Thread(target=match, args=(ids,)) for ids in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(deliveries(several)) == [
        ("referral-accepted", "skipped", "collapsed"),
        ("referral-became-opportunity", "skipped", "collapsed"),
        ("referral-won", "pending", None),
    ]
    assert len(told_by(several, "referral-won")) == 3
