"""Occasions, episodes, enrollments and decisions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.domain.decisions import Reason, Skip
from engage.domain.facts import Subject
from engage.store.tables import decisions, deliveries, enrollments, episodes, occasions
from engage.store.upserts import BATCH, insert_many, insert_or_ignore, one_of


@dataclass(frozen=True, slots=True)
class Occasion:
    id: int
    program_id: int
    campaign: str
    version_id: int


def ensure_occasions(db: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Occasion]:
    """Stores occasions that are new; gives each by (campaign, key). All rows are of one programme."""
    if not rows:
        return {}
    db.execute(insert_or_ignore(db, occasions), list(rows))
    c = occasions.c
    query = sa.select(c.id, c.program_id, c.campaign, c.version_id, c.key).where(
        c.program_id == rows[0]["program_id"],
        c.campaign.in_({row["campaign"] for row in rows}),
        c.key.in_({row["key"] for row in rows}),
    )
    return {(r.campaign, r.key): Occasion(r.id, r.program_id, r.campaign, r.version_id) for r in db.execute(query)}


def is_occasion(db: Connection, program_id: int, campaign: str, key: str) -> bool:
    """Whether this has concerned the campaign before."""
    c = occasions.c
    query = sa.select(c.id).where(c.program_id == program_id, c.campaign == campaign, c.key == key)
    return db.execute(query).first() is not None


def insert_enrollments(db: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int | None, str, str], int]:
    """Enrolls; returns the id of each *new* enrollment by (partner, campaign, key). Those there already are let be.

    Keys of companies and staff, who have no partner, name them.
    """
    e = enrollments.c
    new = insert_many(db, enrollments, rows, e.id, e.partner_id, e.campaign, e.key, or_ignore=True)
    return {(r.partner_id, r.campaign, r.key): r.id for r in new}


SUBJECT_COLUMN = {
    Subject.PARTNER: enrollments.c.partner_id,
    Subject.REFERRAL: enrollments.c.referral_id,
    Subject.REWARD: enrollments.c.reward_id,
    Subject.COMPANY: enrollments.c.company_id,
    Subject.STAFF: enrollments.c.staff_id,
}
"""The column that names what an enrollment of a campaign for such a subject concerns."""


def last_entries(
    db: Connection, program_id: int, campaign: Campaign, subject_ids: Collection[int], until: datetime
) -> dict[int, datetime]:
    """When each of these subjects last entered the campaign, at or before `until`."""
    e, subject = enrollments.c, SUBJECT_COLUMN[campaign.subject]
    query = (
        sa.select(subject, sa.func.max(e.entered_at, type_=e.entered_at.type))
        .where(*_entered(db, program_id, campaign, subject_ids, until))
        .group_by(subject)
    )
    return {subject_id: entered for subject_id, entered in db.execute(query)}


def entered_keys(
    db: Connection, program_id: int, campaign: Campaign, subject_ids: Collection[int], until: datetime
) -> set[tuple[int, str]]:
    """The (subject, key) pairs that have entered the campaign at or before `until`."""
    query = sa.select(SUBJECT_COLUMN[campaign.subject], enrollments.c.key)
    rows = db.execute(query.where(*_entered(db, program_id, campaign, subject_ids, until)))
    return {(subject_id, key) for subject_id, key in rows}


def _entered(
    db: Connection, program_id: int, campaign: Campaign, subject_ids: Collection[int], until: datetime
) -> tuple[sa.ColumnElement[bool], ...]:
    e = enrollments.c
    theirs = one_of(db, SUBJECT_COLUMN[campaign.subject], subject_ids)
    return (e.program_id == program_id, e.campaign == campaign.name, theirs, e.entered_at <= until)


def addresses_mailed(
    db: Connection, occasion_ids: Collection[int], address_ids: Collection[int]
) -> dict[tuple[int, str, int], int]:
    """(occasion, step, address) -> partner, for the deliveries that have been made of these to these addresses.

    A mail that is held out keeps its address from nobody.
    """
    d, e = deliveries.c, enrollments.c
    query = (
        sa.select(e.occasion_id, d.step, d.address_id, d.partner_id)
        .join(enrollments, e.id == d.enrollment_id)
        .where(one_of(db, e.occasion_id, occasion_ids), one_of(db, d.address_id, address_ids))
        .where(d.held_out.is_(sa.false()))
    )
    return {(occasion_id, step, address_id): partner for occasion_id, step, address_id, partner in db.execute(query)}


def insert_decisions(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    insert_many(db, decisions, rows)


def insert_skips(
    db: Connection, program_id: int, those: Iterable[tuple[int, str]], reason: Reason, now: datetime
) -> None:
    """Keeps why mails that were to go out do not: (enrollment, step) of each."""
    common = {"program_id": program_id, "phase": "send", "decision": Skip.kind, "reason": reason, "until": None}
    common |= {"values": {}, "decided_at": now}
    insert_decisions(db, [{**common, "enrollment_id": enrollment, "step": step} for enrollment, step in those])


def open_episodes(db: Connection, program_id: int, campaign: Campaign) -> dict[int, str]:
    """subject -> the slot that opened the episode which is open."""
    c = episodes.c
    query = sa.select(c.subject_id, c.opened_slot).where(*_open(program_id, campaign), c.subject == campaign.subject)
    return {subject_id: slot for subject_id, slot in db.execute(query)}


def open_new_episodes(
    db: Connection, program_id: int, campaign: Campaign, subject_ids: Sequence[int], slot: str, now: datetime
) -> None:
    common = {"program_id": program_id, "campaign": campaign.name, "subject": campaign.subject}
    common |= {"opened_slot": slot, "opened_at": now}
    if subject_ids:
        rows = [{**common, "subject_id": subject_id, "closed_at": None} for subject_id in subject_ids]
        db.execute(insert_or_ignore(db, episodes), rows)


def close_episodes(
    db: Connection, program_id: int, campaign: Campaign, subject_ids: Sequence[int], now: datetime
) -> None:
    """Closes the episodes of these subjects, and those of what the campaign was for before it was edited."""
    c = episodes.c
    closing = sa.update(episodes).where(*_open(program_id, campaign)).values(closed_at=now)
    db.execute(closing.where(c.subject != campaign.subject))
    for start in range(0, len(subject_ids), BATCH):
        db.execute(closing.where(one_of(db, c.subject_id, subject_ids[start : start + BATCH])))


def _open(program_id: int, campaign: Campaign) -> tuple[sa.ColumnElement[bool], ...]:
    c = episodes.c
    return (c.program_id == program_id, c.campaign == campaign.name, c.closed_at.is_(None))
