"""What each mail tells of: the changes of referrals behind it, and the links of a mail that tells of several.

Whoever decides about the updates of a referral holds `lock_updates`, so that no two workers make a mail of each of two
changes that are to be one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.deliveries import DUE, By, DeliveryState, require_legal
from engage.store.tables import deliveries, delivery_occasions, enrollments, events, occasions, referrals
from engage.store.upserts import insert_many, one_of, update_each

_SPACE = 0x75706474  # "updt": apart from advisory locks that anybody else may take
_LOCKS = 256  # so many at the most, whatever the size of a batch: PostgreSQL has room for some thousands

OUT = (DeliveryState.SENDING, DeliveryState.ACCEPTED, DeliveryState.UNKNOWN)
"""The states of a mail that its recipient has, or may have."""


def lock_updates(db: Connection, referral_ids: Collection[int]) -> None:
    """Lets one transaction at a time decide about the updates of these referrals.

    Not by their rows: intake holds those, in an order of its own. On SQLite the write transaction is the lock.
    """
    if db.dialect.name == "sqlite" or not referral_ids:
        return
    numbers = sa.func.unnest(sa.cast(sorted({id_ % _LOCKS for id_ in referral_ids}), sa.ARRAY(sa.Integer)))
    in_order = sa.select(numbers.label("number")).order_by("number").subquery()
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_SPACE, in_order.c.number))).all()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a referral's status; `place` is its place in the order in which they happened."""

    event_id: int
    referral_id: int
    partner_id: int
    before: str | None
    after: str
    place: tuple[datetime, int]


def _change(row: Any) -> Change:
    return Change(
        row.id, row.referral_id, row.partner_id, row.from_status, row.to_status, (row.occurred_at, row.sequence or 0)
    )


_E = events.c
_CHANGE = (_E.id, _E.referral_id, _E.partner_id, _E.from_status, _E.to_status, _E.occurred_at, _E.sequence)
_IS_CHANGE = sa.and_(_E.kind == EventKind.STATUS_CHANGED, _E.referral_id.is_not(None))


def changes_by_occasion(db: Connection, occasion_ids: Collection[int]) -> dict[int, Change]:
    """The change that each of these occasions is; those that are none are left out."""
    if not occasion_ids:
        return {}
    o = occasions.c
    query = sa.select(o.id.label("occasion_id"), *_CHANGE).join(events, _E.id == o.event_id)
    rows = db.execute(query.where(one_of(db, o.id, occasion_ids), _IS_CHANGE))
    return {row.occasion_id: _change(row) for row in rows}


def changes_by_enrollment(db: Connection, enrollment_ids: Collection[int]) -> dict[int, Change]:
    """As `changes_by_occasion`, by the enrollments that came of them."""
    if not enrollment_ids:
        return {}
    n, o = enrollments.c, occasions.c
    query = sa.select(n.id.label("enrollment_id"), *_CHANGE).join(occasions, o.id == n.occasion_id)
    rows = db.execute(query.join(events, _E.id == o.event_id).where(one_of(db, n.id, enrollment_ids), _IS_CHANGE))
    return {row.enrollment_id: _change(row) for row in rows}


def changes_of(db: Connection, referral_ids: Collection[int], until: datetime) -> dict[int, list[Change]]:
    """Each referral's changes up to and including `until`, in the order in which they happened."""
    if not referral_ids:
        return {}
    query = sa.select(*_CHANGE).where(one_of(db, _E.referral_id, referral_ids), _IS_CHANGE, _E.occurred_at <= until)
    found: dict[int, list[Change]] = {}
    for row in db.execute(query.order_by(_E.occurred_at, _E.sequence)):
        found.setdefault(row.referral_id, []).append(_change(row))
    return found


def statuses_now(db: Connection, referral_ids: Collection[int]) -> dict[int, str]:
    """The status in which each of these referrals is."""
    if not referral_ids:
        return {}
    c = referrals.c
    return {id_: status for id_, status in db.execute(sa.select(c.id, c.status).where(one_of(db, c.id, referral_ids)))}


@dataclass(frozen=True, slots=True)
class Telling:
    """A mail to a partner that tells of a change, by itself or, `linked`, among others."""

    event_id: int
    enrollment_id: int
    delivery_id: int
    topic: str
    step: str
    state: DeliveryState
    linked: bool


