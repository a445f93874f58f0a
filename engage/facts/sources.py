"""What a statement reads: its subjects, one row each, and the rows that its facts ask for, each joined at most once.

Where the subjects are given by id, only their partners' rows are read.
"""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from engage.domain.campaigns import EventKind
from engage.domain.facts import Subject
from engage.facts.binds import Binds
from engage.facts.existence import Clause, Column, referrals_exist, valid
from engage.facts.portable import Among
from engage.facts.subjects import (
    IDS,
    exist,
    id_of,
    partner_of,
    people,
    referral_of,
    rows_of,
    summed,
    summed_people,
    whose_of,
)
from engage.facts.totals import Ranks, Totals, counted, counted_rewards
from engage.store.tables import (
    answers,
    companies,
    events,
    help_requests,
    languages,
    partner_attributes,
    partner_versions,
    partners,
    rewards,
    staff,
)

_LOGGED_IN = sa.literal_column(f"'{EventKind.LOGGED_IN}'", sa.Text())

companies_of = companies.alias("companies_of")
owners = staff.alias("owners")
salespeople = staff.alias("salespeople")


class Sources:
    """What one statement reads: the subjects, one row each, and whatever its facts have asked to be joined."""

    def __init__(self, subject: Subject, by_ids: bool) -> None:
        self.binds = Binds()
        self.subject = subject
        self._by_ids = by_ids
        self._joins: dict[str, tuple[sa.FromClause, Clause]] = {}
        self._totals: dict[str, Totals] = {}
        self._ranks: Ranks | None = None

    def referral_totals(self) -> Totals:
        if "totals" not in self._totals:
            self._totals["totals"] = self._of_referrals("totals", self._by_ids)
        return self._totals["totals"]

    def reward_totals(self) -> Totals:
        if "reward_totals" not in self._totals:
            rows, now = counted_rewards.c, self.binds.now
            kept = sa.or_(rows.reversed_at.is_(None), rows.reversed_at > now)
            theirs = summed(self.subject, counted_rewards, now, self._by_ids)
            where = sa.and_(theirs.where, rows.earned_at <= now, kept)
            self._totals["reward_totals"] = Totals("reward_totals", replace(theirs, where=where), rows.partner_id)
        return self._totals["reward_totals"]

    def people_totals(self) -> Totals:
        """Sums over the partners of each company."""
        if "people_totals" not in self._totals:
            theirs = summed_people(self.binds.now, self._by_ids)
            self._totals["people_totals"] = Totals("people_totals", theirs, people.c.id)
        return self._totals["people_totals"]

    def _of_referrals(self, name: str, by_ids: bool, *, sparse: bool = False) -> Totals:
        theirs = summed(self.subject, counted, self.binds.now, by_ids)
        there = sa.and_(theirs.where, referrals_exist(counted, self.binds.now))
        return Totals(name, replace(theirs, where=there), counted.c.partner_id, sparse=sparse)

    def ranks(self) -> Ranks:
        if self._ranks is None:
            # A partner's place is the same whichever of their referrals is asked about.
            among = Subject.PARTNER if self.subject.leads_to_partner else self.subject
            self._ranks = Ranks(among, self._of_referrals("ranked", by_ids=False, sparse=True), self.binds.now)
        return self._ranks

    def company(self) -> Column:
        if self.subject is Subject.COMPANY:
            return companies.c.external_id
        return self._join("company", companies_of, companies_of.c.id == partner_versions.c.company_id).c.external_id

    def owner(self) -> Column:
        return self._join("owner", owners, owners.c.id == partner_versions.c.owner_id).c.external_id

    def salesperson(self) -> Column:
        if self.subject is Subject.STAFF:
            return staff.c.external_id
        return self._join(
            "salesperson", salespeople, salespeople.c.id == self.referral().c.salesperson_id
        ).c.external_id

    def referral(self) -> sa.FromClause:
        """The referral that the subject is, or that the reward was earned by."""
        if self.subject is Subject.REWARD:
            exists = referrals_exist(referral_of, self.binds.now)
            self._join("referral", referral_of, sa.and_(referral_of.c.referral_id == rewards.c.referral_id, exists))
        return referral_of

    def last_help_wanted(self) -> Column:
        referral, asked = self.referral(), help_requests.alias("asked")
        last = sa.select(sa.func.max(asked.c.asked_at)).where(
            asked.c.referral_id == referral.c.referral_id, asked.c.asked_at <= self.binds.now
        )
        return last.correlate(referral).scalar_subquery()

    def last_login(self, of: sa.FromClause = partners) -> Column:
        """By one look into the index of events for each partner, not by grouping all logins there ever were."""
        logins = events.alias("logins")
        last = sa.select(sa.func.max(logins.c.occurred_at)).where(
            logins.c.partner_id == of.c.id,
            logins.c.kind == _LOGGED_IN,
            logins.c.occurred_at <= self.binds.now,
        )
        return last.correlate(of).scalar_subquery()

    def answer(self, question: str) -> Column:
        """The latest, by one look into the index of answers for each partner."""
        given = answers.alias("given")
        latest = (
            sa.select(given.c.answer)
            .where(given.c.partner_id == partners.c.id, given.c.question == sa.literal(question, sa.Text()))
            .where(given.c.answered_at <= self.binds.now)
            .order_by(given.c.answered_at.desc())
            .limit(sa.literal_column("1"))
        )
        return latest.correlate(partners).scalar_subquery()

    def language(self) -> Column:
        """The locale that the partner chose last; null for who never chose."""
        chosen = languages.alias("chosen")
        latest = sa.select(chosen.c.locale).where(chosen.c.partner_id == partners.c.id)
        latest = latest.where(chosen.c.changed_at <= self.binds.now).order_by(chosen.c.changed_at.desc())
        return latest.limit(sa.literal_column("1")).correlate(partners).scalar_subquery()

    def attribute(self, name: str) -> sa.FromClause:
        alias = partner_attributes.alias(f"attribute_{len(self._joins)}")
        of_partner = sa.and_(alias.c.partner_id == partners.c.id, alias.c.name == sa.literal(name, sa.Text()))
        return self._join(f"attribute {name}", alias, sa.and_(of_partner, valid(alias, self.binds.now)))

    def select(self, *columns: Column, placed: bool = False) -> sa.Select[Any]:
        """Partner's and subject's id and the columns, for every subject that exists; `placed`: that has a rank."""
        rows, subject_id = rows_of(self.subject), id_of(self.subject)
        for totals in (*self._totals.values(), *((self._ranks,) if self._ranks else ())):
            joined, anybody = totals.subquery(), not (placed and totals is self._ranks)
            rows = rows.join(joined, joined.c.whose_id == whose_of(self.subject), isouter=anybody)
        for table, on in self._joins.values():
            rows = rows.outerjoin(table, on)
        ids = partner_of(self.subject).label("partner_id"), subject_id.label("subject_id")
        chosen = sa.select(*ids, *columns).select_from(rows).where(exist(self.subject, self.binds.now, self._by_ids))
        if self._by_ids:
            chosen = chosen.where(Among(subject_id, IDS))
        return chosen

    def _join(self, key: str, table: sa.FromClause, on: Clause) -> sa.FromClause:
        """Joins a table that has at most one row for each subject; the same key is the same table."""
        return self._joins.setdefault(key, (table, on))[0]
