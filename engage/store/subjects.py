"""What campaigns are for beside partners, as rows: by what name keys know them, and who stands for a company."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import Subject
from engage.store.tables import companies, partners, referrals, rewards, staff
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
