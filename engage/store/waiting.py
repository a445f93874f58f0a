"""What waits for its time."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.store.tables import deliveries


def due_later(db: Connection, now: datetime) -> list[tuple[datetime, int]]:
    """How many deliveries that nobody has tried yet come due when, after `now`."""
    d = deliveries.c
    query = sa.select(d.due_at, sa.func.count()).where(d.state == DeliveryState.PENDING, d.due_at > now)
    return [(due_at, many) for due_at, many in db.execute(query.group_by(d.due_at).order_by(d.due_at))]
