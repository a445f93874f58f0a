"""Counts of deliveries by the hour: how many were made, and how many came to which end.

Promise: what is shown of history is read from here, however long that is. Counted as they go, each minute; and once
more, for good, when their hour has been over for a while, so that a commit that came late is not missed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engage.store.runs import RUNNING
from engage.store.tables import count_marks, deliveries, delivery_counts, runs
from engage.store.upserts import insert_or_ignore

CREATED = "created"
"""The `state` under which those that were made are counted; the others are states in which they ended."""

HOUR = timedelta(hours=1)
COMMITS_TAKE = timedelta(seconds=10)
"""What was written so long ago is committed, mostly."""

FINAL_AFTER = timedelta(minutes=10)
"""An hour that has been over for so long is counted for good."""

_NAME = "deliveries"
_AT_ONCE = timedelta(days=1)
_WRITING_TAKES = timedelta(hours=1)  # mails of a run bear the instant at which it began, and are written as it goes on
_TRANSACTIONS_TAKE = timedelta(minutes=5)
_D, _N = deliveries.c, delivery_counts.c


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where it has been counted: as they go, and for good (the beginning of an hour)."""

    counted_until: datetime
    recounted_until: datetime


def hour_of(at: datetime) -> datetime:
    """The beginning of its hour."""
    return at.replace(minute=0, second=0, microsecond=0)


def count_on(db: Connection, now: datetime) -> bool:
    """Counts what is new, and for good the hours that are over, a day of them at most; says whether more of them wait.

    One transaction; of two schedulers at once one waits for the other.
    """
    mark = _locked(db, now)
    if mark is None:
        return False
    over = _over(db, now)
    recounted = _count_for_good(db, mark.recounted_until, over, _AT_ONCE)
    counted = max(mark.counted_until, recounted)
    more = recounted < over
    if not more and counted < now - COMMITS_TAKE:
        _add(db, counted, now - COMMITS_TAKE, _TRANSACTIONS_TAKE)
        counted = now - COMMITS_TAKE
    moved = sa.update(count_marks).where(count_marks.c.name == _NAME)
    db.execute(moved.values(counted_until=counted, recounted_until=recounted))
    return more


def _locked(db: Connection, now: datetime) -> Mark | None:
    """Where counting stands, locked until the transaction ends. None while there is no delivery."""
    c = count_marks.c
    query = sa.select(c.counted_until, c.recounted_until).where(c.name == _NAME).with_for_update()
    if (row := db.execute(query).first()) is None:
        first: datetime | None = db.execute(sa.select(_D.created_at).order_by(_D.id).limit(1)).scalar()
        if first is None:
            return None
        begins = hour_of(min(first, now))
        new = {"name": _NAME, "counted_until": begins, "recounted_until": begins}
        db.execute(insert_or_ignore(db, count_marks), new)
        row = db.execute(query).one()
    return Mark(*row)


def _count_for_good(db: Connection, done: datetime, over: datetime, most: timedelta) -> datetime:
    """Counts hours from `done` on, and `over` at the most; returns up to where they are counted for good now."""
    if done >= over:
        return done
    begin = _next_with_any(db, done, over)
    end = min(begin + most, over)
    db.execute(sa.delete(delivery_counts).where(_N.hour >= done, _N.hour < end))
    if begin < end:
        _add(db, begin, end, _WRITING_TAKES)
    return end


def _over(db: Connection, now: datetime) -> datetime:
    """The end of the last hour to which nothing is added any more.

    Mails of a run bear the instant at which it was begun: while it is carried out, its hour is not over.
    """
    end = now - FINAL_AFTER
    begun: datetime | None = db.execute(
        sa.select(sa.func.min(runs.c.as_of, type_=runs.c.as_of.type)).where(runs.c.state == RUNNING)
    ).scalar()
    if begun is not None:
        end = min(end, max(begun, now - _WRITING_TAKES - FINAL_AFTER))
    return hour_of(end)


def _next_with_any(db: Connection, hour: datetime, over: datetime) -> datetime:
    """The first hour from this one on, and before `over`, of which there is something to count; else `over`."""
    settled: datetime | None = db.execute(
        sa.select(_D.settled_at)
        .where(_D.settled_at.is_not(None), _D.settled_at >= hour)
        .order_by(_D.settled_at)
        .limit(1)
    ).scalar()
    made: datetime | None = db.execute(
        sa.select(_D.created_at)
        .where(_D.id >= first_id(db, hour - _WRITING_TAKES), _D.created_at >= hour)
        .order_by(_D.id)
        .limit(1)
    ).scalar()
    return min([hour_of(at) for at in (settled, made) if at is not None] + [over])


