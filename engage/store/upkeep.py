"""Heartbeats of processes, for health checks."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import heartbeats
from engage.store.upserts import insert_or_ignore


def beat(db: Connection, process: str, role: str, now: datetime) -> None:
    """Notes that the process is alive."""
    c = heartbeats.c
    updated = db.execute(sa.update(heartbeats).where(c.process == process).values(beat_at=now)).rowcount
    if not updated:
        db.execute(insert_or_ignore(db, heartbeats), {"process": process, "role": role, "beat_at": now})


def beats(db: Connection, role: str) -> dict[str, datetime]:
    """process -> last heartbeat, of all processes in this role."""
    c = heartbeats.c
    return {process: at for process, at in db.execute(sa.select(c.process, c.beat_at).where(c.role == role))}


def forget_silent(db: Connection, before: datetime) -> None:
    db.execute(sa.delete(heartbeats).where(heartbeats.c.beat_at < before))
