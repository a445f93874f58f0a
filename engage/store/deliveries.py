"""Deliveries until they are sent: every change of state is a conditional update that carries the lease token."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.decisions import Reason, Skip
from engage.domain.deliveries import DUE, By, DeliveryState, require_legal
from engage.queueing import Lane
from engage.store.enrollments import insert_decisions
from engage.store.tables import deliveries, enrollments
from engage.store.upserts import insert_many, one_of

MOST_CLAIMS = 3
"""A delivery that was claimed so often without getting as far as `sending` is poison: it ends as dead."""

_NO_LEASE = {"lease": None, "lease_until": None}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in the hands of a worker.

    `partner_id` is None of mail to staff about no partner. The last are those of what the campaign is for, when it
    was entered and in which arm (domain.experiments).
    """

    id: int
    program_id: int
    public_id: str
    campaign: str
    version_id: int
    step: str
    recipient: str
    occasion: str
    enrollment_id: int
    partner_id: int | None
    company_id: int | None
    staff_id: int | None
    address_id: int | None
    template: str
    topic: str
    lane: str
    held_out: bool
    expires_at: datetime
    attempts: int
    claims: int
    referral_id: int | None
    reward_id: int | None
    subject_company_id: int | None = None
    subject_staff_id: int | None = None
    entered_at: datetime | None = None
    arm: str | None = None


_OF_ENROLLMENT = {
    "referral_id": "referral_id",
    "reward_id": "reward_id",
    "subject_company_id": "company_id",
    "subject_staff_id": "staff_id",
    "entered_at": "entered_at",
    "arm": "arm",
}


def claimed_rows() -> sa.Select[Any]:
    """Deliveries as `Claimed` has them, of whatever state: to be narrowed down."""
    d, e = deliveries.c, enrollments.c
    names = Claimed.__dataclass_fields__
    columns = (e[_OF_ENROLLMENT[name]].label(name) if name in _OF_ENROLLMENT else d[name] for name in names)
    return sa.select(*columns).join(enrollments, e.id == d.enrollment_id)