def _add(db: Connection, since: datetime, until: datetime, slack: timedelta) -> None:
    """Adds what was made and what came to an end from `since` up to `until`."""
    ids = _D.id.between(first_id(db, since - slack), first_id(db, until + slack))
    insert = (sqlite if db.dialect.name == "sqlite" else postgresql).insert(delivery_counts)
    for at, state, also in (
        (_D.settled_at, _D.state, sa.true()),
        (_D.created_at, sa.literal(CREATED, _N.state.type), ids),
    ):
        hour = _hour(db, at)
        counted = sa.select(_D.program_id, hour, _D.campaign, state, sa.func.count())
        counted = counted.where(at.is_not(None), at >= since, at < until, also)
        counted = counted.group_by(_D.program_id, hour, _D.campaign, *([_D.state] if state is _D.state else []))
        new = insert.from_select([_N.program_id, _N.hour, _N.campaign, _N.state, _N.number], counted)
        db.execute(
            new.on_conflict_do_update(
                index_elements=[_N.program_id, _N.hour, _N.campaign, _N.state],
                set_={"number": _N.number + new.excluded.number},
            )
        )


def _hour(db: Connection, at: sa.Column[datetime]) -> sa.ColumnElement[datetime]:
    """The beginning of its hour, as it is stored."""
    if db.dialect.name == "sqlite":
        return sa.func.substr(at, 1, 13, type_=sa.Text) + sa.literal_column("':00:00.000000Z'")  # type: ignore[return-value]
    return sa.func.date_trunc(sa.literal_column("'hour'"), at, sa.literal_column("'UTC'"), type_=at.type)


def first_id(db: Connection, at: datetime) -> int:
    """The id of a delivery from which on all were written at `at` or later; beyond the last if none was.

    Ids come in the order of writing, and so do `created_at`, almost: found by halves in the primary key, since an index
    of `created_at` would cost more with each mail than all who ask. Who writes `created_at` minutes late asks for as
    much earlier.
    """
    ends = (sa.select(end(_D.id)).scalar_subquery() for end in (sa.func.min, sa.func.max))
    low, high = db.execute(sa.select(*ends)).one()  # each by itself: together SQLite would look at all
    if low is None:
        return 0
    query = sa.select(_D.id, _D.created_at).where(_D.id >= sa.bindparam("id")).order_by(_D.id).limit(1)
    while low <= high:
        middle = (low + high) // 2
        row = db.execute(query, {"id": middle}).first()
        if row is None or row.created_at >= at:
            high = middle - 1
        else:
            low = row.id + 1
    return int(low)


# --- what is read of it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HourCount:
    """How many were made (CREATED) or ended so (a state) in the hour that begins then."""

    hour: datetime
    state: str
    number: int


def by_hour(db: Connection, program_ids: Collection[int], since: datetime, until: datetime) -> list[HourCount]:
    """The counts of these programs, of hours that begin from `since` up to `until`."""
    query = sa.select(_N.hour, _N.state, sa.func.sum(_N.number)).where(
        _N.program_id.in_(program_ids), _N.hour >= since, _N.hour < until
    )
    found = db.execute(query.group_by(_N.hour, _N.state).order_by(_N.hour, _N.state))
    return [HourCount(hour, state, int(number)) for hour, state, number in found]


def totals(
    db: Connection, program_id: int, since: datetime, campaigns: Sequence[str] = ()
) -> dict[str, dict[str, int]]:
    """campaign -> state -> how many since then, of a program's campaigns: of these, or of all."""
    query = sa.select(_N.campaign, _N.state, sa.func.sum(_N.number)).where(
        _N.program_id == program_id, _N.hour >= hour_of(since)
    )
    if campaigns:
        query = query.where(_N.campaign.in_(campaigns))
    found: dict[str, dict[str, int]] = {}
    for campaign, state, number in db.execute(query.group_by(_N.campaign, _N.state)):
        found.setdefault(campaign, {})[state] = int(number)
    return found
