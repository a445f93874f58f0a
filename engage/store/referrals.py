"""Referrals and rewards, as a mail about them shows them."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from engage.domain.facts import Subject
from engage.domain.programs import CLOSED_KINDS, Program
from engage.store.tables import events, referral_versions, referrals, rewards, staff
from engage.store.upserts import one_of


def salespeople_of_open_referrals(
    db: Connection, program_id: int, program: Program, partner_ids: Collection[int]
) -> dict[int, int]:
    """partner -> the salesperson of the open referral that was submitted last."""
    closed = program.statuses_of(*CLOSED_KINDS)
    r = referrals.c
    query = (
        sa.select(r.partner_id, r.salesperson_id)
        .where(r.program_id == program_id, r.partner_id.in_(partner_ids), r.status.not_in(closed))
        .where(r.salesperson_id.is_not(None), r.merged_into_id.is_(None))
        .order_by(r.submitted_at.is_not(None), r.submitted_at, r.id)
    )
    return {partner_id: salesperson_id for partner_id, salesperson_id in db.execute(query)}


def salespeople_of(db: Connection, ids: Collection[int]) -> dict[int, int]:
    """Who works each of these referrals, where anybody does."""
    if not ids:
        return {}
    r = referrals.c
    query = sa.select(r.id, r.salesperson_id).where(one_of(db, r.id, ids), r.salesperson_id.is_not(None))
    return {id_: salesperson_id for id_, salesperson_id in db.execute(query)}


def referrals_for_mail(db: Connection, ids: Collection[int]) -> dict[int, Row[tuple[object, ...]]]:
    """Each referral with its version in force and its salesperson's name."""
    r, v = referrals.c, referral_versions.c
    query = (
        sa.select(referrals, v.since.label("status_at"), staff.c.name.label("salesperson_name"))
        .join(referral_versions, sa.and_(v.referral_id == r.id, v.valid_to.is_(None)))
        .outerjoin(staff, staff.c.id == r.salesperson_id)
        .where(r.id.in_(ids))
    )
    return {row.id: row for row in db.execute(query)}


def previous_statuses(db: Connection, ids: Collection[int]) -> dict[int, str | None]:
    """The status that each referral had before the change that happened last."""
    e = events.c
    query = (
        sa.select(e.referral_id, e.from_status)
        .where(e.referral_id.in_(ids), e.to_status.is_not(None))
        .order_by(e.occurred_at, e.sequence)
    )
    return {referral_id: status for referral_id, status in db.execute(query)}


def rewards_for_mail(db: Connection, ids: Collection[int]) -> dict[int, Row[tuple[object, ...]]]:
    return {row.id: row for row in db.execute(sa.select(rewards).where(rewards.c.id.in_(ids)))}


def later_rewards(
    db: Connection, referral_ids: Collection[int], now: datetime
) -> dict[int, tuple[int, datetime | None]]:
    """What each of these referrals may still bring, and when the first of it is expected: rewards that are not earned
    by `now` and were not taken back. Those without any are left out."""
    if not referral_ids:
        return {}
    r = rewards.c
    query = (
        sa.select(r.referral_id, sa.func.sum(r.amount), sa.func.min(sa.func.coalesce(r.expected_at, r.earned_at)))
        .where(one_of(db, r.referral_id, referral_ids), sa.or_(r.earned_at.is_(None), r.earned_at > now))
        .where(r.paid_at.is_(None), r.reversed_at.is_(None))
        .group_by(r.referral_id)
    )
    return {id_: (int(amount), at) for id_, amount, at in db.execute(query)}


def recent_referrals(
    db: Connection, partner_ids: Collection[int], most: int
) -> dict[int, list[Row[tuple[object, ...]]]]:
    """The latest `most` referrals of each partner, newest first; those without a date last."""
    r = referrals.c
    place = sa.func.row_number().over(
        partition_by=r.partner_id, order_by=(r.submitted_at.is_(None), r.submitted_at.desc(), r.id.desc())
    )
    theirs = sa.and_(r.partner_id.in_(partner_ids), r.merged_into_id.is_(None))
    ranked = sa.select(referrals, place.label("place")).where(theirs).subquery()
    query = sa.select(ranked).where(ranked.c.place <= most).order_by(ranked.c.partner_id, ranked.c.place)
    found: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in db.execute(query):
        found.setdefault(row.partner_id, []).append(row)
    return found


def subjects_of(db: Connection, subject: Subject, partner_id: int) -> list[tuple[str, int]]:
    """(external id, id) of the partner's referrals or rewards, in order of arrival."""
    table = referrals if subject is Subject.REFERRAL else rewards
    query = sa.select(table.c.external_id, table.c.id).where(table.c.partner_id == partner_id).order_by(table.c.id)
    if subject is Subject.REFERRAL:
        query = query.where(referrals.c.merged_into_id.is_(None))
    return [(external_id, id_) for external_id, id_ in db.execute(query)]


def latest_referral(db: Connection, partner_id: int, at: Collection[str] = ()) -> int | None:
    """The id of the partner's referral that was submitted last, of those that stand at one of these statuses if any
    does; those without a date are older than any."""
    r = referrals.c
    query = sa.select(r.id).where(r.partner_id == partner_id, r.merged_into_id.is_(None))
    there = sa.case((r.status.in_(at), 0), else_=1)
    return db.scalar(query.order_by(there, r.submitted_at.is_(None), r.submitted_at.desc(), r.id.desc()).limit(1))


def latest_reward(db: Connection, partner_id: int) -> tuple[int | None, int | None]:
    """The ids of the partner's reward that was earned last and of its referral; those without a date are oldest."""
    r = rewards.c
    query = sa.select(r.referral_id, r.id).where(r.partner_id == partner_id)
    row = db.execute(query.order_by(r.earned_at.is_(None), r.earned_at.desc(), r.id.desc()).limit(1)).one_or_none()
    return (row.referral_id, row.id) if row else (None, None)
