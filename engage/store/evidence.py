"""Settles deliveries by proof that the provider has the mail: its webhooks, its records, or our own journal."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import TRANSITIONS, By, DeliveryState, require_legal
from engage.domain.messages import Outcome
from engage.store.tables import attempts, deliveries
from engage.store.upserts import one_of, update_each

_OPEN = tuple(TRANSITIONS[By.EVIDENCE])


def ids_of(db: Connection, public_ids: Collection[str]) -> dict[str, int]:
    """The ids of the deliveries with these public ids."""
    d = deliveries.c
    query = sa.select(d.public_id, d.id).where(one_of(db, d.public_id, public_ids))
    return {public_id: id_ for public_id, id_ in db.execute(query)}


def accept_on_evidence(
    db: Connection, provider_ids: Mapping[int, str], now: datetime, attempt_numbers: Mapping[int, int] | None = None
) -> set[int]:
    """Moves these deliveries to ACCEPTED, wherever they stand; returns the ids of those that were not there already.

    `provider_ids` has the provider's id of the message by delivery id, "" where it is not known; `attempt_numbers`
    which attempt the proof is of, where it says so. A worker that still holds one can no longer write it.
    """
    if not provider_ids:
        return set()
    for state in _OPEN:
        require_legal(By.EVIDENCE, state, DeliveryState.ACCEPTED)
    d, a = deliveries.c, attempts.c
    values = {
        "state": DeliveryState.ACCEPTED,
        "reason": None,
        "lease": None,
        "lease_until": None,
        "claims": 0,
        "settled_at": now,
    }
    rows = [{"id": id_, "provider_id": provider_id or None, **values} for id_, provider_id in provider_ids.items()]
    moved = update_each(db, deliveries, rows, d.state.in_(_OPEN), values={"counts_at": _counts_at(now)})
    if not moved:
        return moved
    told = attempt_numbers or {}
    undecided = sa.or_(a.outcome.is_(None), a.outcome == Outcome.UNKNOWN)
    query = sa.select(a.id, a.delivery_id, a.number).where(one_of(db, a.delivery_id, moved), undecided)
    proven = [row.id for row in db.execute(query) if told.get(row.delivery_id, row.number) == row.number]
    if proven:
        accepted = {"outcome": Outcome.ACCEPTED, "finished_at": now}
        db.execute(sa.update(attempts).where(one_of(db, a.id, proven)).values(accepted))
    return moved


def _counts_at(now: datetime) -> sa.ColumnElement[datetime | None]:
    """Since when it uses up frequency caps: what was under way, or thought unsent, went out by `now`."""
    d = deliveries.c
    under_way = sa.and_(d.state == DeliveryState.SENDING, d.counts_at.is_not(None))
    unsent = sa.and_(d.reserved_at.is_not(None), d.counts_at.is_(None))
    return sa.case((sa.or_(under_way, unsent), sa.literal(now, d.counts_at.type)), else_=d.counts_at)
