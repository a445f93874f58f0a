"""Signs of life: when a partner last did something that shows that they are there, as of any instant."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.feedback import FeedbackKind
from engage.store.occasions_of import OUT
from engage.store.tables import deliveries, events, feedback, partners, referrals
from engage.store.upserts import one_of, one_of_named

SIGNS = (FeedbackKind.OPENED, FeedbackKind.CLICKED)
"""What somebody does with a mail, if it was no machine."""


def last_signs(db: Connection, partner_ids: Collection[int], now: datetime) -> dict[int, datetime]:
    """The latest of each partner up to and including `now`: an open or a click that no machine made, a login, a
    referral, or joining. Of whom nothing is known is left out. One statement.
    """
    if not partner_ids:
        return {}
    return {id_: at for id_, at in db.execute(_last(db.dialect.name), {"ids": list(partner_ids), "now": now})}


@cache
def _last(dialect: str) -> sa.Select[Any]:
    """Built once: each batch that is decided asks it."""
    e, r, p, d, f = events.c, referrals.c, partners.c, deliveries.c, feedback.c
    now = sa.bindparam("now", type_=e.occurred_at.type)
    read = sa.and_(f.kind.in_(SIGNS), ~f.machine, f.occurred_at <= now)
    signs = sa.union_all(
        sa.select(d.partner_id, f.occurred_at.label("at"))
        .select_from(feedback)
        .join(deliveries, d.id == f.delivery_id)
        .where(read, one_of_named(dialect, d.partner_id, "ids"), d.recipient.startswith("partner:")),
        # at the address, whatever engage knows of the mail
        sa.select(p.id, f.occurred_at)
        .select_from(feedback)
        .join(partners, p.address_id == f.address_id)
        .where(read, one_of_named(dialect, p.id, "ids")),
        sa.select(e.partner_id, e.occurred_at).where(
            one_of_named(dialect, e.partner_id, "ids"), e.kind == EventKind.LOGGED_IN, e.occurred_at <= now
        ),
        sa.select(r.partner_id, r.submitted_at).where(
            one_of_named(dialect, r.partner_id, "ids"), r.submitted_at <= now
        ),
        sa.select(p.id, p.joined_at).where(one_of_named(dialect, p.id, "ids"), p.joined_at <= now),
    ).subquery()
    latest = sa.func.max(signs.c.at, type_=e.occurred_at.type)
    return sa.select(signs.c.partner_id, latest).group_by(signs.c.partner_id)


def mailed_since(
    db: Connection, program_id: int, partner_ids: Collection[int], topics: Collection[str], since: datetime
) -> set[int]:
    """Those of these partners to whom a mail of one of the topics has gone out, or may have, after `since`."""
    if not partner_ids:
        return set()
    d = deliveries.c
    went_at = sa.func.coalesce(d.settled_at, d.due_at, type_=d.due_at.type)
    query = (
        sa.select(d.partner_id)
        .where(one_of(db, d.partner_id, partner_ids), d.program_id == program_id, d.topic.in_(topics))
        .where(d.recipient.startswith("partner:"), d.state.in_(OUT), went_at > since)
    )
    return set(db.execute(query.distinct()).scalars())