def mails_telling(
    db: Connection, partner_ids: Collection[int], event_ids: Collection[int], *, locking: bool = False
) -> list[Telling]:
    """The mails to these partners that tell of these changes. With `locking` those that are due stay as they are until
    the transaction ends: nobody claims them.
    """
    if not partner_ids or not event_ids:
        return []
    d, n, o, link = deliveries.c, enrollments.c, occasions.c, delivery_occasions.c
    found = (o.event_id, n.id.label("enrollment_id"), d.id.label("delivery_id"), d.topic, d.step, d.state)
    mine = (one_of(db, d.partner_id, partner_ids), d.recipient.startswith("partner:"))
    own = sa.select(*found, sa.false().label("linked")).join(enrollments, n.id == d.enrollment_id)
    among = sa.select(*found, sa.true().label("linked")).join(delivery_occasions, link.delivery_id == d.id)
    among = among.join(enrollments, n.id == link.enrollment_id).where(n.id != d.enrollment_id)
    rows: list[Any] = []
    for query in (own, among):
        told = query.join(occasions, o.id == n.occasion_id).where(*mine, one_of(db, o.event_id, event_ids))
        if locking:
            told = told.order_by(d.id).with_for_update(of=deliveries)
        rows += db.execute(told).all()
    return [Telling(**{**row._mapping, "state": DeliveryState(row.state)}) for row in rows]


def end_untold(db: Connection, ids: Collection[int], reason: str, now: datetime) -> set[int]:
    """Ends those of these mails that are due and are not to go out any more; returns their ids."""
    if not ids:
        return set()
    for state in DUE:
        require_legal(By.NEWS, state, DeliveryState.SKIPPED)
    d = deliveries.c
    statement = sa.update(deliveries).where(one_of(db, d.id, ids), d.state.in_(DUE))
    ended = statement.values(state=DeliveryState.SKIPPED, reason=reason, settled_at=now).returning(d.id)
    return set(db.execute(ended).scalars())


# --- links --------------------------------------------------------------------------------------------------------


def link(db: Connection, pairs: Collection[tuple[int, int]]) -> None:
    """Notes that a mail (delivery) tells of an occasion (enrollment). What is noted already stays."""
    rows = [{"delivery_id": delivery, "enrollment_id": enrollment} for delivery, enrollment in sorted(set(pairs))]
    insert_many(db, delivery_occasions, rows, or_ignore=True)


def unlink(db: Connection, pairs: Collection[tuple[int, int]]) -> None:
    """Takes occasions back of which a mail that has not gone out will not tell."""
    c = delivery_occasions.c
    if pairs:
        db.execute(sa.delete(delivery_occasions).where(sa.tuple_(c.delivery_id, c.enrollment_id).in_(sorted(pairs))))


def move_links(db: Connection, merged: int, survivor: int) -> None:
    """What a mail that is due to a partner was to tell is told by the survivor's mail of the same occasion, if it is
    due too: the other is about to be cancelled.
    """
    d, theirs = deliveries.c, deliveries.alias("theirs")
    c, known = delivery_occasions.c, delivery_occasions.alias("known")
    same = (theirs.c.campaign == d.campaign, theirs.c.step == d.step, theirs.c.occasion == d.occasion)
    told = sa.exists().where(known.c.delivery_id == theirs.c.id, known.c.enrollment_id == c.enrollment_id)
    pairs = (
        sa.select(theirs.c.id, c.enrollment_id)
        .join(deliveries, d.id == c.delivery_id)
        .join(theirs, sa.and_(theirs.c.partner_id == survivor, theirs.c.state.in_(DUE), *same))
        .where(d.partner_id == merged, d.state.in_(DUE), ~told)
    )
    db.execute(sa.insert(delivery_occasions).from_select(["delivery_id", "enrollment_id"], pairs))


def linked(db: Connection, delivery_ids: Collection[int]) -> dict[int, list[int]]:
    """The enrollments of which each of these mails tells."""
    if not delivery_ids:
        return {}
    c = delivery_occasions.c
    query = sa.select(c.delivery_id, c.enrollment_id).where(one_of(db, c.delivery_id, delivery_ids))
    found: dict[int, list[int]] = {}
    for delivery_id, enrollment_id in db.execute(query.order_by(c.delivery_id, c.enrollment_id)):
        found.setdefault(delivery_id, []).append(enrollment_id)
    return found


