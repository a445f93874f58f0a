"""What has become of somebody in a campaign so far: entries, what was decided, the mails that came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import Subject
from engage.store.enrollments import SUBJECT_COLUMN
from engage.store.tables import decisions, deliveries, enrollments
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
    e, c, d = enrollments.c, decisions.c, deliveries.c
    whose = e.partner_id if subject.leads_to_partner else SUBJECT_COLUMN[subject]
    latest = (
        sa.select(e.id, e.key, e.entered_at, e.state, e.step, e.due_at, e.why)
        .where(e.program_id == program_id, e.campaign == campaign, whose == id_, e.entered_at <= as_of)
        .order_by(e.entered_at.desc(), e.id.desc())
        .limit(most)
    )
    entered = db.execute(latest).all()
    ids = [row.id for row in entered]
    decided: dict[int, list[Decided]] = {}
    mails: dict[int, list[Mailed]] = {}
    found = sa.select(c.enrollment_id, c.decided_at, c.step, c.phase, c.decision, c.reason, c.until, c["values"])
    for of, *row in db.execute(found.where(one_of(db, c.enrollment_id, ids), c.decided_at <= as_of).order_by(c.id)):
        decided.setdefault(of, []).append(Decided(*row))
    sent = sa.select(d.enrollment_id, d.step, d.recipient, d.state, d.reason, d.due_at, d.settled_at)
    for of, *row in db.execute(sent.where(one_of(db, d.enrollment_id, ids), d.created_at <= as_of).order_by(d.id)):
        mails.setdefault(of, []).append(Mailed(*row))
    return [
        Entered(*row[1:], decided=tuple(decided.get(row.id, ())), mails=tuple(mails.get(row.id, ()))) for row in entered
    ]
