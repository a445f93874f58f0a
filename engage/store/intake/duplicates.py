"""Duplicates: two rows of which a source says that they are one. The one is merged into the other, which survives.

The survivor's own values win, the merged one's fill what the survivor does not know, now and at any past instant. Of a
merged partner or referral a row stays, without versions: facts do not see it, and its external id is an alias.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.programs import Program
from engage.store.caps import lock_companies
from engage.store.intake.aliases import insert_aliases
from engage.store.intake.entities import Entity, Stock
from engage.store.intake.events import Events
from engage.store.intake.following import Move, follow
from engage.store.intake.people import VERSIONED
from engage.store.intake.referrals import Referrals
from engage.store.intake.versions import closed, load_rows, replace_rows
from engage.store.merging import (
    Merged,
    move_aliases,
    move_company,
    move_partner,
    move_referral,
    move_staff,
)
from engage.store.merging_entries import Pair
from engage.store.people import lock_recipients
from engage.store.tables import partner_attributes, partner_versions


@dataclass(frozen=True, slots=True)
class Duplicate:
    """`external_id`'s row is a duplicate of the row of `of`; both are the rows' own external ids."""

    kind: str
    external_id: str
    of: str


@dataclass(frozen=True, slots=True)
class _Both:
    """The two rows in memory, with what the store needs to know."""

    stock: Stock
    merged: Entity
    survivor: Entity
    program: Program
    program_id: int
    pair: Pair

    @property
    def names(self) -> tuple[str, str]:
        return self.merged.external_id, self.survivor.external_id


def merge(
    db: Connection, program: Program, program_id: int, duplicate: Duplicate, observed_at: datetime, source: str
) -> Merged:
    """Merges a duplicate in the caller's transaction, which holds the program's intake."""
    stock = Stock()
    shelf = stock.of(duplicate.kind)
    shelf.load(db, program_id, [duplicate.external_id, duplicate.of])
    merged, survivor = shelf.get(duplicate.external_id), shelf.get(duplicate.of)
    assert merged is not None, f"{duplicate.external_id} is stored"
    assert survivor is not None, f"{duplicate.of} is stored"
    both = _Both(stock, merged, survivor, program, program_id, Pair(merged.row_id, survivor.row_id, observed_at))
    moved = _MERGERS[duplicate.kind](db, both)
    move_aliases(db, duplicate.kind, both.pair)
    insert_aliases(db, program_id, duplicate.kind, {merged.external_id: survivor.row_id}, observed_at, source)
    return Merged(duplicate.kind, merged.external_id, survivor.external_id, **moved)


def lock_partners(db: Connection, stock: Stock) -> None:
    """Locks all partners of a batch, their companies before and their addresses after them."""
    lock_companies(db, stock.companies.ids())
    lock_recipients(db, stock.partners.ids(), _addresses(stock.partners.loaded()))


def _merge_partners(db: Connection, both: _Both) -> dict[str, int]:
    merged, survivor = both.merged, both.survivor
    lock_recipients(db, (merged.row_id, survivor.row_id), _addresses((merged, survivor)))
    _merge_versions(db, both)
    moved = move_partner(db, both.pair, both.names)
    old, new = merged.values["address_id"], survivor.values["address_id"]
    if old is not None and new is not None and old != new:
        follow(db, both.program_id, [Move(survivor.row_id, old, new)], both.pair.now)
    joined = [values["joined_at"] for values in (merged.values, survivor.values) if values["joined_at"] is not None]
    _part(both, "recruited_by_id")
    _fill_gaps(both, but=("joined_at", "merged_into_id"))
    survivor.learn(joined_at=min(joined, default=None))
    # Nothing can be mailed to who is no more than a name; an old link to unsubscribe still leads to the survivor.
    merged.values |= {"email": None, "address_id": None, "status": "inactive", "merged_into_id": survivor.row_id}
    merged.changed = True
    both.stock.partners.write(db, both.program_id)
    return moved


def _merge_referrals(db: Connection, both: _Both) -> dict[str, int]:
    merged, survivor = both.merged, both.survivor
    owners = {entity.values["partner_id"].row_id for entity in (merged, survivor)}
    lock_recipients(db, owners, ())
    moved = move_referral(db, both.pair, both.names, survivor.values["last_sequence"])
    undated = ("undated_status", "undated_since") if survivor.values["undated_status"] is not None else ()
    _fill_gaps(both, but=("merged_into_id", *undated))
    survivor.learn(last_sequence=survivor.values["last_sequence"] + merged.values["last_sequence"])
    survivor.changed = True  # even if its own values stay: its history has grown
    history = Referrals(both.stock, Events(), both.program, both.pair.now, news=False)
    history.load(db, [survivor.external_id])
    history.settle()
    both.stock.referrals.write(db, both.program_id)
    history.write_versions(db, both.program_id)
    return moved


def _merge_companies(db: Connection, both: _Both) -> dict[str, int]:
    return _merge_named(db, both, "parent_id", move_company)


def _merge_staff(db: Connection, both: _Both) -> dict[str, int]:
    return _merge_named(db, both, "manager_id", move_staff)


_MERGERS: dict[str, Callable[[Connection, _Both], dict[str, int]]] = {
    "partner": _merge_partners,
    "referral": _merge_referrals,
    "company": _merge_companies,
    "staff": _merge_staff,
}


def _merge_named(
    db: Connection, both: _Both, above: str, move: Callable[[Connection, Pair, tuple[str, str]], dict[str, int]]
) -> dict[str, int]:
    _part(both, above)
    _fill_gaps(both)
    both.stock.of("company" if above == "parent_id" else "staff").write(db, both.program_id)
    return move(db, both.pair, both.names)


def _part(both: _Both, column: str) -> None:
    """Nothing stands above itself: the survivor no longer names the merged one there."""
    if both.survivor.values[column] is both.merged:
        both.survivor.values[column] = None
        both.survivor.changed = True


def _fill_gaps(both: _Both, but: Sequence[str] = ()) -> None:
    """Gives the survivor the merged one's values where it has none of its own."""
    survivor, others = both.survivor, both.merged.values
    values = {name: value for name, value in others.items() if name not in but and value is not survivor}
    if "attributes" in values:
        survivor.learn(attributes=values.pop("attributes") | survivor.values["attributes"])
    survivor.fill(**values)