# --- several changes, one mail ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail about a change of a referral that is due and has not begun to go out. `first_at`: when the first of the
    changes that it tells of was decided about.
    """

    delivery_id: int
    enrollment_id: int
    step: str
    recipient: str
    topic: str
    due_at: datetime
    first_at: datetime
    change: Change


def waiting_updates(
    db: Connection,
    program_id: int,
    partner_ids: Collection[int],
    topics: Collection[str],
    referral_ids: Collection[int],
) -> list[Waiting]:
    """The mails of these topics to these partners about these referrals of which nobody has tried to send any yet.

    Nobody claims them until the transaction ends.
    """
    d, n, o, link_ = deliveries.c, enrollments.c, occasions.c, delivery_occasions.c
    told = enrollments.alias("told")
    first = (
        sa.select(sa.func.min(told.c.entered_at, type_=told.c.entered_at.type))
        .join(delivery_occasions, link_.enrollment_id == told.c.id)
        .where(link_.delivery_id == d.id)
        .correlate(deliveries)
        .scalar_subquery()
    )
    found = (d.id.label("delivery_id"), d.enrollment_id, d.step, d.recipient, d.topic, d.due_at)
    query = (
        sa.select(*found, sa.func.coalesce(first, n.entered_at, type_=n.entered_at.type).label("first_at"), *_CHANGE)
        .join(enrollments, n.id == d.enrollment_id)
        .join(occasions, o.id == n.occasion_id)
        .join(events, _E.id == o.event_id)
        .where(one_of(db, d.partner_id, partner_ids), d.program_id == program_id, d.topic.in_(topics))
        .where(d.recipient.startswith("partner:"), d.state == DeliveryState.PENDING, d.attempts == 0)
        .where(one_of(db, _E.referral_id, referral_ids), _IS_CHANGE)
        .order_by(d.id)
        .with_for_update(of=deliveries)
    )
    names = [name for name in Waiting.__dataclass_fields__ if name != "change"]
    return [Waiting(**{name: row._mapping[name] for name in names}, change=_change(row)) for row in db.execute(query)]


def tell_instead(db: Connection, pairs: Sequence[tuple[int, int]], reason: str, now: datetime) -> None:
    """Ends mails that are due, each for another one that tells of its occasions instead: (the one, the other).

    Both are held by the caller, as `waiting_updates` gives them.
    """
    require_legal(By.NEWS, DeliveryState.PENDING, DeliveryState.SKIPPED)
    d = deliveries.c
    ended = {"state": DeliveryState.SKIPPED, "reason": reason, "settled_at": now}
    update_each(
        db,
        deliveries,
        [{"id": gone, "into_id": other, **ended} for gone, other in pairs],
        d.state == DeliveryState.PENDING,
    )
    told = linked(db, [gone for gone, _ in pairs])
    link(db, [(other, enrollment) for gone, other in pairs for enrollment in told.get(gone, ())])


def move_due(db: Connection, due: Sequence[tuple[int, datetime]]) -> None:
    """Has these mails come due at other times."""
    update_each(db, deliveries, [{"id": id_, "due_at": at} for id_, at in due], deliveries.c.state.in_(DUE))


# --- one mail a day -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Daily:
    """A mail of a day's updates."""

    delivery_id: int
    partner_id: int
    campaign: str
    occasion: str
    due: bool


def dailies(
    db: Connection, program_id: int, partner_ids: Collection[int], campaigns: Collection[str], since: str
) -> list[Daily]:
    """The daily mails of these partners whose occasion is `since` or later; nobody claims those that are due until the
    transaction ends.
    """
    d = deliveries.c
    query = (
        sa.select(d.id, d.partner_id, d.campaign, d.occasion, d.state)
        .where(one_of(db, d.partner_id, partner_ids), d.program_id == program_id, d.campaign.in_(campaigns))
        .where(d.occasion >= since)
        .order_by(d.id)
        .with_for_update()
    )
    return [Daily(row.id, row.partner_id, row.campaign, row.occasion, row.state in DUE) for row in db.execute(query)]
