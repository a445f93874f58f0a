"""The rows that facts read, as of an instant, joined to the subjects as facts ask for them; each at most once.

What is counted over many rows is summed per partner in one pass over its table, whatever the number of facts, windows
and methods, and joined to the subjects; where the subjects are given by id, that pass reads their partners' rows only.
"""

from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa

from engage.domain.campaigns import EventKind
from engage.domain.facts import Subject
from engage.domain.windows import Window, WindowKind
from engage.facts.binds import Binds
from engage.facts.portable import Among, IdSet, Later
from engage.store.tables import (
    companies,
    events,
    partner_attributes,
    partner_versions,
    partners,
    referral_versions,
    rewards,
    staff,
)

Clause = sa.ColumnElement[bool]
Column = sa.ColumnElement[Any]

PROGRAM_ID = sa.bindparam("program_id", type_=sa.BigInteger())
IDS = sa.bindparam("ids", type_=IdSet())
_ACTIVE = sa.literal_column("'active'", sa.Text())
_LOGGED_IN = sa.literal_column(f"'{EventKind.LOGGED_IN}'", sa.Text())

counted = referral_versions.alias("counted")
counted_rewards = rewards.alias("counted_rewards")
referral_of = referral_versions.alias("referral_of")
companies_of = companies.alias("companies_of")
owners = staff.alias("owners")
salespeople = staff.alias("salespeople")


def valid(versions: sa.FromClause, now: Column) -> Clause:
    """The version that held at `now`."""
    return sa.and_(versions.c.valid_from <= now, sa.or_(versions.c.valid_to.is_(None), versions.c.valid_to > now))


def happened(instant: Column, now: Column) -> Clause:
    """At or before `now`, or at a time that nobody knows."""
    return sa.or_(instant.is_(None), instant <= now)


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


_joined = partners.alias("joined")


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


def partners_exist(now: Column) -> Clause:
    """The program's partners who have joined, each in the version that held."""
    return sa.and_(
        partners.c.program_id == PROGRAM_ID, happened(partners.c.joined_at, now), valid(partner_versions, now)
    )


def referrals_exist(versions: sa.FromClause, now: Column) -> Clause:
    """The referrals that have been submitted, each in the version that held."""
    return sa.and_(valid(versions, now), happened(versions.c.submitted_at, now))


