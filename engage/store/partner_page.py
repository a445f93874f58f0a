"""What a partner's own page shows of them: their referrals, rewards and mails, and nobody else's."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.deliveries import DeliveryState
from engage.store.tables import (
    attempts,
    deliveries,
    enrollments,
    events,
    occasions,
    referral_versions,
    referrals,
    rewards,
    staff,
)
from engage.store.upserts import one_of

_R, _V, _E, _D = referrals.c, referral_versions.c, events.c, deliveries.c


@dataclass(frozen=True, slots=True)
class OwnReferral:
    """One referral; `status_at` is None where the source did not say when it reached its status."""

    id: int
    lead_company: str | None
    lead_name: str | None
    product: str | None
    status: str
    submitted_at: datetime | None
    status_at: datetime | None
    salesperson: str | None


def count_referrals(db: Connection, partner_id: int) -> int:
    query = sa.select(sa.func.count()).where(_R.partner_id == partner_id, _R.merged_into_id.is_(None))
    return int(db.execute(query).scalar_one())


def own_referrals(db: Connection, partner_id: int, skip: int, most: int) -> list[OwnReferral]:
    """The newest first; those without a date last."""
    query = (
        sa.select(_R.id, _R.lead_company, _R.lead_name, _R.product, _R.status, _R.submitted_at)
        .add_columns(_V.since.label("status_at"), staff.c.name.label("salesperson"))
        .outerjoin(referral_versions, sa.and_(_V.referral_id == _R.id, _V.valid_to.is_(None)))
        .outerjoin(staff, staff.c.id == _R.salesperson_id)
        .where(_R.partner_id == partner_id, _R.merged_into_id.is_(None))
        .order_by(_R.submitted_at.is_(None), _R.submitted_at.desc(), _R.id.desc())
    )
    return [OwnReferral(**row._mapping) for row in db.execute(query.offset(skip).limit(most))]


def reached(db: Connection, referral_ids: Collection[int]) -> dict[int, dict[str, datetime]]:
    """When each of these referrals last reached each status that it was at."""
    if not referral_ids:
        return {}
    last = sa.func.max(_E.occurred_at, type_=_E.occurred_at.type)
    query = sa.select(_E.referral_id, _E.to_status, last).group_by(_E.referral_id, _E.to_status)
    query = query.where(one_of(db, _E.referral_id, referral_ids), _E.kind == EventKind.STATUS_CHANGED)
    found: dict[int, dict[str, datetime]] = {}
    for referral_id, status, at in db.execute(query):
        found.setdefault(referral_id, {})[status] = at
    return found


def rewarded(db: Connection, referral_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these referrals for which a reward has been earned."""
    if not referral_ids:
        return set()
    r = rewards.c
    query = sa.select(r.referral_id).where(one_of(db, r.referral_id, referral_ids), _by(r.earned_at, now))
    return set(db.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class OwnReward:
    """One reward, with the referral that earned it; `amount` in minor units of the program's currency."""

    amount: int
    label: str | None
    lead_company: str | None
    lead_name: str | None
    expected_at: datetime | None
    earned_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None
    reversed_at: datetime | None


def own_rewards(db: Connection, partner_id: int, most: int) -> list[OwnReward]:
    """Those that are yet to be paid first, by when; then those that were, the latest first."""
    r = rewards.c
    fields = [r[name] for name in ("amount", "label", "expected_at", "earned_at", "due_at", "paid_at", "reversed_at")]
    over = sa.or_(r.paid_at.is_not(None), r.reversed_at.is_not(None))
    to_come = sa.case((over, None), else_=sa.func.coalesce(r.due_at, r.expected_at, r.earned_at))
    was = sa.func.coalesce(r.reversed_at, r.paid_at)
    query = (
        sa.select(*fields, _R.lead_company, _R.lead_name)
        .outerjoin(referrals, _R.id == r.referral_id)
        .where(r.partner_id == partner_id)
        .order_by(sa.case((over, 1), else_=0), to_come.is_(None), to_come, was.desc(), r.id.desc())
        .limit(most)
    )
    return [OwnReward(**row._mapping) for row in db.execute(query)]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a partner's rewards come to, in minor units. `count`: how many there are, those taken back among them."""

    count: int
    paid: int
    earned: int
    expected: int


def reward_totals(db: Connection, partner_id: int, now: datetime) -> Totals:
    """`paid`; `earned` and not paid yet; `expected` to be earned. What was taken back is in none."""
    r = rewards.c
    stands = r.reversed_at.is_(None)
    paid = sa.and_(stands, r.paid_at.is_not(None), r.paid_at <= now)
    earned = sa.and_(stands, sa.not_(sa.and_(r.paid_at.is_not(None), r.paid_at <= now)), _by(r.earned_at, now))
    expected = sa.and_(stands, r.paid_at.is_(None), sa.not_(_by(r.earned_at, now)))
    sums = [sa.func.coalesce(sa.func.sum(sa.case((which, r.amount), else_=0)), 0) for which in (paid, earned, expected)]
    row = db.execute(sa.select(sa.func.count(), *sums).where(r.partner_id == partner_id)).one()
    return Totals(*(int(value) for value in row))


def _by(column: "sa.Column[Any]", now: datetime) -> "sa.ColumnElement[bool]":
    return sa.and_(column.is_not(None), column <= now)


@dataclass(frozen=True, slots=True)
class OwnMail:
    """A mail that the partner has got; `topic` is its key, `subject` as it went out."""

    topic: str
    subject: str
    sent_at: datetime


_ON_REQUEST = (EventKind.CODE_WANTED, EventKind.LINK_WANTED)


def own_mails(db: Connection, partner_id: int, most: int) -> list[OwnMail]:
    """The latest mails to the partner, without the codes and links that they asked for here."""
    of_event = (
        sa.exists()
        .where(enrollments.c.id == _D.enrollment_id, occasions.c.id == enrollments.c.occasion_id)
        .where(_E.id == occasions.c.event_id, _E.kind.in_(_ON_REQUEST))
    )
    last = (
        sa.select(attempts.c.subject)
        .where(attempts.c.delivery_id == _D.id)
        .order_by(attempts.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(_D.topic, last.label("subject"), _D.settled_at.label("sent_at"))
        .where(_D.partner_id == partner_id, _D.recipient.startswith("partner:"), ~of_event)
        .where(_D.state == DeliveryState.ACCEPTED, _D.settled_at.is_not(None))
        .order_by(_D.created_at.desc(), _D.id.desc())
        .limit(most)
    )
    return [OwnMail(row.topic, row.subject or "", row.sent_at) for row in db.execute(query)]
