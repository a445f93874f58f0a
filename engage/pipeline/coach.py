"""Whom a coaching alert goes to, and the evidence that makes it worth a call."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from babel.numbers import format_currency, format_decimal, format_percent
from sqlalchemy.engine import Connection

from engage.domain.conditions import FactRef
from engage.domain.facts import CATALOGUE, FactType
from engage.domain.programs import Program
from engage.domain.windows import WindowKind
from engage.store.people import PartnerStanding, StaffMember, staff_members
from engage.store.referrals import salespeople_of_open_referrals


def owners(
    db: Connection, program: Program, program_id: int, partners: Mapping[int, PartnerStanding]
) -> dict[int, StaffMember | None]:
    """The person to alert about each partner: the first of these who has an address.

    The partner's owner; the salesperson of the latest open referral; the manager of either; the program's default.
    """
    latest = salespeople_of_open_referrals(db, program_id, program, partners.keys())
    first_choice = {p.owner_id for p in partners.values()} | set(latest.values())
    people = staff_members(db, {id_ for id_ in first_choice if id_ is not None})
    managers = staff_members(db, {person.manager_id for person in people.values() if person.manager_id is not None})
    people |= managers
    default = StaffMember(None, "default", program.brand.name, program.default_owner) if program.default_owner else None
    return {id_: _choose((p.owner_id, latest.get(id_)), people) or default for id_, p in partners.items()}


def _choose(candidates: Collection[int | None], people: Mapping[int, StaffMember]) -> StaffMember | None:
    persons = [people[id_] for id_ in candidates if id_ is not None and id_ in people]
    managers = [people[p.manager_id] for p in persons if p.manager_id is not None and p.manager_id in people]
    return next((person for person in (*persons, *managers) if person.email), None)


def evidence_label(ref: FactRef) -> str:
    """A fact as a salesperson reads it: `Wins, last 90 days`."""
    text = (ref.name or ref.fact).replace("_", " ").capitalize()
    if ref.methods:
        text += f" by {' or '.join(ref.methods)}"
    if ref.window:
        days = ref.window.length.days
        stretch = f"{days} days" if days else f"{ref.window.length}"
        text += {
            WindowKind.LAST: f", last {stretch}",
            WindowKind.PREVIOUS: f", the {stretch} before those",
            WindowKind.FIRST: f", first {stretch}",
        }[ref.window.kind]
    return text


def evidence_value(program: Program, ref: FactRef, value: object) -> str:
    """A fact's value as a salesperson reads it, in the program's locale and currency."""
    if value is None:
        return "unknown"
    type_ = CATALOGUE[ref.fact].type
    if type_ is FactType.MONEY and isinstance(value, int):
        return format_currency(Decimal(value).scaleb(-program.minor_digits), program.currency, locale=program.locale)
    if type_ is FactType.RATIO and isinstance(value, float):
        return format_percent(value, locale=program.locale)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_decimal(value, locale=program.locale)
    return str(value)
