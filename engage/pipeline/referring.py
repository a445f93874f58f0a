"""Referrals by word of mouth: takes what a partner, or a salesperson for somebody, writes into four fields.

What looks like a referral or a partner that we have is shown first, and the teller says whether it is one: nothing is
merged. A form has an id of its own, of which and of what it says the referral's is made: sent twice it is one referral.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.engine import Connection

from engage.domain.likeness import phone_digits
from engage.domain.records import Outcome, PartnerRecord, Record, ReferralRecord
from engage.pipeline.observing import observe
from engage.pipeline.refer_links import ReferLink, Teller
from engage.signing import Signer
from engage.store.aliases import own_id
from engage.store.intake import lock_intake
from engage.store.intake.checks import normal_email
from engage.store.noted import (
    BY_PARTNER,
    BY_STAFF,
    AlikePartner,
    AlikeReferral,
    Stored,
    note_referral,
    noted_since,
    partners_alike,
    referrals_alike,
    stored_referral,
)

METHOD = "verbal"
LARGEST = 200
"""Characters of a field; of what they need, `LARGEST_NEED`."""
LARGEST_NEED = 600
MOST_A_DAY = 50
"""Referrals that one link takes within a day: beyond, somebody else has it, or a list should be imported."""
LIKELY_WITHIN = timedelta(days=365)
"""Older referrals are not asked about: a company may well be referred again."""

NEW = "new"
"""What a teller says of something that looks like what we have: it is another one."""

_FORM = "refer-form"
_JOINERS = "\u200c\u200d"  # seen by nobody, and names in some scripts are wrong without
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody wrote. `reach` is how to reach the contact; `advocate` and `advocate_reach` are of whoever told a
    salesperson, and empty where a partner writes."""

    company: str = ""
    contact: str = ""
    reach: str = ""
    need: str = ""
    advocate: str = ""
    advocate_reach: str = ""


def fresh_form(signer: Signer, link: ReferLink) -> str:
    """The id of a form that nobody has sent yet, signed for who holds the link."""
    return signer.token(_FORM, [secrets.token_hex(8), link.who, link.program_id, link.id])


def read_form(signer: Signer, link: ReferLink, form: str, told: Told) -> str | None:
    """What the referral is called that this form makes of `told`; None of a form that is not this link's holder's.

    Who goes back after sending it, and writes something else, makes another referral.
    """
    payload = signer.read(_FORM, form)
    if payload is None or len(payload) != 4 or payload[1:] != [link.who, link.program_id, link.id]:
        return None
    said = "\x1f".join((str(payload[0]), *(getattr(told, name) for name in Told.__dataclass_fields__)))
    return f"form-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def read_told(fields: Mapping[str, str]) -> Told:
    """What the fields say, each on one line and no longer than it may be."""
    return Told(
        **{
            name: _plain(fields.get(name, ""), LARGEST_NEED if name == "need" else LARGEST)
            for name in Told.__dataclass_fields__
        }
    )


def _plain(text: str, largest: int) -> str:
    printable = "".join(character if character.isprintable() or character in _JOINERS else " " for character in text)
    return " ".join(printable.split())[:largest].strip()


class Wrong(StrEnum):
    MISSING = "missing"
    ODD = "odd"  # neither an address nor a telephone number


def wrong_with(told: Told, *, by_staff: bool) -> dict[str, Wrong]:
    """What is wrong, by the name of the field in the order of the form; empty when it can be taken."""
    needed = ("advocate", "advocate_reach", "company") if by_staff else ("company", "contact", "reach")
    wrong = {name: Wrong.MISSING for name in needed if not getattr(told, name)}
    reach = "advocate_reach" if by_staff else "reach"
    if reach not in wrong and not _can_be_reached(getattr(told, reach)):
        wrong[reach] = Wrong.ODD
    return {name: wrong[name] for name in needed if name in wrong}


def _can_be_reached(text: str) -> bool:
    return bool(_email(text)) if "@" in text else bool(phone_digits(text))


