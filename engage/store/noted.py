"""Referrals that were told of by engage's own form: the event of each, how many came lately, and what they look like.

What looks like another referral or partner is found here by pieces of names and judged by `domain.likeness`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.keys import noted_key
from engage.domain.likeness import (
    companies_like,
    company_words,
    people_like,
    phone_digits,
    pieces_of,
    words_of,
)
from engage.store.tables import addresses, companies, events, partners, referrals, staff
from engage.store.upserts import one_of

BY_PARTNER, BY_STAFF = "referral form", "referral form, by staff"
"""Where these referrals come from."""

_MOST = 5
_PHONE_MARKS = " -–/().+\u00a0"
_E, _P, _R = events.c, partners.c, referrals.c


@dataclass(frozen=True, slots=True)
class AlikeReferral:
    """A referral that may be the same. `company` may be of its lead or, without one, the lead's name."""

    referral_id: int
    external_id: str
    company: str
    lead_name: str
    status: str
    submitted_at: datetime | None
    partner_id: int
    partner_external_id: str
    partner_name: str
    salesperson_name: str


@dataclass(frozen=True, slots=True)
class AlikePartner:
    """A partner who may be the same person; `certain`: their address or telephone number is."""

    partner_id: int
    external_id: str
    name: str
    company: str
    status: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A referral as the form took it. `invited`: its partner is none yet; `mailed`: we know an address of theirs."""

    company: str
    partner_name: str
    invited: bool
    mailed: bool


def stored_referral(db: Connection, program_id: int, referral: str) -> Stored | None:
    """The referral with this external id, as whoever told of it is thanked."""
    query = sa.select(_R.lead_company, _P.first_name, _P.last_name, _P.status, _P.email)
    query = query.join(partners, _P.id == _R.partner_id)
    row = db.execute(query.where(_R.program_id == program_id, _R.external_id == referral)).one_or_none()
    if row is None:
        return None
    name = " ".join(filter(None, (row.first_name, row.last_name)))
    return Stored(row.lead_company or "", name, row.status == "invited", bool(row.email))


def note_referral(db: Connection, program_id: int, referral: str, source: str, at: datetime) -> int:
    """Stores that the referral with this external id was told of by the form; returns the event, to be matched."""
    mine = sa.select(_R.id, _R.partner_id).where(_R.program_id == program_id, _R.external_id == referral)
    referral_id, partner_id = db.execute(mine).one()
    row = {"program_id": program_id, "partner_id": partner_id, "referral_id": referral_id, "unmatched": True}
    row |= {"kind": EventKind.NOTED, "key": noted_key(referral), "source": source}
    insert = sa.insert(events).values(**row, occurred_at=at, observed_at=at)
    return int(db.execute(insert.returning(_E.id)).scalar_one())


def noted_since(db: Connection, program_id: int, since: datetime, *, partner_id: int = 0, staff_id: int = 0) -> int:
    """How many referrals the partner told of by the form after `since`, or the member of staff."""
    query = sa.select(sa.func.count()).select_from(events).join(referrals, _R.id == _E.referral_id)
    query = query.where(_E.program_id == program_id, _E.kind == EventKind.NOTED, _E.occurred_at > since)
    by_staff = sa.and_(_E.source == BY_STAFF, _R.salesperson_id == staff_id)
    told = by_staff if staff_id else sa.and_(_E.source == BY_PARTNER, _E.partner_id == partner_id)
    return int(db.execute(query.where(told)).scalar_one())


@dataclass(frozen=True, slots=True)
class Noted:
    """A referral that was noted by the form. `by_name`: the member of staff who did, or "".

    `partner_is_new`: they are no partner yet.
    """

    referral_id: int
    noted_at: datetime
    company: str
    contact: str
    note: str
    by_name: str
    partner_id: int
    partner_name: str
    partner_email: str
    partner_phone: str
    partner_is_new: bool


def noted_referrals(db: Connection, ids: Collection[int]) -> dict[int, Noted]:
    """Those of these referrals that were noted by the form."""
    query = (
        sa.select(_R.id, _E.occurred_at, _E.source, _R.lead_company, _R.lead_contact, _R.note, staff.c.name)
        .add_columns(_P.id.label("partner_id"), _P.first_name, _P.last_name, _P.email, _P.phone, _P.status)
        .join(events, sa.and_(_E.referral_id == _R.id, _E.kind == EventKind.NOTED))
        .join(partners, _P.id == _R.partner_id)
        .outerjoin(staff, staff.c.id == _R.salesperson_id)
        .where(one_of(db, _R.id, ids))
    )
    return {
        row.id: Noted(
            referral_id=row.id,
            noted_at=row.occurred_at,
            company=row.lead_company or "",
            contact=row.lead_contact or "",
            note=row.note or "",
            by_name=(row.name or "") if row.source == BY_STAFF else "",
            partner_id=row.partner_id,
            partner_name=" ".join(filter(None, (row.first_name, row.last_name))),
            partner_email=row.email or "",
            partner_phone=row.phone or "",
            partner_is_new=row.status == "invited",
        )
        for row in db.execute(query)
    }


def referrals_alike(
    db: Connection,
    program_id: int,
    company: str,
    contact: str,
    since: datetime,
    *,
    of_partner: int | None = None,
    but: int | None = None,
) -> list[AlikeReferral]:
    """Referrals since then (and undated ones) of a company alike, or with the same contact; the latest few.

    `of_partner`: theirs alone. `but`: not this one.
    """
    recent = sa.or_(_R.submitted_at.is_(None), _R.submitted_at > since)
    query = sa.select(_R.id, _R.lead_company, _R.lead_name, _R.lead_contact).where(_R.program_id == program_id, recent)
    query = query.where(_R.merged_into_id.is_(None))
    if of_partner is not None:  # they have few: no need to guess at pieces
        query = query.where(_R.partner_id == of_partner)
    else:
        named = sa.func.lower(sa.func.coalesce(_R.lead_company, _R.lead_name, ""))
        query = query.where(sa.or_(_holding(named, company_words(company)), _same_contact(contact)))
    reach, alike = _reach(contact), companies_like(company)
    found = [
        id_
        for id_, theirs, name, how in db.execute(query)
        if id_ != but and (alike(theirs or name or "") or (reach and reach == _reach(how or "")))
    ]
    return _described(db, found)[:_MOST]


def partners_alike(
    db: Connection, program_id: int, name: str, email: str, phone: str, *, but: int | None = None
) -> list[AlikePartner]:
    """Partners with this address or telephone number, then those of a name alike; a few of them."""
    digits = phone_digits(phone)
    same: list[sa.ColumnElement[bool]] = [sa.false()]
    if email:
        same.append(_P.address_id.in_(sa.select(addresses.c.id).where(addresses.c.email == email.lower())))
    if digits:
        same.append(_bare(_P.phone).like(f"%{digits}"))
    certain = sa.or_(*same)
    full = sa.func.coalesce(_P.first_name, "") + " " + sa.func.coalesce(_P.last_name, "")
    alike = _holding(sa.func.lower(full), words_of(name))
    query = (
        sa.select(_P.id, _P.external_id, _P.status, full.label("name"), companies.c.name.label("company"))
        .add_columns(certain.label("certain"))
        .outerjoin(companies, companies.c.id == _P.company_id)
        .where(_P.program_id == program_id, _P.merged_into_id.is_(None), sa.or_(certain, alike))
        .order_by(_P.id)
    )
    is_alike = people_like(name)
    found = [
        AlikePartner(row.id, row.external_id, row.name.strip(), row.company or "", row.status, bool(row.certain))
        for row in db.execute(query)
        if row.id != but and (row.certain or is_alike(row.name))
    ]
    return sorted(found, key=lambda one: not one.certain)[:_MOST]


def _described(db: Connection, ids: Collection[int]) -> list[AlikeReferral]:
    if not ids:
        return []
    name = sa.func.coalesce(_P.first_name, "") + " " + sa.func.coalesce(_P.last_name, "")
    query = (
        sa.select(referrals, name.label("partner_name"), _P.external_id.label("partner_external_id"))
        .add_columns(staff.c.name.label("salesperson_name"))
        .join(partners, _P.id == _R.partner_id)
        .outerjoin(staff, staff.c.id == _R.salesperson_id)
        .where(one_of(db, _R.id, ids))
        .order_by(_R.submitted_at.is_(None), _R.submitted_at.desc(), _R.id.desc())
    )
    return [
        AlikeReferral(
            referral_id=row.id,
            external_id=row.external_id,
            company=row.lead_company or row.lead_name or "",
            lead_name=row.lead_name or "",
            status=row.status,
            submitted_at=row.submitted_at,
            partner_id=row.partner_id,
            partner_external_id=row.partner_external_id,
            partner_name=row.partner_name.strip(),
            salesperson_name=row.salesperson_name or "",
        )
        for row in db.execute(query)
    ]


def _holding(column: "sa.ColumnElement[str]", words: Collection[str]) -> "sa.ColumnElement[bool]":
    """Whether the text has some piece of a name with these words: what is alike does, and little else."""
    pieces = pieces_of(words) or words
    return sa.or_(*(column.contains(piece, autoescape=True) for piece in pieces))


def _same_contact(contact: str) -> "sa.ColumnElement[bool]":
    digits = phone_digits(contact)
    if "@" in contact:
        return sa.func.lower(_R.lead_contact) == contact.lower()
    return _bare(_R.lead_contact).like(f"%{digits}") if digits else sa.false()


def _reach(contact: str) -> str:
    """A contact in the form in which it is compared."""
    return contact.strip().lower() if "@" in contact else phone_digits(contact)


def _bare(column: "sa.ColumnElement[Any]") -> "sa.ColumnElement[str]":
    """A telephone number without what is written between its digits."""
    for mark in _PHONE_MARKS:
        column = sa.func.replace(column, mark, "")
    return column
