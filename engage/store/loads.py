"""How much waits, and how quickly it moves: for whoever looks at the installation.

Promise: no statement costs more as history grows. Each reads an index of what waits, or the newest rows of one, and
stops at its limit.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.queueing import Lane
from engage.store.events import UNMATCHED
from engage.store.tables import attempts, deliveries, events, heartbeats, runs, schedule_marks, webhooks

_D, _A = deliveries.c, attempts.c


def _one_of(column: sa.Column[str], values: Collection[str]) -> sa.ColumnElement[bool]:
    # in so many words: no partial index is used for values that are bound
    return column.in_([sa.literal_column(f"'{value}'") for value in values])


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """The mails of a lane that wait, counted in the order in which they come due, up to a limit.

    `due`: those of them that a worker may take now; `retrying`: those that the provider did not take.
    """

    waiting: int
    due: int
    oldest_due: datetime | None
    retrying: int


def lane_load(db: Connection, lane: Lane, now: datetime, most: int) -> LaneLoad:
    """What waits in a lane that delivers."""
    few = (
        sa.select(_D.due_at, _D.contest_at, _D.state)
        .where(_D.lane == lane, _one_of(_D.state, (DeliveryState.PENDING, DeliveryState.RETRY)))
        .order_by(_D.due_at)
        .limit(most)
        .subquery()
    )
    due = sa.and_(few.c.due_at <= now, few.c.contest_at.is_(None))
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(due),
        sa.func.min(few.c.due_at, type_=few.c.due_at.type).filter(due),
        sa.func.count().filter(few.c.state == DeliveryState.RETRY),
    )
    return LaneLoad(*db.execute(query.select_from(few)).one())


@dataclass(frozen=True, slots=True)
class Flow:
    """How many mails of each lane came to be, or came to an end, within the seconds up to now."""

    numbers: dict[Lane, int]
    seconds: float

    def in_a_minute(self, lane: Lane) -> float:
        return self.numbers.get(lane, 0) * 60 / self.seconds


def created_lately(db: Connection, since: datetime, now: datetime, most: int) -> Flow:
    """The mails that were made since then, by the newest `most`."""
    newest = sa.select(_D.lane, _D.created_at.label("at")).order_by(_D.id.desc()).limit(most)
    return _flow(db, newest, since, now, most)


def settled_lately(db: Connection, since: datetime, now: datetime, most: int) -> Flow:
    """The mails that came to an end since then, by the newest `most`."""
    newest = sa.select(_D.lane, _D.settled_at.label("at")).where(_D.settled_at.is_not(None), _D.settled_at > since)
    return _flow(db, newest.order_by(_D.settled_at.desc()).limit(most), since, now, most)


def _flow(db: Connection, newest: sa.Select[Any], since: datetime, now: datetime, most: int) -> Flow:
    few = newest.subquery()
    query = sa.select(few.c.lane, sa.func.count(), sa.func.min(few.c.at, type_=few.c.at.type))
    rows = db.execute(query.where(few.c.at > since).group_by(few.c.lane)).all()
    numbers = {Lane(lane): number for lane, number, _ in rows}
    whole = sum(numbers.values()) < most  # else there are more than were looked at: their time is what was seen of it
    begun = since if whole else min(at for _, _, at in rows)
    return Flow(numbers, max((now - begun).total_seconds(), 1.0))


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, up to a limit, and since when the oldest does."""

    number: int
    oldest: datetime | None


def _waiting(
    db: Connection, at: sa.Column[datetime], of: sa.ColumnElement[bool] | sa.TextClause, key: Any, most: int
) -> Waiting:
    few = sa.select(at.label("at")).where(of).order_by(key).limit(most).subquery()
    counted = sa.select(sa.func.count(), sa.func.min(few.c.at, type_=few.c.at.type)).select_from(few)
    return Waiting(*db.execute(counted).one())


def unmatched_events(db: Connection, most: int) -> Waiting:
    """Events that campaigns have not heard of yet, in the order in which they were stored."""
    return _waiting(db, events.c.observed_at, UNMATCHED, events.c.id, most)


