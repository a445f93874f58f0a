"""What campaigns are for beside partners, as rows: by what name keys know them, and who stands for a company."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import Subject
from engage.store.tables import aliases, companies, partners, referrals, rewards, staff
from engage.store.upserts import one_of

_TABLES = {
    Subject.PARTNER: partners,
    Subject.REFERRAL: referrals,
    Subject.REWARD: rewards,
    Subject.COMPANY: companies,
    Subject.STAFF: staff,
}


def external_ids(db: Connection, subject: Subject, ids: Collection[int]) -> dict[int, str]:
    """The external id of each of these subjects, by id."""
    if not ids:
        return {}
    c = _TABLES[subject].c
    return {id_: name for id_, name in db.execute(sa.select(c.id, c.external_id).where(one_of(db, c.id, ids)))}


@dataclass(frozen=True, slots=True)
class CompanyStanding:
    """Who speaks for a company: a partner, who is its contact, and its channel manager of our staff."""

    external_id: str
    name: str
    contact_id: int | None
    manager_id: int | None


def company_standings(db: Connection, ids: Collection[int]) -> dict[int, CompanyStanding]:
    """Those of these companies that are known, by id."""
    if not ids:
        return {}
    c = companies.c
    query = sa.select(c.id, c.external_id, c.name, c.contact_id, c.manager_id).where(one_of(db, c.id, ids))
    return {
        row.id: CompanyStanding(row.external_id, row.name or row.external_id, row.contact_id, row.manager_id)
        for row in db.execute(query)
    }


def referrals_of_rewards(db: Connection, ids: Collection[int]) -> dict[int, int | None]:
    """The referral by which each of these rewards was earned, by the reward's id."""
    if not ids:
        return {}
    c = rewards.c
    return {id_: referral for id_, referral in db.execute(sa.select(c.id, c.referral_id).where(one_of(db, c.id, ids)))}


def companies_known_as(db: Connection, program_id: int, name: str) -> list[tuple[str, int]]:
    """(external id, id) of the company with this external id or alias."""
    return _known_as(db, companies, "company", program_id, name)


def staff_known_as(db: Connection, program_id: int, name: str) -> list[tuple[str, int]]:
    """(external id, id) of the member of staff with this external id or alias, otherwise of all with this address."""
    found = _known_as(db, staff, "staff", program_id, name)
    if found:
        return found
    c = staff.c
    query = sa.select(c.external_id, c.id).where(c.program_id == program_id, sa.func.lower(c.email) == name.lower())
    return [(external_id, id_) for external_id, id_ in db.execute(query.order_by(c.external_id))]


def _known_as(db: Connection, table: sa.Table, kind: str, program_id: int, name: str) -> list[tuple[str, int]]:
    a, c = aliases.c, table.c
    meant = sa.select(a.target_id).where(a.program_id == program_id, a.kind == kind, a.external_id == name)
    query = sa.select(c.external_id, c.id).where(c.program_id == program_id)
    rows = db.execute(query.where(sa.or_(c.id == meant.scalar_subquery(), c.external_id == name)))
    return [(external_id, id_) for external_id, id_ in rows]
