"""Whether the feeds that a condition rests on have been heard of. Silence of a feed is not silence of a partner."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.conditions import Condition, tests_of
from engage.domain.facts import CATALOGUE, Feed
from engage.facts.statements import Scope
from engage.store.tables import events, feed_readings
from engage.store.types import Instant

EVENTS_OF: dict[Feed, tuple[EventKind, ...]] = {
    Feed.REFERRALS: (EventKind.STATUS_CHANGED,),
    Feed.LOGINS: (EventKind.LOGGED_IN,),
    Feed.REWARDS: (EventKind.REWARD_EARNED, EventKind.REWARD_PAID, EventKind.REWARD_REVERSED),
}
"""The events that are heard through each feed."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """Never heard of: not connected. Fresh: heard of within the silence that program.yaml allows, if it sets one."""

    connected: bool
    fresh: bool
    last_heard: datetime | None


def feeds_of(condition: Condition | None) -> frozenset[Feed]:
    """The feeds that the facts of a condition rest on."""
    feeds = (CATALOGUE[test.ref.fact].feed for test in tests_of(condition))
    return frozenset(feed for feed in feeds if feed is not None)


def feed_state(db: Connection, scope: Scope, feed: Feed, now: datetime) -> FeedState:
    """What was known of a feed at `now`: by its newest event, or the newest reading of a live source of it."""
    row = db.execute(_LAST_HEARD[feed], {"program_id": scope.program_id, "now": now}).one()
    heard = [instant for instant in row if instant is not None]
    last_heard = max(heard, default=None)
    limit = scope.program.feeds.get(feed)
    fresh = last_heard is not None and (limit is None or now - last_heard <= limit)
    return FeedState(last_heard is not None, fresh, last_heard)


def _last_heard(feed: Feed) -> sa.Select[*tuple[datetime, ...]]:
    """One newest instant by each index range there is to look at."""
    program_id, now = sa.bindparam("program_id", type_=sa.BigInteger()), sa.bindparam("now", type_=Instant())
    newest = [
        sa.select(sa.func.max(events.c.occurred_at)).where(
            events.c.program_id == program_id, events.c.kind == kind, events.c.occurred_at <= now
        )
        for kind in EVENTS_OF[feed]
    ]
    newest.append(
        sa.select(sa.func.max(feed_readings.c.heard_at)).where(
            feed_readings.c.program_id == program_id, feed_readings.c.feed == feed, feed_readings.c.heard_at <= now
        )
    )
    return sa.select(*(select.scalar_subquery() for select in newest))


_LAST_HEARD = {feed: _last_heard(feed) for feed in Feed}
