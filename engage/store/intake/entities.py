"""The rows of a batch's companies, staff, partners, referrals and rewards in memory: read, changed and written at once.

Each kind costs one statement to read, one to insert and one to update, whatever the number of rows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import companies, partners, referrals, rewards, staff
from engage.store.upserts import BATCH, insert_many, one_of, update_each


@dataclass(eq=False, slots=True)
class Entity:
    """One row. `values` go by column; a column that names another row holds that row's Entity."""

    external_id: str
    values: dict[str, Any]
    id: int | None = None  # None: not written yet
    changed: bool = False

    @property
    def row_id(self) -> int:
        assert self.id is not None, f"{self.external_id} has not been written"
        return self.id

    def learn(self, **values: Any) -> bool:
        """Takes over the values that are known (not None) and new; says whether there were any."""
        news = {name: value for name, value in values.items() if value is not None and self.values[name] != value}
        self.values.update(news)
        self.changed = self.changed or bool(news)
        return bool(news)

    def fill(self, **values: Any) -> bool:
        """Learns only what is not known yet."""
        return self.learn(**{name: value for name, value in values.items() if self.values[name] is None})


class Shelf:
    """The rows of one table that a batch names, by external id or by an alias of it.

    `references` maps each column that names another row to the shelf of that row; `defaults` are the values of a row
    that nothing is known of. `refer` adds a column whose shelf is made, and written, later.
    """

    def __init__(self, table: sa.Table, references: Mapping[str, "Shelf | None"], defaults: Mapping[str, Any]) -> None:
        self.table = table
        self._references = {column: shelf or self for column, shelf in references.items()}
        self._own = [column for column, shelf in references.items() if shelf is None]
        columns = [column.name for column in table.columns if column.name not in ("id", "program_id", "external_id")]
        self._blank: dict[str, Any] = dict.fromkeys(columns) | dict(defaults)
        self._by_external_id: dict[str, Entity] = {}
        self._by_id: dict[int, Entity] = {}
        self._own_ids: dict[str, str] = {}  # the row's own external id, by alias
        self._duplicates: set[str] = set()
        self._incomplete: list[Entity] = []
        self.new_aliases: list[str] = []

    def refer(self, column: str, shelf: "Shelf") -> None:
        self._references[column] = shelf

    def load(
        self, db: Connection, program_id: int, external_ids: Iterable[str], aliases: Mapping[str, int] | None = None
    ) -> None:
        """Reads the rows with these external ids; `aliases` has the row's id for each of them that is an alias.

        Shelves that this one refers to are loaded before it.
        """
        aliases = aliases or {}
        c = self.table.c
        for part in parts(sorted(set(external_ids))):
            named = one_of(db, c.external_id, part)
            self._read(db, aliases, sa.select(self.table).where(c.program_id == program_id, named))
        read = {entity.id for entity in self._by_external_id.values()}
        for part in parts(sorted(set(aliases.values()) - read)):
            self._read(db, aliases, sa.select(self.table).where(one_of(db, c.id, part)))
        for alias, row_id in aliases.items():
            self._own_ids[alias] = self._by_id[row_id].external_id

    def _read(self, db: Connection, aliases: Mapping[str, int], query: "sa.Select[Any]") -> None:
        names = [column.name for column in self.table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in db.execute(query)]
        self._duplicates.update(row["external_id"] for row in rows if row["external_id"] in aliases)
        for row in rows:
            if row["external_id"] in aliases:
                continue
            entity = self._reference(row.pop("id"))
            entity.external_id = row.pop("external_id")
            self._by_external_id[entity.external_id] = entity
            del row["program_id"]
            for column, shelf in self._references.items():
                if row[column] is not None:
                    row[column] = shelf._reference(row[column])
            entity.values = row

    def own_id(self, name: str) -> str:
        """The external id of the row itself, for it or any alias of it."""
        return self._own_ids.get(name, name)

    def is_duplicates(self, name: str) -> bool:
        """Whether it is the id of a row that was merged into another."""
        return name in self._duplicates

    def get(self, name: str) -> Entity | None:
        return self._by_external_id.get(self.own_id(name))

    def obtain(self, name: str) -> tuple[Entity, bool]:
        """The row, and whether it is new: made now, with nothing known but its external id."""
        external_id = self.own_id(name)
        known = self._by_external_id.get(external_id)
        if known is not None:
            return known, False
        made = Entity(external_id, {name: _copied(value) for name, value in self._blank.items()}, changed=True)
        self._by_external_id[external_id] = made
        return made, True

    def add_alias(self, alias: str, of: str) -> None:
        """From now on `alias`, by which no row is known, is another name of the row whose own id is `of`."""
        for name, own in self._own_ids.items():
            if own == alias:  # an alias that the same source row has brought
                self._own_ids[name] = of
        self._own_ids[alias] = of
        self.new_aliases.append(alias)

    def ids(self) -> Collection[int]:
        """The ids of the rows that were read, and of those that they refer to."""
        return self._by_id.keys()

    def loaded(self) -> Collection[Entity]:
        """The rows by name, read or made."""
        return self._by_external_id.values()

    def changed(self) -> list[Entity]:
        return [entity for entity in self._by_external_id.values() if entity.changed]

    def write(self, db: Connection, program_id: int) -> None:
        """Inserts the new rows and updates the changed ones, those by id: the order in which senders lock them."""
        changed = self.changed()
        self._incomplete = [entity for entity in changed if self._names_unwritten(entity)]
        new = {entity.external_id: entity for entity in changed if entity.id is None}
        # A row may refer to another new one of its table, which has no id yet: such columns are filled by the update.
        later = [e for e in new.values() if any(e.values[column] is not None for column in self._own)]
        updated = [entity for entity in changed if entity.id is not None] + later
        if new:
            self._insert(db, program_id, new)
        if updated:
            self._update(db, sorted(updated, key=lambda entity: entity.row_id))

    def write_again(self, db: Connection) -> None:
        """Updates the rows that were written while rows which they name were not: these are now."""
        if self._incomplete:
            self._update(db, sorted(self._incomplete, key=lambda entity: entity.row_id))

    def _insert(self, db: Connection, program_id: int, new: Mapping[str, Entity]) -> None:
        without_own = dict.fromkeys(self._own)
        rows = [
            self._row(entity) | without_own | {"program_id": program_id, "external_id": external_id}
            for external_id, entity in new.items()
        ]
        for row in insert_many(db, self.table, rows, self.table.c.id, self.table.c.external_id):
            new[row.external_id].id = row.id
            self._by_id[row.id] = new[row.external_id]

    def _update(self, db: Connection, entities: Sequence[Entity]) -> None:
        c = self.table.c
        if len(entities) > 1:  # one statement locks in whatever order suits it: hence first, in order
            mine = one_of(db, c.id, [entity.row_id for entity in entities])
            db.execute(sa.select(c.id).where(mine).order_by(c.id).with_for_update(key_share=True))
        update_each(db, self.table, [{"id": entity.row_id} | self._row(entity) for entity in entities])

    def _names_unwritten(self, entity: Entity) -> bool:
        values = (entity.values[column] for column, shelf in self._references.items() if shelf is not self)
        return any(isinstance(value, Entity) and value.id is None for value in values)

    def _row(self, entity: Entity) -> dict[str, Any]:
        return {name: value.id if isinstance(value, Entity) else value for name, value in entity.values.items()}

    def _reference(self, id_: int) -> Entity:
        return self._by_id.setdefault(id_, Entity("", {}, id_))


class Stock:
    """All shelves of one batch."""

    def __init__(self) -> None:
        self.staff = Shelf(staff, {"manager_id": None}, {})
        self.companies = Shelf(companies, {"parent_id": None, "manager_id": self.staff}, {"attributes": {}})
        self.partners = Shelf(
            partners,
            {"company_id": self.companies, "owner_id": self.staff, "recruited_by_id": None},
            {"status": "active", "attributes": {}},
        )
        self.companies.refer("contact_id", self.partners)
        self.referrals = Shelf(
            referrals, {"partner_id": self.partners, "salesperson_id": self.staff}, {"last_sequence": 0}
        )
        self.rewards = Shelf(rewards, {"partner_id": self.partners, "referral_id": self.referrals}, {})

    def of(self, kind: str) -> Shelf:
        """The shelf of one of records.ALIAS_KINDS."""
        return {
            "partner": self.partners,
            "referral": self.referrals,
            "company": self.companies,
            "staff": self.staff,
        }[kind]

    def in_order(self) -> Sequence[Shelf]:
        """The shelves, each after those that it refers to, but for the contacts of companies."""
        return (self.staff, self.companies, self.partners, self.referrals, self.rewards)


def parts(ids: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """The ids in lots that one statement can name."""
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value
