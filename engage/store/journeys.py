"""Where enrollments stand in their journeys: positions that come due, taken under locks and moved in batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.decisions import Reason
from engage.domain.deliveries import DUE, DeliveryState
from engage.domain.journeys import JourneyState
from engage.store.tables import campaign_versions, decisions, deliveries, enrollments, occasions
from engage.store.upserts import one_of, update_each

ACTIVE = JourneyState.ACTIVE


@dataclass(frozen=True, slots=True)
class Standing:
    """An enrollment that stands at a step. `by_run`: a schedule's slot found it, not an event."""

    id: int
    program_id: int
    campaign: str
    version_id: int
    occasion_id: int
    key: str
    partner_id: int | None
    referral_id: int | None
    reward_id: int | None
    company_id: int | None
    staff_id: int | None
    entered_at: datetime
    step: str
    reached_at: datetime
    by_run: bool
    arm: str | None = None


def due_journeys(db: Connection, now: datetime, limit: int) -> list[int]:
    """Enrollments whose step has come due, the longest waiting first. Costs the same however many others wait."""
    e = enrollments.c
    query = sa.select(e.id).where(e.state == sa.literal_column("'active'"), e.due_at <= now)
    return list(db.execute(query.order_by(e.due_at, e.id).limit(limit)).scalars())


def next_journey(db: Connection) -> datetime | None:
    """When the next step comes due, or came if it still waits."""
    e = enrollments.c
    first = sa.select(sa.func.min(e.due_at, type_=e.due_at.type)).where(e.state == sa.literal_column("'active'"))
    found: datetime | None = db.execute(first).scalar()
    return found


def take_standings(db: Connection, ids: Collection[int], now: datetime) -> list[Standing]:
    """Those of `ids` whose step is due and that nobody else has in hand, in order of id; locked until the end of the
    transaction.
    """
    e = enrollments.c
    free = (
        sa.select(*(e[name] for name in Standing.__dataclass_fields__ if name != "by_run"))
        .where(one_of(db, e.id, ids), e.state == ACTIVE, e.due_at <= now)
        .order_by(e.id)
        .with_for_update(skip_locked=True)
    )
    rows = db.execute(free).all()
    by_run = _of_runs(db, {row.occasion_id for row in rows})
    return [Standing(**row._mapping, by_run=row.occasion_id in by_run) for row in rows]


def _of_runs(db: Connection, occasion_ids: Collection[int]) -> set[int]:
    c = occasions.c
    query = sa.select(c.id).where(one_of(db, c.id, occasion_ids), c.run_id.is_not(None))
    return set(db.execute(query).scalars()) if occasion_ids else set()


def set_positions(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes where enrollments stand. Rows have id, state, step, reached_at, due_at, ended_at and why."""
    update_each(db, enrollments, rows)


@dataclass(frozen=True, slots=True)
class LastMail:
    """Of the mails that an enrollment has led to: whether one has yet to go out, and when the last one did."""

    under_way: bool
    sent_at: datetime | None


def last_mails(db: Connection, enrollment_ids: Collection[int]) -> dict[int, LastMail]:
    """By enrollment, for those that have led to any."""
    if not enrollment_ids:
        return {}
    d = deliveries.c
    waiting = d.state.in_((*DUE, DeliveryState.CLAIMED, DeliveryState.SENDING))
    sent = d.state.in_((DeliveryState.ACCEPTED, DeliveryState.UNKNOWN))
    query = (
        sa.select(
            d.enrollment_id,
            sa.func.max(sa.case((waiting, 1), else_=0)).label("under_way"),
            sa.func.max(sa.case((sent, d.settled_at)), type_=d.settled_at.type).label("sent_at"),
        )
        .where(one_of(db, d.enrollment_id, enrollment_ids))
        .group_by(d.enrollment_id)
    )
    return {row.enrollment_id: LastMail(bool(row.under_way), row.sent_at) for row in db.execute(query)}


@dataclass(frozen=True, slots=True)
class Inside:
    """How many stand at a step of a version of a campaign. `first_seen`: when the file first said so."""

    campaign: str
    version_id: int
    first_seen: datetime
    step: str
    count: int


def inside(db: Connection, program_id: int, campaign: str | None = None) -> list[Inside]:
    """How many are inside a campaign (None: each) now, by version that they entered, the latest first, and by step."""
    e, v = enrollments.c, campaign_versions.c
    active = [e.program_id == program_id, e.state == sa.literal_column("'active'")]
    query = (
        sa.select(e.campaign, e.version_id, v.first_seen, e.step, sa.func.count().label("many"))
        .join(campaign_versions, v.id == e.version_id)
        .where(*active, *([e.campaign == campaign] if campaign is not None else []))
        .group_by(e.campaign, e.version_id, v.first_seen, e.step)
        .order_by(e.campaign, v.first_seen.desc(), e.version_id.desc(), e.step)
    )
    return [Inside(*row) for row in db.execute(query)]


_FOR_HOURS = (Reason.QUIET_HOURS, Reason.OUTSIDE_SEND_WINDOW, Reason.HOLIDAY)


def look_again_in(db: Connection, program_id: int, campaign: str, now: datetime) -> None:
    """Has the waits of everybody inside a campaign looked at now: what they wait for may have another date."""
    e = enrollments.c
    inside = (e.program_id == program_id, e.campaign == campaign, e.state == ACTIVE, e.due_at > now)
    db.execute(sa.update(enrollments).where(*inside).values(due_at=now))


def look_again_at(db: Connection, partner_ids: Collection[int], now: datetime) -> None:
    """Has the waits of these partners looked at now, and the mails that wait for their hours: their zone has changed,
    and with it when waits are over and mail may go out.
    """
    if not partner_ids:
        return
    e, d, c = enrollments.c, deliveries.c, decisions.c
    waits = sa.update(enrollments).where(one_of(db, e.partner_id, partner_ids), e.state == ACTIVE, e.due_at > now)
    db.execute(waits.values(due_at=now))
    mine = (one_of(db, d.partner_id, partner_ids), d.state == DeliveryState.PENDING, d.due_at > now)
    same = (c.enrollment_id == d.enrollment_id, c.step == d.step, c.reason.in_(_FOR_HOURS))
    competes = sa.and_(d.contest_at.is_not(None), c.until > now, c.until <= d.contest_at)  # in the window of `until`
    waits_for_hours = sa.exists().where(*same, sa.or_(c.until == d.due_at, competes))
    again = {"due_at": now, "contest_at": sa.case((d.contest_at.is_not(None), sa.literal(now, d.contest_at.type)))}
    db.execute(sa.update(deliveries).where(*mine, waits_for_hours).values(again))
