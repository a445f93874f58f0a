"""Whom a person means who writes an external id or an email address."""

from sqlalchemy.engine import Connection

from engage.domain.errors import InputError
from engage.domain.facts import Subject
from engage.facts import Scope
from engage.store.people import partners_known_as
from engage.store.subjects import companies_known_as, staff_known_as


def partner_named(db: Connection, scope: Scope, name: str) -> tuple[str, int]:
    """(external id, id) of the partner with this external id or, alone, this address; InputError if there is none."""
    found = partners_known_as(db, scope.program_id, name)
    if not found:
        message = f"there is no partner '{name}' in programme '{scope.program.key}'"
        raise InputError(message, "give the external id or the email address")
    if len(found) > 1:
        ids = ", ".join(external_id for external_id, _ in found)
        raise InputError(f"{len(found)} partners have the address {name}: {ids}", "give the external id of one of them")
    return found[0]


def somebody_named(db: Connection, scope: Scope, subject: Subject, name: str) -> tuple[str, int]:
    """(external id, id) of the company, the member of staff or else the partner with this name.

    A company is named by its external id, the others by that or by their address. Raises InputError if there is none.
    """
    if subject.leads_to_partner:
        return partner_named(db, scope, name)
    known_as = companies_known_as if subject is Subject.COMPANY else staff_known_as
    found = known_as(db, scope.program_id, name)
    if len(found) == 1:
        return found[0]
    what = "company" if subject is Subject.COMPANY else "member of staff"
    if not found:
        message = f"there is no {what} '{name}' in programme '{scope.program.key}'"
        raise InputError(message, "give the external id, as the source of the data has it")
    ids = ", ".join(external_id for external_id, _ in found)
    raise InputError(f"{len(found)} of staff have the address {name}: {ids}", "give the external id of one of them")