def insert_deliveries(db: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[Lane, list[int]]:
    """Stores new deliveries in state pending; returns the ids by lane of those that need not compete for room."""
    common = {"state": DeliveryState.PENDING, "attempts": 0}
    d = deliveries.c
    new = insert_many(db, deliveries, [{**common, **row} for row in rows], d.id, d.lane, d.contest_at)
    ids: dict[Lane, list[int]] = {}
    for row in new:
        if row.contest_at is None:
            ids.setdefault(Lane(row.lane), []).append(row.id)
    return {lane: sorted(found) for lane, found in ids.items()}


# in so many words: no index of the few that wait is used for states that are bound
_WAITING = sa.and_(
    deliveries.c.state.in_([sa.literal_column(f"'{state}'") for state in DUE]), deliveries.c.contest_at.is_(None)
)


def _is_due(now: datetime) -> sa.ColumnElement[bool]:
    """Whether its time has come; what has yet to win room under frequency caps is not due."""
    return sa.and_(_WAITING, deliveries.c.due_at <= now)


def claim(
    db: Connection, ids: Collection[int], lease: str, now: datetime, lasting: timedelta, *, suspects: bool = False
) -> list[Claimed]:
    """Takes those of `ids` that are due and free. Two workers never take the same one.

    Only those that no claim has led nowhere with; or, `suspects`, only the others.
    """
    for state in DUE:
        require_legal(By.WORKER, state, DeliveryState.CLAIMED)
    d = deliveries.c
    free = (
        sa.select(d.id)
        .where(one_of(db, d.id, ids), _is_due(now), d.claims > 0 if suspects else d.claims == 0)
        .order_by(d.id)
        .with_for_update(skip_locked=True)
    )
    statement = (
        sa.update(deliveries)
        .where(d.id.in_(free.scalar_subquery()))
        .values(state=DeliveryState.CLAIMED, claims=d.claims + 1, lease=lease, lease_until=now + lasting)
    )
    if not db.execute(statement).rowcount:
        return []
    mine = (one_of(db, d.id, ids), d.lease == lease, d.state == DeliveryState.CLAIMED)
    return [Claimed(**row._mapping) for row in db.execute(claimed_rows().where(*mine).order_by(d.id))]


def claimed_delivery(db: Connection, id_: int) -> Claimed | None:
    """The delivery as workers have it, whatever became of it; None if it is not kept any more."""
    row = db.execute(claimed_rows().where(deliveries.c.id == id_)).one_or_none()
    return Claimed(**row._mapping) if row is not None else None


def suspects(db: Connection, ids: Collection[int], now: datetime) -> list[int]:
    """Those of `ids` that are due and that a claim has led nowhere with: each is to be claimed alone."""
    d = deliveries.c
    query = sa.select(d.id).where(one_of(db, d.id, ids), _is_due(now), d.claims > 0)
    return list(db.execute(query.order_by(d.id)).scalars())


def move(
    db: Connection,
    ids: Collection[int],
    lease: str,
    source: DeliveryState,
    target: DeliveryState,
    **values: Any,
) -> set[int]:
    """Moves those of `ids` that are in `source` under this lease to `target`; returns the ids that moved.

    Any state but CLAIMED and SENDING gives the lease up, and all but `give_up` make a fresh start with claims.
    Raises IllegalTransition.
    """
    require_legal(By.WORKER, source, target)
    if not ids:
        return set()
    d = deliveries.c
    keeps = target in (DeliveryState.CLAIMED, DeliveryState.SENDING)
    given_up = {} if keeps else _NO_LEASE
    statement = (
        sa.update(deliveries)
        .where(one_of(db, d.id, ids), d.lease == lease, d.state == source)
        .values({"state": target, "claims": 0, **given_up, **values})
        .returning(d.id)
    )
    return set(db.execute(statement).scalars())


def give_up(db: Connection, ids: Collection[int], lease: str, reason: str, now: datetime, again: timedelta) -> int:
    """Those of `ids` that this lease has claimed and led nowhere come due `again` later, or are DEAD by MOST_CLAIMS.

    Returns how many are dead.
    """
    worn_out, claimed = deliveries.c.claims >= MOST_CLAIMS, DeliveryState.CLAIMED
    d = deliveries.c
    mine = (one_of(db, d.id, ids), d.lease == lease, d.state == claimed)
    require_legal(By.WORKER, claimed, DeliveryState.DEAD)
    require_legal(By.WORKER, claimed, DeliveryState.PENDING)
    dead = sa.update(deliveries).where(*mine, worn_out).values(_worn_out(reason, now))
    again_due = {"state": DeliveryState.PENDING, "reason": reason, "due_at": now + again, **_NO_LEASE}
    count = db.execute(dead).rowcount
    db.execute(sa.update(deliveries).where(*mine).values(again_due))
    return count


def _worn_out(reason: str, now: datetime) -> dict[str, Any]:
    said = f"claimed {MOST_CLAIMS} times without getting as far as sending: {reason}"
    return {"state": DeliveryState.DEAD, "reason": said, "settled_at": now, **_NO_LEASE}


def counting_since(now: datetime) -> sa.ColumnElement[datetime | None]:
    """`counts_at` of those that may have gone out as late as `now`; None for what never counts."""
    at = deliveries.c.counts_at
    return sa.case((at.is_not(None), sa.literal(now, at.type)), else_=None)


def due(db: Connection, before: datetime, limit: int) -> list[tuple[int, Lane]]:
    """Deliveries that have been due since before `before`: their hint was lost, or their time has come."""
    d = deliveries.c
    query = sa.select(d.id, d.lane).where(_is_due(before)).order_by(d.due_at, d.id).limit(limit)
    return [(id_, Lane(lane)) for id_, lane in db.execute(query)]


def next_due(db: Connection) -> datetime | None:
    """When the next delivery comes due, or came if it still waits."""
    d = deliveries.c
    found: datetime | None = db.execute(sa.select(sa.func.min(d.due_at, type_=d.due_at.type)).where(_WAITING)).scalar()
    return found


@dataclass(frozen=True, slots=True)
class Released:
    """How many deliveries of workers that are gone came due again, became unknown, or are dead."""

    given_back: int
    unknown: int
    dead: int


def release_expired_leases(db: Connection, now: datetime) -> Released:
    """Takes back what workers that are gone, or slept, held: claimed ones come due again, sending ones are unknown."""
    d, expired = deliveries.c, deliveries.c.lease_until < now
    claimed, sending = DeliveryState.CLAIMED, DeliveryState.SENDING
    for source, target in (
        (claimed, DeliveryState.DEAD),
        (claimed, DeliveryState.PENDING),
        (sending, DeliveryState.UNKNOWN),
    ):
        require_legal(By.SWEEPER, source, target)
    poison = _worn_out("each time its worker ended or fell asleep", now)
    again = {"state": DeliveryState.PENDING, "due_at": now, **_NO_LEASE}
    unknown = {
        "state": DeliveryState.UNKNOWN,
        "reason": "its lease ran out before an answer was stored",
        "settled_at": now,
        "counts_at": counting_since(now),
        **_NO_LEASE,
    }
    dead = sa.update(deliveries).where(expired, d.state == claimed, d.claims >= MOST_CLAIMS).values(poison)
    given_back = sa.update(deliveries).where(expired, d.state == claimed).values(again)
    lost = sa.update(deliveries).where(expired, d.state == sending).values(unknown)
    counts = [db.execute(statement).rowcount for statement in (dead, given_back, lost)]
    return Released(dead=counts[0], given_back=counts[1], unknown=counts[2])


def expire(db: Connection, ids: Collection[int], now: datetime) -> set[int]:
    """Ends those of `ids` that are due and were not sent within `send_within`, with the decision; returns their ids."""
    if not ids:
        return set()
    for state in DUE:
        require_legal(By.SWEEPER, state, DeliveryState.EXPIRED)
    d = deliveries.c
    statement = (
        sa.update(deliveries)
        .where(one_of(db, d.id, ids), d.state.in_(DUE), d.contest_at.is_(None), d.expires_at <= now)
        .values(state=DeliveryState.EXPIRED, reason=Reason.EXPIRED, settled_at=now)
        .returning(d.id, d.program_id, d.enrollment_id, d.step)
    )
    ended = db.execute(statement).all()
    decided: dict[str, Any] = {"phase": "send", "decision": Skip.kind, "reason": Reason.EXPIRED, "decided_at": now}
    decided |= {"until": None, "values": {}}
    insert_decisions(
        db,
        [
            {"program_id": row.program_id, "enrollment_id": row.enrollment_id, "step": row.step, **decided}
            for row in ended
        ],
    )
    return {row.id for row in ended}


def cancel_pending(
    db: Connection, partner_ids: Collection[int], topic: str | None, now: datetime, reason: str = "unsubscribed"
) -> int:
    """Cancels what is due to these partners on this topic (None: on any) and is not claimed; returns how many."""
    for state in DUE:
        require_legal(By.CONSENT, state, DeliveryState.CANCELLED)
    d = deliveries.c
    statement = (
        sa.update(deliveries)
        .where(one_of(db, d.partner_id, partner_ids), d.recipient.startswith("partner:"), d.state.in_(DUE))
        .values(state=DeliveryState.CANCELLED, reason=reason, settled_at=now)
    )
    return db.execute(statement if topic is None else statement.where(d.topic == topic)).rowcount
