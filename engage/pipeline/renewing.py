"""A fresh link to a partner's page, by mail: asked for by whoever holds an old one, and sent to the partner alone."""

from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.keys import link_key
from engage.pipeline.page_links import Visit
from engage.store.people import lock_recipients
from engage.store.wanted import last_wanted, next_instant, note_wanted

AT_MOST_EVERY = timedelta(minutes=10)


def want_link(db: Connection, visit: Visit, now: datetime) -> list[int]:
    """Has a fresh link mailed, once in ten minutes at the most; returns the events to be matched."""
    partner = visit.partner
    lock_recipients(db, [partner.partner_id], ())
    last = last_wanted(db, partner.partner_id, EventKind.LINK_WANTED)
    if last is not None and last <= now and now - last < AT_MOST_EVERY:
        return []
    at = next_instant(last, now)
    key = link_key(partner.external_id, at)
    return [note_wanted(db, partner.program_id, partner.partner_id, EventKind.LINK_WANTED, key, at)]
