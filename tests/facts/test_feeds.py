"""Silence of a feed is told from silence of a partner."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engage.domain.campaigns import EventKind
from engage.domain.conditions import All, AnyOf, Comparator, Condition, FactRef, Not, Test
from engage.domain.facts import Feed
from engage.facts import FeedState, Scope, feed_state, feeds_of
from engage.store import tables
from engage.store.database import Database
from tests.facts.worlds import PROGRAMS

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITED = Scope(replace(PROGRAMS[0], feeds=dict.fromkeys(Feed, 48 * HOUR)), 1)
UNKNOWN = FeedState(connected=False, fresh=False, last_heard=None)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Two programs, each with one partner."""
    database = Database(database_url)
    with database.write() as db:
        db.execute(tables.programs.insert(), [{"id": 1, "key": "acme"}, {"id": 2, "key": "other"}])
        people = [{"id": n, "program_id": n, "external_id": "p", "status": "active", "attributes": {}} for n in (1, 2)]
        db.execute(tables.partners.insert(), people)
    yield database
    database.close()


def happens(database: Database, kind: EventKind, at: datetime, program: int = 1) -> None:
    with database.write() as db:
        row = {"program_id": program, "partner_id": program, "kind": kind, "key": f"{kind} {at}", "source": "test"}
        db.execute(tables.events.insert(), [{**row, "occurred_at": at, "observed_at": at}])


def is_read(database: Database, feed: Feed, at: datetime) -> None:
    with database.write() as db:
        db.execute(tables.feed_readings.insert(), [{"program_id": 1, "feed": feed, "heard_at": at}])


def state(database: Database, feed: Feed, now: datetime = NOW, scope: Scope = LIMITED) -> FeedState:
    with database.read() as db:
        return feed_state(db, scope, feed, now)


def test_a_feed_that_was_never_heard_of_is_not_connected(database: Database) -> None:
    happens(database, EventKind.LOGGED_IN, NOW, program=2)

    assert [state(database, feed) for feed in Feed] == [UNKNOWN] * 3


@pytest.mark.parametrize(
    ("kind", "feed"),
    [
        (EventKind.STATUS_CHANGED, Feed.REFERRALS),
        (EventKind.LOGGED_IN, Feed.LOGINS),
        (EventKind.REWARD_EARNED, Feed.REWARDS),
        (EventKind.REWARD_PAID, Feed.REWARDS),
        (EventKind.REWARD_REVERSED, Feed.REWARDS),
    ],
)
def test_an_event_is_heard_through_its_own_feed_only(database: Database, kind: EventKind, feed: Feed) -> None:
    happens(database, kind, NOW - HOUR)

    for each in Feed:
        expected = FeedState(connected=True, fresh=True, last_heard=NOW - HOUR) if each is feed else UNKNOWN
        assert state(database, each) == expected


def test_a_feed_goes_stale_a_moment_after_the_silence_that_is_allowed(database: Database) -> None:
    happens(database, EventKind.LOGGED_IN, NOW - 48 * HOUR)

    assert state(database, Feed.LOGINS).fresh
    assert not state(database, Feed.LOGINS, NOW + timedelta(microseconds=1)).fresh


def test_a_reading_without_news_keeps_a_feed_fresh(database: Database) -> None:
    happens(database, EventKind.LOGGED_IN, NOW - 100 * HOUR)
    is_read(database, Feed.LOGINS, NOW - HOUR)

    assert state(database, Feed.LOGINS) == FeedState(connected=True, fresh=True, last_heard=NOW - HOUR)


def test_what_came_later_was_not_yet_known(database: Database) -> None:
    happens(database, EventKind.LOGGED_IN, NOW)
    is_read(database, Feed.LOGINS, NOW)

    assert state(database, Feed.LOGINS, NOW - HOUR) == UNKNOWN


def test_a_feed_without_a_limit_stays_fresh(database: Database) -> None:
    happens(database, EventKind.LOGGED_IN, NOW - 10_000 * HOUR)

    assert state(database, Feed.LOGINS, scope=Scope(PROGRAMS[0], 1)).fresh


def test_a_condition_rests_on_the_feeds_of_all_its_facts() -> None:
    def some(fact: str) -> Condition:
        return Test(FactRef(fact), Comparator.EXISTS, True)

    tree = All((some("wins"), AnyOf((some("region"), Not(some("rewards"))))))

    assert feeds_of(tree) == {Feed.REFERRALS, Feed.REWARDS}
    assert feeds_of(some("days_since_login")) == {Feed.LOGINS}
    assert feeds_of(some("region")) == feeds_of(None) == frozenset()
