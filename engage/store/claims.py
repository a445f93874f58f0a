"""Since when a salesperson works with a partner: part of the statement that finds partners, which each batch asks."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engage.store.tables import coaching_alerts

# in so many words: no index of the few that are claimed is used for a state that is bound
_CLAIMED: sa.ColumnClause[str] = sa.literal_column("'claimed'")


def claimed_since(partner_id: sa.Column[Any], as_of: datetime | None = None) -> sa.ScalarSelect[datetime | None]:
    """When the latest claim of the partner's alerts was made that stands now, or stood at an instant; it may be over
    by its age.

    A claim that was given back or taken over, or that of an alert which was opened again, has left no trace of itself
    but in the audit log.
    """
    c = coaching_alerts.c
    query = sa.select(sa.func.max(c.claimed_at, type_=c.claimed_at.type)).where(c.partner_id == partner_id)
    if as_of is None:
        query = query.where(c.state == _CLAIMED)
    else:
        query = query.where(c.claimed_at <= as_of, sa.or_(c.resolved_at.is_(None), c.resolved_at > as_of))
    return query.scalar_subquery()
