"""Campaigns' figures as they are kept, and the counts that they are made of."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.experiments import Arm
from engage.store.occasions_of import OUT
from engage.store.tables import campaign_figures, deliveries, enrollments, partners
from engage.store.upserts import insert_new

Name = tuple[int, str]
"""A campaign: its program's id, and its name."""


def claim_figures(db: Connection, of: Name, was: datetime | None, now: datetime) -> bool:
    """Takes it on to reckon a campaign's figures; False if somebody has since they were found to be as of `was`.

    Whoever fails leaves them as they were, until they are due again.
    """
    c = campaign_figures.c
    if was is None:
        row = {"program_id": of[0], "campaign": of[1], "as_of": now, "figures": {}}
        return insert_new(db, campaign_figures, row)
    mine = (c.program_id == of[0], c.campaign == of[1], c.as_of == was)
    return bool(db.execute(sa.update(campaign_figures).where(*mine).values(as_of=now)).rowcount)


def keep_figures(db: Connection, of: Name, figures: Mapping[str, Any]) -> None:
    """Stores the figures of a campaign that were taken on."""
    c = campaign_figures.c
    db.execute(sa.update(campaign_figures).where(c.program_id == of[0], c.campaign == of[1]).values(figures=figures))


def kept_figures(db: Connection, program_ids: Collection[int]) -> dict[Name, tuple[datetime, Mapping[str, Any]]]:
    """When each campaign of these programs was last taken on, and its figures; empty ones while it is the first time.

    A row for each campaign that there is or was, however long its history.
    """
    c = campaign_figures.c
    query = sa.select(c.program_id, c.campaign, c.as_of, c.figures).where(c.program_id.in_(program_ids))
    return {(id_, name): (as_of, figures) for id_, name, as_of, figures in db.execute(query)}


def count_entries(db: Connection, program_id: int, campaign: str) -> int:
    """How often anybody entered the campaign, whatever came of it."""
    e = enrollments.c
    query = sa.select(sa.func.count()).where(e.program_id == program_id, e.campaign == campaign)
    return int(db.execute(query).scalar_one())


def first_entered(db: Connection, program_id: int, campaign: str) -> dict[int, datetime]:
    """When each partner first entered the campaign, without those who were left without it to compare."""
    e = enrollments.c
    first = sa.func.min(e.entered_at, type_=e.entered_at.type)
    query = (
        sa.select(e.partner_id, first)
        .join(partners, partners.c.id == e.partner_id)
        .where(e.program_id == program_id, e.campaign == campaign, partners.c.merged_into_id.is_(None))
        .where(sa.or_(e.arm.is_(None), e.arm == Arm.TREATED))
        .group_by(e.partner_id)
    )
    return {partner_id: at for partner_id, at in db.execute(query)}


def count_alerts(db: Connection, program_id: int, campaign: str) -> int:
    """How many of the campaign's mails to our staff went out, or may have."""
    d = deliveries.c
    query = sa.select(sa.func.count()).where(d.program_id == program_id, d.campaign == campaign, d.state.in_(OUT))
    return int(db.execute(query.where(d.recipient.startswith("staff:"))).scalar_one())
