"""Topics that ask for a yes, and topics that a partner has switched off."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.programs import Rhythm
from engage.pipeline.wishes import agree
from engage.store import tables
from tests.support.engage import Engage
from tests.support.topics import say, wishes


@pytest.fixture
def asking(authored: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:
    say(authored, "opt_in: true", topic="newsletter")
    engage = start("")
    engage.partner("ann")
    return engage


def agrees(engage: Engage, partner: str) -> None:
    with engage.services.database.write() as db:
        agree(db, next(iter(engage.services.library().scopes().values())), partner, "newsletter", engage.now, "a form")


def test_who_has_not_said_yes_is_not_mailed(asking: Engage) -> None:
    asking.partner("bob")
    agrees(asking, "bob")
    assert [mail.to.email for mail in asking.runs("monthly-newsletter")] == ["bob@example.com"]
    assert ("skip", "not_opted_in") in asking.decisions()


def test_a_no_after_the_yes_counts(asking: Engage) -> None:
    agrees(asking, "ann")
    with asking.services.database.write() as db:
        db.execute(sa.update(tables.subscriptions).values(subscribed=False))
    assert asking.runs("monthly-newsletter") == []
    assert asking.decisions() == [("skip", "unsubscribed")]


def test_a_yes_is_meant_for_the_address_where_it_was_said(asking: Engage) -> None:
    agrees(asking, "ann")
    asking.partner("ann", email="ann@new.example.com")
    assert asking.runs("monthly-newsletter") == []
    assert asking.decisions() == [("skip", "not_opted_in")]


def test_a_yes_that_is_taken_back_between_deciding_and_sending_counts_no_more(asking: Engage) -> None:
    agrees(asking, "ann")
    asking.services.run_now(asking.services.library().find("monthly-newsletter"))
    with asking.services.database.write() as db:
        db.execute(sa.delete(tables.subscriptions))
    assert asking.work() == []
    assert asking.decisions()[-1] == ("skip", "not_opted_in")


def test_who_switched_a_topic_off_gets_none_of_it_and_the_others_as_before(engage: Engage) -> None:
    engage.refers(engage.partner(), "acme")
    wishes(engage, "ann", Rhythm.OFF)
    engage.becomes("ann", "acme", "won")
    assert engage.work() == []
    assert engage.decisions() == [("skip", "opted_out_of_updates")]
    assert len(engage.runs("monthly-newsletter")) == 1