class Sources:
    """What one statement reads: the subjects, one row each, and whatever its facts have asked to be joined."""

    def __init__(self, subject: Subject, by_ids: bool) -> None:
        self.binds = Binds()
        self._subject = subject
        self._by_ids = by_ids
        self._joins: dict[str, tuple[sa.FromClause, Clause]] = {}
        self._totals: dict[str, Totals] = {}
        self._ranks: Ranks | None = None

    @property
    def subject_id(self) -> Column:
        return {
            Subject.PARTNER: partners.c.id,
            Subject.REFERRAL: referral_of.c.referral_id,
            Subject.REWARD: rewards.c.id,
        }[self._subject]

    def referral_totals(self) -> Totals:
        if "totals" not in self._totals:
            self._add_totals("totals", counted, referrals_exist(counted, self.binds.now))
        return self._totals["totals"]

    def reward_totals(self) -> Totals:
        if "reward_totals" not in self._totals:
            rows, now = counted_rewards.c, self.binds.now
            kept = sa.or_(rows.reversed_at.is_(None), rows.reversed_at > now)
            self._add_totals("reward_totals", counted_rewards, sa.and_(rows.earned_at <= now, kept))
        return self._totals["reward_totals"]

    def ranks(self) -> Ranks:
        if self._ranks is None:
            self._ranks = Ranks(self.binds)
        return self._ranks

    def company(self) -> Column:
        return self._join("company", companies_of, companies_of.c.id == partner_versions.c.company_id).c.external_id

    def owner(self) -> Column:
        return self._join("owner", owners, owners.c.id == partner_versions.c.owner_id).c.external_id

    def salesperson(self) -> Column:
        return self._join(
            "salesperson", salespeople, salespeople.c.id == self.referral().c.salesperson_id
        ).c.external_id

    def referral(self) -> sa.FromClause:
        """The referral that the subject is, or that the reward was earned by."""
        if self._subject is Subject.REWARD:
            exists = referrals_exist(referral_of, self.binds.now)
            self._join("referral", referral_of, sa.and_(referral_of.c.referral_id == rewards.c.referral_id, exists))
        return referral_of

    def last_login(self) -> Column:
        """By one look into the index of events for each partner, not by grouping all logins there ever were."""
        logins = events.alias("logins")
        last = sa.select(sa.func.max(logins.c.occurred_at)).where(
            logins.c.partner_id == partners.c.id,
            logins.c.kind == _LOGGED_IN,
            logins.c.occurred_at <= self.binds.now,
        )
        return last.correlate(partners).scalar_subquery()

    def attribute(self, name: str) -> sa.FromClause:
        alias = partner_attributes.alias(f"attribute_{len(self._joins)}")
        of_partner = sa.and_(alias.c.partner_id == partners.c.id, alias.c.name == sa.literal(name, sa.Text()))
        return self._join(f"attribute {name}", alias, sa.and_(of_partner, valid(alias, self.binds.now)))

    def select(self, *columns: Column) -> sa.Select[Any]:
        """Partner's and subject's id and the columns, for every subject that exists."""
        rows = self._subjects()
        for totals in (*self._totals.values(), *((self._ranks,) if self._ranks else ())):
            joined = totals.subquery()
            rows = rows.outerjoin(joined, joined.c.partner_id == partners.c.id)
        for table, on in self._joins.values():
            rows = rows.outerjoin(table, on)
        partner_id, subject_id = partners.c.id.label("partner_id"), self.subject_id.label("subject_id")
        chosen = sa.select(partner_id, subject_id, *columns).select_from(rows).where(self._exist())
        if self._by_ids:
            chosen = chosen.where(Among(self.subject_id, IDS))
        return chosen

    def _subjects(self) -> sa.FromClause:
        people = partners.join(partner_versions, partner_versions.c.partner_id == partners.c.id)
        match self._subject:
            case Subject.PARTNER:
                return people
            case Subject.REFERRAL:
                return people.join(referral_of, referral_of.c.partner_id == partners.c.id)
            case Subject.REWARD:
                return people.join(rewards, rewards.c.partner_id == partners.c.id)

    def _exist(self) -> Clause:
        now = self.binds.now
        exist = partners_exist(now)
        match self._subject:
            case Subject.PARTNER:
                return exist
            case Subject.REFERRAL:
                return sa.and_(exist, referrals_exist(referral_of, now))
            case Subject.REWARD:
                return sa.and_(exist, happened(rewards.c.earned_at, now))

    def _add_totals(self, name: str, rows: sa.FromClause, where: Clause) -> None:
        whose = self._of_partners(rows.c.partner_id) if self._by_ids else rows.c.program_id == PROGRAM_ID
        self._totals[name] = Totals(name, rows, sa.and_(whose, where))

    def _of_partners(self, partner_id: Column) -> Clause:
        """That a row is of a partner to whom one of the given subjects leads."""
        match self._subject:
            case Subject.PARTNER:
                return Among(partner_id, IDS)
            case Subject.REFERRAL:
                chosen = referral_versions.alias("chosen")
                return partner_id.in_(sa.select(chosen.c.partner_id).where(Among(chosen.c.referral_id, IDS)))
            case Subject.REWARD:
                chosen = rewards.alias("chosen")
                return partner_id.in_(sa.select(chosen.c.partner_id).where(Among(chosen.c.id, IDS)))

    def _join(self, key: str, table: sa.FromClause, on: Clause) -> sa.FromClause:
        """Joins a table that has at most one row for each subject; the same key is the same table."""
        return self._joins.setdefault(key, (table, on))[0]