def _merge_versions(db: Connection, both: _Both) -> None:
    """What the survivor did not know at an instant is what the merged one knew then."""
    merged, survivor = both.pair.merged, both.pair.survivor
    before = load_rows(db, partner_versions, "partner_id", (merged, survivor))
    starts = sorted({row["valid_from"] for rows in before.values() for row in rows})
    after: list[dict[str, Any]] = []
    for start in starts:
        own, other = (_at(before.get(id_, []), start) for id_ in (survivor, merged))
        value = {name: other[name] if own[name] is None else own[name] for name in VERSIONED}
        if not after or any(after[-1][name] != value[name] for name in VERSIONED):
            after.append({"program_id": both.program_id, "partner_id": survivor, "valid_from": start, **value})
    for row, (_, end) in zip(after, closed([row["valid_from"] for row in after]), strict=True):
        row["valid_to"] = end
    replace_rows(db, partner_versions, before, {survivor: after, merged: []})
    c, own_names = partner_attributes.c, partner_attributes.alias("own")
    known = sa.exists().where(own_names.c.partner_id == survivor, own_names.c.name == c.name)
    db.execute(sa.delete(partner_attributes).where(c.partner_id == merged, known))
    db.execute(sa.update(partner_attributes).where(c.partner_id == merged).values(partner_id=survivor))


def _at(versions: Sequence[dict[str, Any]], instant: datetime) -> dict[str, Any]:
    """The version that held; nothing known before the first."""
    held = [row for row in versions if row["valid_from"] <= instant]
    return held[-1] if held else dict.fromkeys(VERSIONED)


def _addresses(partners: Iterable[Entity]) -> set[int]:
    return {id_ for entity in partners if (id_ := entity.values["address_id"]) is not None}
