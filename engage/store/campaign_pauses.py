"""Campaigns that somebody has paused without editing their file, until somebody lifts that."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import campaign_pauses
from engage.store.upserts import insert_new

CampaignKey = tuple[int, str]
"""(program id, campaign)."""

_C = campaign_pauses.c
_STANDING = sa.select(_C.program_id, _C.campaign, _C.paused_at, _C.why).where(_C.lifted_at.is_(None))
_KEYS = sa.select(_C.program_id, _C.campaign).where(_C.lifted_at.is_(None))  # built once: each process asks each second


@dataclass(frozen=True, slots=True)
class CampaignPause:
    """A pause that stands."""

    program_id: int
    campaign: str
    paused_at: datetime
    why: str

    @property
    def stands(self) -> str:
        """As what is said of the campaign."""
        return f"is paused since {self.paused_at:%Y-%m-%d %H:%M} UTC: {self.why}"


def paused_campaigns(db: Connection) -> frozenset[CampaignKey]:
    """Those whose pause stands."""
    return frozenset((program_id, campaign) for program_id, campaign in db.execute(_KEYS))


def standing_campaign_pauses(db: Connection, program_ids: Collection[int] | None = None) -> list[CampaignPause]:
    """The pauses that stand, oldest first: of these programs, or (None) of all."""
    query = _STANDING if program_ids is None else _STANDING.where(_C.program_id.in_(program_ids))
    return [CampaignPause(*row) for row in db.execute(query.order_by(_C.paused_at, _C.id))]


def begin_pause(db: Connection, program_id: int, campaign: str, why: str, now: datetime) -> bool:
    """Pauses the campaign; says whether it was not paused already."""
    row = {"program_id": program_id, "campaign": campaign, "paused_at": now, "why": why}
    return insert_new(db, campaign_pauses, row)


def end_pause(db: Connection, program_id: int, campaign: str, why: str, now: datetime) -> bool:
    """Lets the campaign go on; says whether it was paused."""
    standing = sa.update(campaign_pauses).where(
        _C.program_id == program_id, _C.campaign == campaign, _C.lifted_at.is_(None)
    )
    return db.execute(standing.values(lifted_at=now, lifted_why=why)).rowcount == 1