def unabsorbed_webhooks(db: Connection, most: int) -> Waiting:
    """Webhooks of which nothing has been read yet."""
    return _waiting(db, webhooks.c.received_at, webhooks.c.absorbed_at.is_(None), webhooks.c.received_at, most)


def in_hands(db: Connection, most: int) -> int:
    """How many mails workers hold."""
    few = sa.select(sa.literal(1)).select_from(deliveries).where(_D.lease_until.is_not(None)).limit(most).subquery()
    return int(db.execute(sa.select(sa.func.count()).select_from(few)).scalar_one())


def outstanding(db: Connection, state: DeliveryState, most: int, program_ids: Collection[int] | None = None) -> int:
    """How many mails are unknown, or dead, up to `most`; of these programs, or (None) of all."""
    stuck = _one_of(_D.state, (DeliveryState.UNKNOWN, DeliveryState.DEAD))  # as the index says it
    query = sa.select(_D.id).where(stuck, _D.state == state)
    if program_ids is not None:
        query = query.where(_D.program_id.in_(program_ids))
    few = query.order_by(_D.id.desc()).limit(most).subquery()
    return int(db.execute(sa.select(sa.func.count()).select_from(few)).scalar_one())


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed. `outcome`: retry, dead or unknown (domain.messages.Outcome)."""

    at: datetime
    program_id: int
    delivery_id: int
    outcome: str
    status: int | None
    detail: str


def last_failures(db: Connection, limit: int) -> list[Failure]:
    """The attempts that failed lately, newest first."""
    at = sa.func.coalesce(_A.finished_at, _A.started_at, type_=_A.started_at.type)
    detail = sa.func.coalesce(_A.detail, "")
    query = sa.select(at, _A.program_id, _A.delivery_id, _A.outcome, _A.status, detail)
    failed = _one_of(_A.outcome, ("retry", "dead", "unknown"))
    return [Failure(*row) for row in db.execute(query.where(failed).order_by(_A.id.desc()).limit(limit))]


@dataclass(frozen=True, slots=True)
class LastRun:
    """A campaign's run of its latest slot. `at`: when it was opened; from when a worker took it, since then."""

    slot: str
    state: str
    reason: str | None
    matched: int | None
    at: datetime
    finished_at: datetime | None


def last_runs(db: Connection) -> dict[tuple[int, str], LastRun]:
    """(programme, campaign) -> its latest run, of all campaigns whose schedule was ever looked at."""
    m, r, latest = schedule_marks.c, runs.c, runs.alias("latest").c
    newest = sa.select(latest.id).where(latest.program_id == m.program_id, latest.campaign == m.campaign)
    newest = newest.order_by(latest.slot.desc()).limit(1)
    query = sa.select(r.program_id, r.campaign, r.slot, r.state, r.reason, r.matched, r.as_of, r.finished_at)
    query = query.select_from(schedule_marks).join(runs, r.id == newest.scalar_subquery())
    return {(program_id, campaign): LastRun(*row) for program_id, campaign, *row in db.execute(query)}


def unfinished(db: Connection) -> dict[tuple[int, str], datetime]:
    """(programme, campaign) -> since when its oldest run is open that is not carried out."""
    c = runs.c
    query = sa.select(c.program_id, c.campaign, sa.func.min(c.as_of, type_=c.as_of.type))
    query = query.where(c.state.in_(("open", "running"))).group_by(c.program_id, c.campaign)
    return {(program_id, campaign): at for program_id, campaign, at in db.execute(query)}


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, and what the process was at: [task, how many ids, since when] of each busy thread."""

    process: str
    role: str
    at: datetime
    doing: list[Any]


def all_beats(db: Connection) -> list[Beat]:
    """Of each process that has not left in order, by name."""
    c = heartbeats.c
    query = sa.select(c.process, c.role, c.beat_at, c.doing).order_by(c.role, c.process)
    return [Beat(process, role, at, doing or []) for process, role, at, doing in db.execute(query)]
