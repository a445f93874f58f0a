"""Sums over many rows, by whose they are: all in one pass, whatever the number of facts and windows."""

from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa

from engage.domain.facts import Subject
from engage.domain.windows import Window, WindowKind
from engage.facts.binds import Binds
from engage.facts.existence import Clause, Column
from engage.facts.portable import Later
from engage.facts.subjects import Summed, exist, rows_of, whose_of
from engage.store.tables import partner_versions, partners, referral_versions, rewards

counted = referral_versions.alias("counted")
counted_rewards = rewards.alias("counted_rewards")
_joined = partners.alias("joined")
_ACTIVE = sa.literal_column("'active'", sa.Text())


class Totals:
    """Sums over rows for each whose they are: one grouped subquery, whose columns are added as facts ask.

    `partner_id` is the column of the rows that names their partner, whose joining begins the first days. `sparse`: who
    has no row that counts in any column has no sums either.
    """

    def __init__(self, name: str, summed: Summed, partner_id: Column, *, sparse: bool = False) -> None:
        self.name = name
        self._summed = summed
        self._partner_id = partner_id
        self._sparse = sparse
        self._columns: dict[Hashable, sa.Label[Any]] = {}
        self._counting: list[Clause] = []
        self._joining = False

    def add(self, key: Hashable, aggregate: Column, counts: Clause | None = None) -> Column:
        """The outer column of an aggregate; `key` says which it is, `counts` over which of the rows (None: all)."""
        if key not in self._columns:
            self._columns[key] = aggregate.label(f"n{len(self._columns)}")
            self._counting.append(sa.true() if counts is None else counts)
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
        rows, whose = self._summed.rows, self._summed.whose
        if self._joining:
            rows = rows.join(_joined, _joined.c.id == self._partner_id)
        totals = sa.select(whose.label("whose_id"), *self._columns.values()).select_from(rows)
        if self._sparse:
            totals = totals.where(sa.or_(*self._counting))
        return totals.where(self._summed.where).group_by(whose).subquery(self.name)


class Ranks:
    """Places of all active partners, companies or staff of the program by a total, the greatest first.

    Unknown where the total is zero: so only those are read who have rows that count, and all others are taken to stand
    between those above zero and those below.
    """

    name = "ranks"

    def __init__(self, subject: Subject, totals: Totals, now: Column) -> None:
        self.totals = totals
        self._subject = subject
        self._where = exist(subject, now)
        if subject is Subject.PARTNER:
            self._where = sa.and_(self._where, partner_versions.c.status == _ACTIVE)
        self._columns: dict[str, sa.Label[Any]] = {}

    def add(self, total: Column) -> Column:
        """The outer column of the place by a column of `totals`."""
        key = str(total)
        if key not in self._columns:
            place = sa.func.rank().over(order_by=total.desc())
            others = self._everybody() - sa.func.count().over()
            found = sa.case((total > 0, place), (total < 0, place + others))
            self._columns[key] = found.label(f"n{len(self._columns)}")
        return sa.literal_column(f"{self.name}.{self._columns[key].name}", sa.BigInteger())

    def _everybody(self) -> Column:
        """How many there are: not looked up unless a total is below zero."""
        everybody = sa.select(sa.func.count()).select_from(rows_of(self._subject)).where(self._where)
        return everybody.correlate(None).scalar_subquery()

    def subquery(self) -> sa.Subquery:
        totals, whose = self.totals.subquery(), whose_of(self._subject)
        rows = rows_of(self._subject).join(totals, totals.c.whose_id == whose)
        places = sa.select(whose.label("whose_id"), *self._columns.values()).select_from(rows)
        return places.where(self._where).subquery(self.name)
