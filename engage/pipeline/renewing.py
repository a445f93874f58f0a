"""A fresh link to a partner's page, by mail: asked for by whoever holds an old one, and sent to the partner alone."""

from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.keys import link_key
from engage.pipeline.page_links import Visit
from engage.store.people import lock_recipients
from engage.store.wanted import last_wanted, next_instant, note_wanted, times_wanted

LINKS = ((1, timedelta(minutes=10)), (10, timedelta(days=1)))
"""How many links a partner is mailed in how long at the most."""


def want_link(db: Connection, visit: Visit, now: datetime) -> list[int]:
    """Has a fresh link mailed, unless they were mailed several lately; returns the events to be matched."""
    partner, kind = visit.partner, EventKind.LINK_WANTED
    lock_recipients(db, [partner.partner_id], ())
    if any(times_wanted(db, partner.partner_id, kind, now - length) >= most for most, length in LINKS):
        return []
    at = next_instant(last_wanted(db, partner.partner_id, kind), now)
    return [note_wanted(db, partner.program_id, partner.partner_id, kind, link_key(partner.external_id, at), at)]
