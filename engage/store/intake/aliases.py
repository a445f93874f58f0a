"""Aliases: other external ids under which sources know a row. Each leads to the row itself, never to another alias."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.records import ALIAS_KINDS
from engage.store.intake.entities import Shelf, Stock, parts
from engage.store.tables import aliases, partners
from engage.store.upserts import one_of


def known_aliases(db: Connection, program_id: int, named: Mapping[str, Iterable[str]]) -> dict[str, dict[str, int]]:
    """By kind: the row's id for each of the named external ids that is an alias.

    One statement, and one more for each kind of which the program has aliases.
    """
    c = aliases.c
    there = [
        sa.exists().where(c.program_id == program_id, c.kind == kind).label(kind) for kind in ALIAS_KINDS if named[kind]
    ]
    if not there:
        return {}
    found: dict[str, dict[str, int]] = {}
    for kind, some in db.execute(sa.select(*there)).mappings().one().items():
        if some:
            found[str(kind)] = _targets(db, program_id, str(kind), named[str(kind)])
    return found


def _targets(db: Connection, program_id: int, kind: str, names: Iterable[str]) -> dict[str, int]:
    c = aliases.c
    found: dict[str, int] = {}
    for part in parts(sorted(set(names))):
        query = sa.select(c.external_id, c.target_id).where(
            c.program_id == program_id, c.kind == kind, one_of(db, c.external_id, part)
        )
        found.update((external_id, target_id) for external_id, target_id in db.execute(query))
    return found


def write_new_aliases(db: Connection, program_id: int, stock: Stock, observed_at: datetime, source: str) -> None:
    """Stores the aliases that a batch has made. Comes after the rows are written."""
    for kind in ALIAS_KINDS:
        shelf = stock.of(kind)
        if shelf.new_aliases:
            rows = {alias: _row_id(shelf, alias) for alias in shelf.new_aliases}
            insert_aliases(db, program_id, kind, rows, observed_at, source)


def insert_aliases(
    db: Connection, program_id: int, kind: str, targets: Mapping[str, int], at: datetime, source: str
) -> None:
    """Stores aliases; `targets` has the row's id for each."""
    common = {"program_id": program_id, "kind": kind, "created_at": at, "source": source}
    rows = [{**common, "external_id": alias, "target_id": target} for alias, target in targets.items()]
    db.execute(sa.insert(aliases), rows)


def joined_of_duplicates(db: Connection, program_id: int, partner_ids: Collection[int]) -> dict[int, datetime]:
    """When the earliest of the partners joined who were merged into each of these; those without are left out."""
    a, p = aliases.c, partners.c
    found: dict[int, datetime] = {}
    for part in parts(sorted(partner_ids)):
        query = (
            sa.select(a.target_id, sa.func.min(p.joined_at, type_=p.joined_at.type))
            .join(partners, sa.and_(p.program_id == a.program_id, p.external_id == a.external_id))
            .where(
                a.program_id == program_id, a.kind == "partner", one_of(db, a.target_id, part), p.joined_at.is_not(None)
            )
            .group_by(a.target_id)
        )
        found.update((target_id, joined) for target_id, joined in db.execute(query))
    return found


def _row_id(shelf: Shelf, name: str) -> int:
    entity = shelf.get(name)
    assert entity is not None, f"the row that {name} is an alias of has not been written"
    return entity.row_id
