"""What partners say of themselves, one word after the other, of which the latest holds, as of any instant.

For tables with a row for each word: whose it is (`partner_id`), since when it holds (`changed_at`), how it was said
and from where.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.upserts import insert_new, one_of_named


def last_words(
    db: Connection, table: sa.Table, partner_ids: Collection[int], as_of: datetime | None = None
) -> dict[int, sa.Row[Any]]:
    """The row that holds for each of these partners; who said nothing is left out. One statement."""
    if not partner_ids:
        return {}
    query = _said(db.dialect.name, table)
    if as_of is not None:
        query = query.where(table.c.changed_at <= as_of)
    return {row.partner_id: row for row in db.execute(query, {"ids": list(partner_ids)})}


@cache
def _said(dialect: str, table: sa.Table) -> sa.Select[Any]:
    """Built once, as the other statements are that each batch asks which is sent."""
    c = table.c
    return sa.select(table).where(one_of_named(dialect, c.partner_id, "ids")).order_by(c.changed_at, c.id)


def say(
    db: Connection,
    table: sa.Table,
    program_id: int,
    partner_id: int,
    values: Mapping[str, Any],
    now: datetime,
    how: str,
    source: str,
) -> None:
    """Adds a word; of two that are said at one instant the second holds."""
    c, whose = table.c, {"program_id": program_id, "partner_id": partner_id, "changed_at": now}
    word = {**values, "how": how, "source": source}
    if not insert_new(db, table, whose | word):
        db.execute(sa.update(table).where(c.partner_id == partner_id, c.changed_at == now).values(word))


def move_words(db: Connection, table: sa.Table, merged: int, survivor: int) -> None:
    """What a partner said who was merged into another is said by that one."""
    c, own = table.c, table.alias("own")
    same = sa.exists().where(own.c.partner_id == survivor, own.c.changed_at == c.changed_at)
    db.execute(sa.delete(table).where(c.partner_id == merged, same))
    db.execute(sa.update(table).where(c.partner_id == merged).values(partner_id=survivor))
