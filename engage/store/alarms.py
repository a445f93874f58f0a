"""What operators are told by a channel other than email: raised with what caused it, sent later, once.

Promise: an alarm is stored in the transaction of its cause, so it is raised exactly when that happened. Of two
schedulers at once one gets it to send; if that one dies, it comes due again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import alarms
from engage.store.upserts import update_each

AT_ONCE = 5
"""How many alarms one claim takes."""

STALE = timedelta(days=7)
"""An alarm this old is not tried again: whom it concerned knows by now."""

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that operators should know. `tries`: how often it was claimed, to be sent.

    `due_at`: when it is tried (again). None: it was sent at `sent_at`, or, without that, will not be sent.
    """

    id: int
    kind: str
    said: str
    raised_at: datetime
    due_at: datetime | None
    tries: int
    sent_at: datetime | None


def raise_alarm(db: Connection, kind: str, said: str, now: datetime) -> None:
    """Stores an alarm, to be sent soon. `kind` is a word for scripts; `said` is for people, without personal data."""
    db.execute(sa.insert(alarms), {"kind": kind, "said": said, "raised_at": now, "due_at": now, "tries": 0})


def claim_alarms(db: Connection, now: datetime) -> list[Alarm]:
    """Takes the alarms that are due, oldest first: they come due again, after a pause that doubles up to a day."""
    due = sa.select(alarms).where(alarms.c.due_at <= now).order_by(alarms.c.id).limit(AT_ONCE)
    found = [Alarm(**row) for row in db.execute(due).mappings()]
    taken = update_each(
        db,
        alarms,
        [{"id": one.id, "due_at": now + _pause(one.tries), "tries": one.tries + 1} for one in found],
        alarms.c.due_at <= now,
    )
    return [one for one in found if one.id in taken]


def alarm_sent(db: Connection, alarm_id: int, now: datetime) -> None:
    """Notes that the channel took it."""
    db.execute(sa.update(alarms).where(alarms.c.id == alarm_id).values(sent_at=now, due_at=None))


def alarms_done(db: Connection, alarm_ids: Sequence[int]) -> None:
    """Notes that these are not tried again: there is no channel, or it has refused them for too long."""
    db.execute(sa.update(alarms).where(alarms.c.id.in_(alarm_ids)).values(due_at=None))


def last_alarms(db: Connection, limit: int) -> list[Alarm]:
    """The latest alarms, newest first."""
    return [Alarm(**row) for row in db.execute(sa.select(alarms).order_by(alarms.c.id.desc()).limit(limit)).mappings()]


def unsent_alarms(db: Connection, now: datetime) -> int:
    """How many that are not STALE were tried in vain, and are tried again."""
    c = alarms.c
    tried = sa.select(sa.func.count()).where(c.due_at.is_not(None), c.raised_at > now - STALE, c.tries > 0)
    return db.execute(tried.select_from(alarms)).scalar_one()


def _pause(tries: int) -> timedelta:
    return min(_FIRST_PAUSE * 2.0 ** min(tries, 16), _LONGEST_PAUSE)
