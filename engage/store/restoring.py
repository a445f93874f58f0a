"""A database that was brought back from a backup knows nothing of what was sent since: nothing of that is sent again.

What was due by now may have gone out: it is held as unknown, until the provider's records or an operator say. What was
to be decided by now was decided once already, and is not decided again.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.deliveries import By, DeliveryState, require_legal
from engage.domain.journeys import JourneyState
from engage.store.tables import deliveries, enrollments, events, restores, runs, schedule_marks
from engage.store.upserts import one_of

MAY_BE_OUT = "restored: it may have gone out since the backup"
RESTORED = "restored from a backup"


@dataclass(frozen=True, slots=True)
class Restored:
    """How much does not go on by itself: mails that are unknown now, and journeys, events and runs that ended."""

    mails: int
    journeys: int
    events: int
    runs: int


def calm_down(db: Connection, backup_at: datetime, now: datetime) -> Restored:
    """Makes of what was due between the backup and now what cannot be sent twice. Nothing may run meanwhile."""
    d, e, v, r, m = deliveries.c, enrollments.c, events.c, runs.c, schedule_marks.c
    states = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.RETRY, DeliveryState.SENDING)
    for state in states:
        require_legal(By.RESTORE, state, DeliveryState.UNKNOWN)
    doubted = sa.update(deliveries).where(d.state.in_(states), d.due_at <= now)
    unknown = {"state": DeliveryState.UNKNOWN, "reason": MAY_BE_OUT, "lease": None, "lease_until": None}
    ended = sa.update(enrollments).where(e.state == JourneyState.ACTIVE, e.due_at <= now)
    stopped = {"state": JourneyState.STOPPED, "ended_at": now, "step": None, "reached_at": None, "due_at": None}
    told = sa.update(events).where(v.unmatched.is_(True))
    dropped = sa.update(runs).where(r.state.in_(("open", "running")))
    found = Restored(
        mails=db.execute(doubted.values(unknown)).rowcount,
        journeys=db.execute(ended.values(stopped | {"why": RESTORED})).rowcount,
        events=db.execute(told.values(unmatched=None)).rowcount,
        runs=db.execute(dropped.values(state="dropped", why=RESTORED, finished_at=now)).rowcount,
    )
    db.execute(sa.update(schedule_marks).where(m.looked_until < now).values(looked_until=now))
    db.execute(sa.insert(restores).values(backup_at=backup_at, restored_at=now))
    return found


def no_news(db: Connection, found: dict[int, EventKind]) -> dict[int, EventKind]:
    """These new events (id -> kind) without those that happened before the database was last brought back.

    They were told of before, and what they called for may have been sent.
    """
    if not found:
        return found
    since = db.execute(sa.select(sa.func.max(restores.c.restored_at, type_=restores.c.restored_at.type))).scalar()
    if since is None:
        return found
    v = events.c
    before = (one_of(db, v.id, list(found)), v.occurred_at <= since)
    old = set(db.execute(sa.update(events).where(*before).values(unmatched=None).returning(v.id)).scalars())
    return {id_: kind for id_, kind in found.items() if id_ not in old}
