"""Who is inside a campaign already, as the next entries are to know it, and the lock under which they are let in."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.domain.journeys import JourneyState
from engage.store.enrollments import SUBJECT_COLUMN
from engage.store.tables import enrollments, events, occasions
from engage.store.upserts import one_of


def lock_entries(db: Connection, program_id: int, campaigns: Collection[str]) -> None:
    """Until the transaction ends nobody else lets anybody into these campaigns who asks for this first.

    Without it two workers could let one partner into a journey for two occasions at once. On SQLite the write
    transaction is the lock.
    """
    if db.dialect.name == "sqlite" or not campaigns:
        return
    names = [f"{program_id}\x1f{campaign}\x1fentries" for campaign in sorted(campaigns)]
    each = sa.func.unnest(sa.literal(names, postgresql.ARRAY(sa.Text()))).table_valued(sa.column("name", sa.Text()))
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(each.c.name, 0)))).all()


def keys_inside(
    db: Connection, program_id: int, campaign: Campaign, subject_ids: Collection[int], as_of: datetime | None = None
) -> dict[int, set[str]]:
    """Under which keys those of these subjects who are inside the campaign have entered it.

    Without `as_of` whoever is inside now, though another worker, whose clock is ahead, has let them in.
    """
    e, subject = enrollments.c, SUBJECT_COLUMN[campaign.subject]
    inside = e.state == JourneyState.ACTIVE
    if as_of is not None:
        inside = sa.and_(e.entered_at <= as_of, sa.or_(inside, e.ended_at > as_of))
    query = sa.select(subject, e.key).where(
        e.program_id == program_id, e.campaign == campaign.name, one_of(db, subject, subject_ids), inside
    )
    found: dict[int, set[str]] = {}
    for subject_id, key in db.execute(query):
        found.setdefault(subject_id, set()).add(key)
    return found


def overtaken(db: Connection, program_id: int, campaign: str, referral_ids: Collection[int]) -> dict[int, JourneyState]:
    """The enrollments of these referrals, with their states, that a later change of the referral has led to another of
    the campaign. Later is what happened later, of one instant what arrived later.
    """
    e, o, v = enrollments.c, occasions.c, events.c
    latest = sa.func.row_number().over(partition_by=e.referral_id, order_by=(o.occurred_at.desc(), v.sequence.desc()))
    each = (
        sa.select(e.id, e.state, latest.label("nth"))
        .join(occasions, o.id == e.occasion_id)
        .join(events, v.id == o.event_id)
        .where(e.program_id == program_id, e.campaign == campaign, one_of(db, e.referral_id, referral_ids))
    ).subquery("each")
    query = sa.select(each.c.id, each.c.state).where(each.c.nth > 1)
    return {id_: JourneyState(state) for id_, state in db.execute(query)}


def end_active(db: Connection, ids: Collection[int], why: str, now: datetime) -> None:
    """Ends those of these journeys that are still walked."""
    c, stands_nowhere = enrollments.c, {"step": None, "reached_at": None, "due_at": None}
    ending = sa.update(enrollments).where(one_of(db, c.id, ids), c.state == JourneyState.ACTIVE)
    db.execute(ending.values(state=JourneyState.STOPPED, why=why, ended_at=now, **stands_nowhere))
