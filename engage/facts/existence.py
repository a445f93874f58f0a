"""Who and what was there at an instant: partners who had joined, referrals that had been submitted."""

from typing import Any

import sqlalchemy as sa

from engage.store.tables import partner_versions, partners

Clause = sa.ColumnElement[bool]
Column = sa.ColumnElement[Any]

PROGRAM_ID = sa.bindparam("program_id", type_=sa.BigInteger())


def valid(versions: sa.FromClause, now: Column) -> Clause:
    """The version that held at `now`."""
    return sa.and_(versions.c.valid_from <= now, sa.or_(versions.c.valid_to.is_(None), versions.c.valid_to > now))


def happened(instant: Column, now: Column) -> Clause:
    """At or before `now`, or at a time that nobody knows."""
    return sa.or_(instant.is_(None), instant <= now)


def partners_exist(now: Column) -> Clause:
    """The program's partners who have joined, each in the version that held."""
    return sa.and_(
        partners.c.program_id == PROGRAM_ID, happened(partners.c.joined_at, now), valid(partner_versions, now)
    )


def referrals_exist(versions: sa.FromClause, now: Column) -> Clause:
    """The referrals that have been submitted, each in the version that held."""
    return sa.and_(valid(versions, now), happened(versions.c.submitted_at, now))
