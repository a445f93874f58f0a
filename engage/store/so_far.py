"""What has become of somebody in a campaign so far: entries, what was decided, the mails that came of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import Subject
from engage.store.enrollments import SUBJECT_COLUMN
from engage.store.tables import campaign_versions, decisions, deliveries, enrollments, referrals
from engage.store.upserts import one_of


@dataclass(frozen=True, slots=True)
class Decided:
    """`values` are the facts behind it, by name, or the cap that left no room."""

    at: datetime
    step: str
    phase: str
    decision: str
    reason: str | None
    until: datetime | None
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail as it stands now; `due_at` is None once it waits for nothing any more."""

    step: str
    recipient: str
    state: str
    reason: str | None
    due_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entered:
    """One entry: `key` names the occasion; `step` and `due_at` say where a journey waits, `why` why it ended."""

    key: str
    at: datetime
    state: str
    step: str | None
    due_at: datetime | None
    why: str | None
    decided: tuple[Decided, ...]
    mails: tuple[Mailed, ...]


def so_far(
    db: Connection, program_id: int, campaign: str, subject: Subject, id_: int, as_of: datetime, most: int
) -> Sequence[Entered]:
    """The latest entries, `most` of them, up to the instant, latest first. `id_` is of the partner, of whomever a
    referral or reward is, else of the company or the member of staff. Three statements.
    """
    e = enrollments.c
    whose = e.partner_id if subject.leads_to_partner else SUBJECT_COLUMN[subject]
    latest = (
        sa.select(e.id, e.key, e.entered_at, e.state, e.step, e.due_at, e.why)
        .where(e.program_id == program_id, e.campaign == campaign, whose == id_, e.entered_at <= as_of)
        .order_by(e.entered_at.desc(), e.id.desc())
        .limit(most)
    )
    return _filled(db, db.execute(latest).all(), as_of)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a partner, into whichever campaign. `about`: the lead and the external id of the referral that it is
    about, if of one.
    """

    id: int
    campaign: str
    about: str
    entered: Entered


def entries_of(
    db: Connection,
    program_id: int,
    campaigns: Collection[str],
    partner_id: int,
    as_of: datetime,
    most: int,
    before: tuple[datetime, int] | None = None,
) -> list[Entry]:
    """A partner's latest entries into these campaigns, `most` of them, latest first; `before` goes on where a page
    ended, by when it was entered and its id. Three statements.
    """
    e, r = enrollments.c, referrals.c
    latest = (
        sa.select(e.id, e.key, e.entered_at, e.state, e.step, e.due_at, e.why)
        .add_columns(e.campaign, r.external_id, r.lead_company)
        .outerjoin(referrals, r.id == e.referral_id)
        # each by its name: the one index of a partner's entries begins with it
        .where(e.program_id == program_id, one_of(db, e.campaign, campaigns), e.partner_id == partner_id)
        .where(e.entered_at <= as_of)
        .order_by(e.entered_at.desc(), e.id.desc())
        .limit(most)
    )
    if before is not None:
        at, id_ = before
        latest = latest.where(sa.or_(e.entered_at < at, sa.and_(e.entered_at == at, e.id < id_)))
    rows = db.execute(latest).all()
    return [
        Entry(row.id, row.campaign, " · ".join(filter(None, (row.lead_company, row.external_id))), entered)
        for row, entered in zip(rows, _filled(db, rows, as_of), strict=True)
    ]


def last_entries(
    db: Connection, program_id: int, campaigns: Collection[str], partner_id: int
) -> dict[str, tuple[int, datetime]]:
    """How often a partner entered each of these campaigns, and when last; those that they never did are left out."""
    e = enrollments.c
    last = sa.func.max(e.entered_at, type_=e.entered_at.type)
    query = sa.select(e.campaign, sa.func.count(), last).group_by(e.campaign)
    mine = (e.program_id == program_id, one_of(db, e.campaign, campaigns), e.partner_id == partner_id)
    return {campaign: (times, at) for campaign, times, at in db.execute(query.where(*mine))}


def campaigns_ever(db: Connection, program_id: int) -> list[str]:
    """The name of every campaign that the program ever had."""
    c = campaign_versions.c
    return list(db.execute(sa.select(c.campaign).where(c.program_id == program_id).distinct()).scalars())


def _filled(db: Connection, rows: Sequence[Any], as_of: datetime) -> list[Entered]:
    """The entries of these rows, with what came of each."""
    c, d = decisions.c, deliveries.c
    ids = [row.id for row in rows]
    decided: dict[int, list[Decided]] = {}
    mails: dict[int, list[Mailed]] = {}
    found = sa.select(c.enrollment_id, c.decided_at, c.step, c.phase, c.decision, c.reason, c.until, c["values"])
    for of, *row in db.execute(found.where(one_of(db, c.enrollment_id, ids), c.decided_at <= as_of).order_by(c.id)):
        decided.setdefault(of, []).append(Decided(*row))
    sent = sa.select(d.enrollment_id, d.step, d.recipient, d.state, d.reason, d.due_at, d.settled_at)
    for of, *row in db.execute(sent.where(one_of(db, d.enrollment_id, ids), d.created_at <= as_of).order_by(d.id)):
        mails.setdefault(of, []).append(Mailed(*row))
    return [
        Entered(
            key=row.key,
            at=row.entered_at,
            state=row.state,
            step=row.step,
            due_at=row.due_at,
            why=row.why,
            decided=tuple(decided.get(row.id, ())),
            mails=tuple(mails.get(row.id, ())),
        )
        for row in rows
    ]
