"""Sums over many rows, per partner: all in one pass over their table, whatever the number of facts and windows."""

from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa

from engage.domain.windows import Window, WindowKind
from engage.facts.binds import Binds
from engage.facts.existence import PROGRAM_ID, Clause, Column, partners_exist, referrals_exist
from engage.facts.portable import Later
from engage.store.tables import partner_versions, partners, referral_versions, rewards

counted = referral_versions.alias("counted")
counted_rewards = rewards.alias("counted_rewards")
_joined = partners.alias("joined")
_ACTIVE = sa.literal_column("'active'", sa.Text())


class Totals:
    """Sums over the rows of one table per partner: one grouped subquery, whose columns are added as facts ask."""

    def __init__(self, name: str, rows: sa.FromClause, where: Clause) -> None:
        self.name = name
        self._rows = rows
        self._where = where
        self._columns: dict[Hashable, sa.Label[Any]] = {}
        self._joining = False

    def add(self, key: Hashable, aggregate: Column) -> Column:
        """The outer column of an aggregate; `key` says which it is."""
        if key not in self._columns:
            self._columns[key] = aggregate.label(f"n{len(self._columns)}")
        label = self._columns[key]
        return sa.literal_column(f"{self.name}.{label.name}", label.type)

    def within(self, instant: Column, window: Window | None, binds: Binds) -> list[Clause]:
        """That an instant of a row lies in the window; nothing to hold where there is no window."""
        if window is None:
            return []
        if window.kind is WindowKind.FIRST:
            self._joining = True
            minutes = int(window.length.total_seconds() // 60)
            end = Later(_joined.c.joined_at, sa.literal(minutes, sa.Integer()))
            return [instant >= _joined.c.joined_at, instant < end]
        times = 2 if window.kind is WindowKind.PREVIOUS else 1
        return [
            instant > binds.ago(times * window.length),
            instant <= binds.ago((times - 1) * window.length),
        ]

    def subquery(self) -> sa.Subquery:
        rows: sa.FromClause = self._rows
        if self._joining:
            rows = rows.join(_joined, _joined.c.id == self._rows.c.partner_id)
        partner_id = self._rows.c.partner_id
        totals = sa.select(partner_id, *self._columns.values()).select_from(rows)
        return totals.where(self._where).group_by(partner_id).subquery(self.name)


class Ranks:
    """Places of the program's active partners by a total, the greatest first; unknown where the total is zero."""

    name = "ranks"

    def __init__(self, binds: Binds) -> None:
        everybodys = sa.and_(counted.c.program_id == PROGRAM_ID, referrals_exist(counted, binds.now))
        self.totals = Totals("ranked", counted, everybodys)
        self._where = partners_exist(binds.now)
        self._columns: dict[str, sa.Label[Any]] = {}

    def add(self, total: Column) -> Column:
        """The outer column of the place by a column of `totals`."""
        key = str(total)
        if key not in self._columns:
            place = sa.func.rank().over(order_by=total.desc())
            self._columns[key] = sa.case((total != 0, place)).label(f"n{len(self._columns)}")
        return sa.literal_column(f"{self.name}.{self._columns[key].name}", sa.BigInteger())

    def subquery(self) -> sa.Subquery:
        totals = self.totals.subquery()
        rows = partners.join(partner_versions, partner_versions.c.partner_id == partners.c.id).outerjoin(
            totals, totals.c.partner_id == partners.c.id
        )
        places = sa.select(partners.c.id.label("partner_id"), *self._columns.values()).select_from(rows)
        return places.where(self._where, partner_versions.c.status == _ACTIVE).subquery(self.name)