def _email(text: str) -> str:
    """The address, if the text is one; otherwise ""."""
    try:
        return normal_email(text) if "@" in text else ""
    except ValueError:
        return ""


def likely_referrals(db: Connection, who: Teller, told: Told, now: datetime) -> list[AlikeReferral]:
    """What the teller may mean: of a partner their own referrals only, others' are not theirs to know."""
    partner = who.partner.partner_id if who.partner else None
    since = now - LIKELY_WITHIN
    return referrals_alike(db, who.scope.program_id, told.company, told.reach, since, of_partner=partner)


def likely_advocates(db: Connection, who: Teller, told: Told) -> list[AlikePartner]:
    """Partners whom a salesperson may mean."""
    reach = told.advocate_reach
    return partners_alike(db, who.scope.program_id, told.advocate, _email(reach), reach if "@" not in reach else "")


def already_stored(db: Connection, who: Teller, name: str) -> Stored | None:
    """The referral that a form has made before (`read_form` says how it is called), also under an id of the CRM."""
    known = own_id(db, who.scope.program_id, "referral", name)
    return stored_referral(db, who.scope.program_id, known) if known else None


def too_many(db: Connection, who: Teller, now: datetime) -> bool:
    """Whether enough has come by the teller's link for a day."""
    partner_id = who.partner.partner_id if who.partner else 0
    staff_id = who.staff.staff_id or 0 if who.staff else 0
    told = noted_since(db, who.scope.program_id, now - _A_DAY, partner_id=partner_id, staff_id=staff_id)
    return told >= MOST_A_DAY


def store_told(
    db: Connection,
    signer: Signer,
    who: Teller,
    told: Told,
    name: str,
    now: datetime,
    advocate: AlikePartner | None = None,
) -> tuple[Stored, list[int]]:
    """Stores the referral under this name, unless it has been; with the events that are to be matched.

    `advocate`: the partner who told the salesperson; None: somebody new, who is stored as invited.
    """
    scope = who.scope
    lock_intake(db, scope.program_id)  # from here on nobody else stores the same form
    if (before := already_stored(db, who, name)) is not None:
        return before, []
    row, source = _row(who, told, name, now, advocate), BY_PARTNER if who.partner else BY_STAFF
    taken = observe(db, scope, [row], signer=signer, source=source, news=True, now=now)
    assert taken.rows[0].outcome is Outcome.ACCEPTED, taken.rows[0].reason
    noted = note_referral(db, scope.program_id, name, source, now)
    stored = stored_referral(db, scope.program_id, name)
    assert stored is not None, "it was just stored"
    return stored, [*taken.event_ids, noted]


def _row(who: Teller, told: Told, name: str, now: datetime, advocate: AlikePartner | None) -> list[Record]:
    referral = ReferralRecord(
        name,
        who.partner.external_id if who.partner else advocate.external_id if advocate else name,
        lead_company=told.company,
        lead_name=told.contact or None,
        lead_contact=told.reach or None,
        note=told.need or None,
        method=METHOD,
        salesperson=who.staff.external_id if who.staff else None,
        submitted_at=now,
    )
    if who.partner is not None:
        return [referral]
    if advocate is not None:  # what we know of them stays; whether it is up to date is for people to see
        return [replace(referral, note=f"{told.advocate}, {told.advocate_reach}")]
    return [_invited(who, told, name), referral]


def _invited(who: Teller, told: Told, name: str) -> PartnerRecord:
    """Somebody who told a salesperson, and is no partner yet. They are invited in that person's name."""
    assert who.staff is not None, "a partner speaks for themselves"
    first, _, last = told.advocate.partition(" ")
    email = _email(told.advocate_reach)
    return PartnerRecord(
        name,
        email=email or None,
        phone=None if email else told.advocate_reach,
        first_name=first,
        last_name=last or None,
        owner=who.staff.external_id,
        status="invited",
    )
