"""What each subject is in SQL: its rows, one each; which of them are there; and whose the rows are that facts sum up.

A company is there while somebody belongs to it: companies have no versions of their own, their people have. Staff are
there always.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from engage.domain.facts import Subject
from engage.facts.existence import PROGRAM_ID, Clause, Column, happened, partners_exist, referrals_exist, valid
from engage.facts.portable import Among, IdSet
from engage.store.tables import companies, partner_versions, partners, referral_versions, rewards, staff

IDS = sa.bindparam("ids", type_=IdSet())

referral_of = referral_versions.alias("referral_of")
people = partners.alias("people")
memberships = partner_versions.alias("memberships")


def rows_of(subject: Subject) -> sa.FromClause:
    """One row for each subject, or for each of its versions."""
    standing = partners.join(partner_versions, partner_versions.c.partner_id == partners.c.id)
    match subject:
        case Subject.PARTNER:
            return standing
        case Subject.REFERRAL:
            return standing.join(referral_of, referral_of.c.partner_id == partners.c.id)
        case Subject.REWARD:
            return standing.join(rewards, rewards.c.partner_id == partners.c.id)
        case Subject.COMPANY:
            return companies
        case Subject.STAFF:
            return staff


def id_of(subject: Subject) -> Column:
    """The subject's own id."""
    return {
        Subject.PARTNER: partners.c.id,
        Subject.REFERRAL: referral_of.c.referral_id,
        Subject.REWARD: rewards.c.id,
        Subject.COMPANY: companies.c.id,
        Subject.STAFF: staff.c.id,
    }[subject]


def partner_of(subject: Subject) -> Column:
    """The id of the partner to whom the subject leads; NULL for those that lead to none."""
    return partners.c.id if subject.leads_to_partner else sa.cast(sa.null(), sa.BigInteger())


def whose_of(subject: Subject) -> Column:
    """The id by which sums are the subject's: its partner's, or its own."""
    return partners.c.id if subject.leads_to_partner else id_of(subject)


def exist(subject: Subject, now: Column, by_ids: bool = False) -> Clause:
    """Which of the rows are there at `now`; `by_ids`, only those with the given ids need be told right."""
    match subject:
        case Subject.PARTNER:
            return partners_exist(now)
        case Subject.REFERRAL:
            return sa.and_(partners_exist(now), referrals_exist(referral_of, now))
        case Subject.REWARD:
            return sa.and_(partners_exist(now), happened(rewards.c.earned_at, now))
        case Subject.COMPANY:
            belonging = summed_people(now, by_ids)
            peopled = sa.select(belonging.whose).select_from(belonging.rows).where(belonging.where)
            return sa.and_(companies.c.program_id == PROGRAM_ID, companies.c.id.in_(peopled))
        case Subject.STAFF:
            return staff.c.program_id == PROGRAM_ID


@dataclass(frozen=True, slots=True)
class Summed:
    """Rows that are summed up: `whose` says to which subject each belongs (see `whose_of`), `where` which count."""

    rows: sa.FromClause
    whose: Column
    where: Clause


def summed(subject: Subject, table: sa.FromClause, now: Column, by_ids: bool) -> Summed:
    """The rows of a table that name their partner (of staff: their salesperson), by whose they are at `now`.

    All of the program's, or, `by_ids`, those of the subjects with the given ids only.
    """
    whose: Column
    match subject:
        case Subject.COMPANY:
            rows = table.join(people, people.c.id == table.c.partner_id)
            rows = rows.join(memberships, memberships.c.partner_id == people.c.id)
            whose = memberships.c.company_id
            belong = sa.and_(happened(people.c.joined_at, now), valid(memberships, now))
            return Summed(rows, whose, sa.and_(belong, _among(whose) if by_ids else _of_program(table)))
        case Subject.STAFF:
            whose = table.c.salesperson_id
            return Summed(table, whose, _among(whose) if by_ids else _of_program(table))
        case _:
            whose = table.c.partner_id
            return Summed(table, whose, _of_partners(subject, whose) if by_ids else _of_program(table))


def summed_people(now: Column, by_ids: bool) -> Summed:
    """The partners of companies, each by the company to which they belong at `now`."""
    whose = memberships.c.company_id
    belong = sa.and_(happened(people.c.joined_at, now), valid(memberships, now))
    rows = people.join(memberships, memberships.c.partner_id == people.c.id)
    return Summed(rows, whose, sa.and_(_of_program(people), belong, _among(whose) if by_ids else sa.true()))


def _of_program(table: sa.FromClause) -> Clause:
    return table.c.program_id == PROGRAM_ID


def _of_partners(subject: Subject, partner_id: Column) -> Clause:
    """That a row is of a partner to whom one of the given subjects leads."""
    if subject is Subject.PARTNER:
        return _among(partner_id)
    if subject is Subject.REFERRAL:
        versions = referral_versions.alias("chosen")
        return partner_id.in_(sa.select(versions.c.partner_id).where(_among(versions.c.referral_id)))
    chosen = rewards.alias("chosen")
    return partner_id.in_(sa.select(chosen.c.partner_id).where(_among(chosen.c.id)))


def _among(column: Column) -> Clause:
    return Among(column, IDS)
