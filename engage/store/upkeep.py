"""Heartbeats of processes, for health checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import heartbeats
from engage.store.upserts import insert_or_ignore


@dataclass(frozen=True, slots=True)
class AtWork:
    """What a thread of a worker is at: `ids` is how many of them it was handed."""

    task: str
    ids: int
    since: datetime


def beat(db: Connection, process: str, role: str, now: datetime, doing: Sequence[AtWork] = ()) -> None:
    """Notes that the process is alive, and what its threads are at."""
    c = heartbeats.c
    values = {"beat_at": now, "doing": [[one.task, one.ids, one.since.isoformat()] for one in doing]}
    if not db.execute(sa.update(heartbeats).where(c.process == process).values(values)).rowcount:
        db.execute(insert_or_ignore(db, heartbeats), {"process": process, "role": role, **values})


def beats(db: Connection, role: str) -> dict[str, datetime]:
    """process -> last heartbeat, of all processes in this role."""
    c = heartbeats.c
    return {process: at for process, at in db.execute(sa.select(c.process, c.beat_at).where(c.role == role))}


def forget(db: Connection, process: str) -> None:
    """The process has ended in order."""
    db.execute(sa.delete(heartbeats).where(heartbeats.c.process == process))


def forget_silent(db: Connection, before: datetime) -> dict[str, datetime]:
    """process -> last heartbeat, of those not heard of since `before`. Each is told once: it is forgotten by that."""
    c = heartbeats.c
    statement = sa.delete(heartbeats).where(c.beat_at < before).returning(c.process, c.beat_at)
    return {process: at for process, at in db.execute(statement)}
