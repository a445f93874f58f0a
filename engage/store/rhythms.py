"""Rhythms: how often each partner wants a topic's updates. The latest word holds, as of any instant."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.programs import Rhythm
from engage.store.tables import rhythms
from engage.store.upserts import insert_new, one_of_named


@dataclass(frozen=True, slots=True)
class Wish:
    """How often a partner wants a topic, since when, and how they said so."""

    topic: str
    rhythm: Rhythm
    since: datetime
    how: str


def wishes_of(
    db: Connection, partner_ids: Collection[int], as_of: datetime | None = None
) -> dict[int, dict[str, Wish]]:
    """partner -> topic -> what holds; partners and topics of which nothing was said are left out. One statement."""
    if not partner_ids:
        return {}
    query = _said(db.dialect.name)
    if as_of is not None:
        query = query.where(rhythms.c.changed_at <= as_of)
    found: dict[int, dict[str, Wish]] = {}
    for row in db.execute(query, {"ids": list(partner_ids)}):
        found.setdefault(row.partner_id, {})[row.topic] = Wish(row.topic, Rhythm(row.rhythm), row.changed_at, row.how)
    return found


@cache
def _said(dialect: str) -> sa.Select[Any]:
    """Built once, as the other statements are that each batch asks which is sent."""
    c = rhythms.c
    query = sa.select(c.partner_id, c.topic, c.rhythm, c.changed_at, c.how)
    return query.where(one_of_named(dialect, c.partner_id, "ids")).order_by(c.changed_at, c.id)


def move_rhythms(db: Connection, merged: int, survivor: int) -> None:
    """What a partner said who was merged into another is said by that one: of both the later word holds."""
    c, own = rhythms.c, rhythms.alias("own")
    same = sa.exists().where(own.c.partner_id == survivor, own.c.topic == c.topic, own.c.changed_at == c.changed_at)
    db.execute(sa.delete(rhythms).where(c.partner_id == merged, same))
    db.execute(sa.update(rhythms).where(c.partner_id == merged).values(partner_id=survivor))


def change_rhythm(
    db: Connection,
    program_id: int,
    partner_id: int,
    topic: str,
    rhythm: Rhythm,
    now: datetime,
    how: str,
    source: str | None = None,
) -> bool:
    """Stores what a partner wants of a topic from now on; False if nothing changes. The partner is locked by the
    caller.
    """
    wish = wishes_of(db, [partner_id]).get(partner_id, {}).get(topic)
    if (wish.rhythm if wish else Rhythm.INSTANT) is rhythm:
        return False
    row = {"program_id": program_id, "partner_id": partner_id, "topic": topic, "rhythm": rhythm}
    return insert_new(db, rhythms, row | {"changed_at": now, "how": how, "source": source})
