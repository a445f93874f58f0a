"""Which partner a person means who writes an external id or an email address."""

from sqlalchemy.engine import Connection

from engage.domain.errors import InputError
from engage.facts import Scope
from engage.store.people import partners_known_as


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
