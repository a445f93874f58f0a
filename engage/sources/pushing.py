"""What systems push: each event or notification is taken once, in the transaction that says so.

A request is one transaction of engage's database: what its rows say, that they are known, what could not be taken. Sent
again it changes nothing. What could not be taken is kept and tried again, as rejected rows of databases are: a referral
whose partner comes later is not lost.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.records import Outcome, Taken
from engage.facts import Scope
from engage.sources.polling import Polled, Poller, Turn, mapped, settle_again, take_rows, try_again
from engage.sources.watched import PushSource
from engage.store.sources import (
    drop_rejects,
    forget_hashes,
    forget_rejects,
    hear_now_and_then,
    keep_hashes,
    keep_rejects,
    known_hashes,
    receive,
    rejected_of,
)

KNOWN_FOR = timedelta(days=7)
"""How long a row is known to have been taken: senders try again for a day."""

REJECTS_KEPT = timedelta(days=30)
"""How long a row that cannot be taken is tried again: senders tell of everything, also of what is no referral."""


@dataclass(frozen=True, slots=True)
class PushedRow:
    """One event or notification. `id`: the same when it is sent again. `key`: what it is about, such as a deal's stage;
    a newer row about the same replaces a rejected one. It begins with `thing`, the deal, and a blank if more follows.
    """

    id: str
    thing: str
    key: str
    values: Mapping[str, Any]


def storable(value: Any) -> Any:
    """A value of JSON as both databases can hold it: PostgreSQL takes no NUL."""
    match value:
        case str():
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        case list():
            return [storable(inner) for inner in value]
        case dict():
            return {storable(name): storable(inner) for name, inner in value.items()}
        case _:
            return value


def take_pushed(poller: Poller, source: PushSource, scope: Scope, rows: Sequence[PushedRow], now: datetime) -> Polled:
    """Takes what a request brought; all of it is stored, or known to be rejected, when this returns."""
    with poller.database.write() as db:
        source_id = receive(db, scope.program_id, source.name, now)
        known = known_hashes(db, source_id, [row.id for row in rows])
        new = list({row.id: row for row in rows if row.id not in known}.values())
        outcomes, event_ids = _take(db, poller, source, scope, new, now)
        keep_hashes(db, source_id, {row.id: _position(now) for row in new})
        forget_hashes(db, source_id, _position(now - KNOWN_FOR))
        _settle(db, source_id, new, outcomes, now)
        things = {row.thing for row, taken in zip(new, outcomes, strict=True) if taken.outcome is Outcome.ACCEPTED}
        retried, more = _take_waiting(db, poller, source, scope, source_id, things, now)
        hear_now_and_then(db, scope.program_id, source.feeds, now)
    poller.matching([*event_ids, *more])
    found = [taken.outcome for taken in outcomes]
    return Polled(
        read=len(rows),
        known=len(rows) - len(new),
        accepted=found.count(Outcome.ACCEPTED),
        unchanged=found.count(Outcome.UNCHANGED),
        rejected=found.count(Outcome.REJECTED),
        retried=retried,
    )


def retry_rejected(poller: Poller, source: PushSource, scope: Scope, turn: Turn) -> Polled:
    """Tries again what could not be taken, of a source that has been claimed. Raises Overtaken."""
    event_ids: Sequence[int] = ()
    try:
        retried, event_ids = try_again(poller, source, scope, turn, news_after=None)
        with poller.database.write() as db:
            turn.write(db, next_poll_at=turn.now + source.every, failures=0, error=None, held=False)
            forget_rejects(db, turn.state.id, turn.now - REJECTS_KEPT)
    finally:
        poller.matching(event_ids)
    return Polled(retried=retried)


def _take(
    db: Connection, poller: Poller, source: PushSource, scope: Scope, rows: Sequence[PushedRow], now: datetime
) -> tuple[list[Taken], list[int]]:
    """What became of each row, and the events to be matched. A row that makes no record is nothing new."""
    outcomes: dict[str, Taken] = {
        row.id: Taken(Outcome.UNCHANGED) for row in rows if mapped(source.rows, row.values) == []
    }
    event_ids: list[int] = []
    waiting = [row for row in rows if row.id not in outcomes]
    # Twice: within a request, a deal's stage may come before the property that says whose referral it is.
    for _ in range(2):
        taken, news = take_rows(db, poller, source, scope, [row.values for row in waiting], news=True, now=now)
        outcomes |= {row.id: each for row, each in zip(waiting, taken, strict=True)}
        event_ids += news
        last = {row.key: row.id for row in rows}
        rejected = [row for row in waiting if outcomes[row.id].outcome is Outcome.REJECTED and last[row.key] == row.id]
        if not rejected or len(rejected) == len(waiting):
            break
        waiting = rejected
    return [outcomes[row.id] for row in rows], event_ids


def _take_waiting(
    db: Connection,
    poller: Poller,
    source: PushSource,
    scope: Scope,
    source_id: int,
    things: Collection[str],
    now: datetime,
) -> tuple[int, list[int]]:
    """Tries again at once what waits about things of which something was taken: whose referral it is, say."""
    waiting = rejected_of(db, source_id, things)
    outcomes, event_ids = take_rows(db, poller, source, scope, [row.row for row in waiting], news=True, now=now)
    return settle_again(db, source_id, waiting, outcomes, now), event_ids


def _settle(
    db: Connection, source_id: int, rows: Sequence[PushedRow], outcomes: Sequence[Taken], now: datetime
) -> None:
    """Keeps rejected rows, and forgets those about which something newer has come."""
    last = {row.key: (row, taken) for row, taken in zip(rows, outcomes, strict=True)}
    drop_rejects(db, source_id, list(last))
    rejected = {
        key: (row.values, taken.reason) for key, (row, taken) in last.items() if taken.outcome is Outcome.REJECTED
    }
    keep_rejects(db, source_id, rejected, now)


def _position(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
