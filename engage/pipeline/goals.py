"""Who has reached the goal of a campaign since they entered it: they are through with it."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.store.goals import converted

Entered = tuple[int, int | None, datetime]
"""An id of the caller's, the partner and when they entered."""


def reached(db: Connection, campaign: Campaign | None, entered: Collection[Entered], now: datetime) -> set[int]:
    """The ids of those who have, whenever it was. At most one statement."""
    if campaign is None or campaign.goal is None:
        return set()
    since: dict[int, datetime] = {}
    for _, partner_id, at in entered:
        if partner_id is not None:
            since[partner_id] = min(at, since.get(partner_id, at))
    done = converted(db, campaign.goal.conversion, since, now)
    return {id_ for id_, partner_id, at in entered if any(when > at for when, _ in done.get(partner_id or 0, ()))}
