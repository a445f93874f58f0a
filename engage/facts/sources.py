"""What a statement reads: its subjects, one row each, and the rows that its facts ask for, each joined at most once.

Where the subjects are given by id, only their partners' rows are read.
"""

from typing import Any

import sqlalchemy as sa

from engage.domain.campaigns import EventKind
from engage.domain.facts import Subject
from engage.facts.binds import Binds
from engage.facts.existence import PROGRAM_ID, Clause, Column, happened, partners_exist, referrals_exist, valid
from engage.facts.portable import Among, IdSet
from engage.facts.totals import Ranks, Totals, counted, counted_rewards
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

IDS = sa.bindparam("ids", type_=IdSet())
_LOGGED_IN = sa.literal_column(f"'{EventKind.LOGGED_IN}'", sa.Text())

referral_of = referral_versions.alias("referral_of")
companies_of = companies.alias("companies_of")
owners = staff.alias("owners")
salespeople = staff.alias("salespeople")


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
