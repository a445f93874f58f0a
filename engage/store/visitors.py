"""Who is behind a link to a partner's page."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.keys import is_forgotten
from engage.store.tables import partners


@dataclass(frozen=True, slots=True)
class Door:
    """What stands of the partner now.

    `merged`: the link is of somebody who was merged into them, and whose address is not known any more.
    """

    partner_id: int
    program_id: int
    external_id: str
    email: str | None
    address_id: int | None
    merged: bool


def door_of(db: Connection, partner_id: int) -> Door | None:
    """The partner with this id, or the one they were merged into; None if they are gone, or erased."""
    named, p = partners.alias("named"), partners.c
    found = (p.id, p.program_id, p.external_id, p.email, p.address_id)
    query = sa.select(*found).select_from(partners)
    query = query.join(named, p.id == sa.func.coalesce(named.c.merged_into_id, named.c.id))
    row = db.execute(query.where(named.c.id == partner_id)).one_or_none()
    if row is None or is_forgotten(row.external_id):
        return None
    return Door(
        partner_id=row.id,
        program_id=row.program_id,
        external_id=row.external_id,
        email=row.email,
        address_id=row.address_id,
        merged=row.id != partner_id,
    )
