"""Aliases as people look at them: which there are, what one leads to, and which external ids a kind has."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.records import ALIAS_KINDS
from engage.store.tables import aliases, companies, partners, referrals, staff

_TABLES = dict(zip(ALIAS_KINDS, (partners, referrals, companies, staff), strict=True))


@dataclass(frozen=True, slots=True)
class Alias:
    """`of` is the own external id of the row that it names; `merged`: it was a row itself, which is kept as a name."""

    kind: str
    external_id: str
    of: str
    merged: bool
    since: datetime
    source: str


def all_aliases(db: Connection, program_id: int) -> list[Alias]:
    """The program's aliases, by kind and in order of what they lead to."""
    found = []
    a = aliases.c
    for kind, table in _TABLES.items():
        c, was = table.c, table.alias("was")
        there = sa.exists().where(was.c.program_id == a.program_id, was.c.external_id == a.external_id)
        query = (
            sa.select(a.external_id, c.external_id.label("of"), there.label("merged"), a.created_at, a.source)
            .join(table, c.id == a.target_id)
            .where(a.program_id == program_id, a.kind == kind)
            .order_by(c.external_id, a.external_id)
        )
        found += [
            Alias(kind, row.external_id, row.of, bool(row.merged), row.created_at, row.source)
            for row in db.execute(query)
        ]
    return found


def own_id(db: Connection, program_id: int, kind: str, name: str) -> str | None:
    """The row's own external id, for it or an alias of it; None if nothing is known by the name."""
    a, table = aliases.c, _TABLES[kind]
    alias = sa.select(a.target_id).where(a.program_id == program_id, a.kind == kind, a.external_id == name)
    named = sa.select(table.c.external_id).where(table.c.program_id == program_id)
    found: str | None = db.execute(named.where(table.c.id == alias.scalar_subquery())).scalar()
    return found or db.execute(named.where(table.c.external_id == name)).scalar()


def external_ids(db: Connection, program_id: int, kind: str) -> list[str]:
    """All external ids of a kind, aliases among them."""
    a, table = aliases.c, _TABLES[kind]
    own = sa.select(table.c.external_id).where(table.c.program_id == program_id)
    others = sa.select(a.external_id).where(a.program_id == program_id, a.kind == kind)
    return list(db.execute(own.union(others)).scalars())
