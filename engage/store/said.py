"""All that partners ever said of how often, in which language and for how long not: for an audit, oldest first."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import languages, partners, pauses, rhythms
from engage.store.upserts import one_of


@dataclass(frozen=True, slots=True)
class Said:
    """`what`: rhythm (of a `topic`), language or pause. `to`: the rhythm, the locale, or the instant until which the
    pause was to last; None: it was ended.
    """

    at: datetime
    partner: str
    what: str
    topic: str | None
    to: str | datetime | None
    how: str
    source: str


def said_by(db: Connection, partner_ids: Collection[int]) -> list[Said]:
    """What was said by these partners, or for them, in three statements."""
    found = []
    for what, table, value in (
        ("rhythm", rhythms, rhythms.c.rhythm),
        ("language", languages, languages.c.locale),
        ("pause", pauses, pauses.c.until),
    ):
        c = table.c
        topic = c.topic if table is rhythms else sa.null()
        query = sa.select(c.changed_at, partners.c.external_id, topic, value, c.how, c.source, c.id)
        query = query.join(partners, partners.c.id == c.partner_id).where(one_of(db, c.partner_id, partner_ids))
        for at, partner, key, to, how, source, id_ in db.execute(query):
            found.append((at, id_, Said(at, partner, what, key, to, how, source or "")))
    return [said for _, _, said in sorted(found, key=lambda one: one[:2])]
