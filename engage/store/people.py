"""Partners, staff and addresses as recipients: where a mail would go, and whether it may."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import addresses, partners, staff, subscriptions, suppressions
from engage.store.upserts import insert_or_ignore


@dataclass(frozen=True, slots=True)
class PartnerStanding:
    """`refused` are the topics that this person, or anybody at this address, has unsubscribed from."""

    partner_id: int
    external_id: str
    status: str
    email: str | None
    address_id: int | None
    owner_id: int | None
    suppressed: bool = False
    refused: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class StaffMember:
    staff_id: int | None  # None: the program's default address
    external_id: str
    name: str
    email: str
    manager_id: int | None = None


def lock_recipients(db: Connection, partner_ids: Collection[int], addresses_: Collection[int]) -> None:
    """Takes the locks under which consent is read and changed: recipients, then addresses, each sorted by id.

    On SQLite the write transaction is the lock.
    """
    for table, ids in ((partners, partner_ids), (addresses, addresses_)):
        if ids:
            query = sa.select(table.c.id).where(table.c.id.in_(sorted(ids))).order_by(table.c.id)
            db.execute(query.with_for_update(key_share=True)).all()


def partner_standings(db: Connection, partner_ids: Collection[int]) -> dict[int, PartnerStanding]:
    """What stands for and against mailing each of these partners, in three statements."""
    p = partners.c
    query = sa.select(p.id, p.external_id, p.status, p.email, p.address_id, p.owner_id).where(p.id.in_(partner_ids))
    rows = db.execute(query).all()
    held = {row.address_id for row in rows if row.address_id is not None}
    blocked = suppressed_addresses(db, held)
    by_person, by_address = _refusals(db, partner_ids, held)
    return {
        row.id: PartnerStanding(
            partner_id=row.id,
            external_id=row.external_id,
            status=row.status,
            email=row.email,
            address_id=row.address_id,
            owner_id=row.owner_id,
            suppressed=row.address_id in blocked,
            refused=frozenset(by_person.get(row.id, set()) | by_address.get(row.address_id, set())),
        )
        for row in rows
    }


def suppressed_addresses(db: Connection, ids: Collection[int]) -> set[int]:
    """Those of these addresses that no program may mail."""
    if not ids:
        return set()
    c = suppressions.c
    return set(db.execute(sa.select(c.address_id).where(c.address_id.in_(ids))).scalars())


def _refusals(
    db: Connection, partner_ids: Collection[int], held: Collection[int]
) -> tuple[dict[int, set[str]], dict[int, set[str]]]:
    c = subscriptions.c
    query = sa.select(c.partner_id, c.address_id, c.topic).where(
        sa.not_(c.subscribed), sa.or_(c.partner_id.in_(partner_ids), c.address_id.in_(held))
    )
    by_person: dict[int, set[str]] = {}
    by_address: dict[int, set[str]] = {}
    for partner_id, address_id, topic in db.execute(query):
        by_person.setdefault(partner_id, set()).add(topic)
        by_address.setdefault(address_id, set()).add(topic)
    return by_person, by_address


def staff_members(db: Connection, ids: Collection[int]) -> dict[int, StaffMember]:
    """Those of these members of staff who have an address, by id."""
    if not ids:
        return {}
    c = staff.c
    query = sa.select(c.id, c.external_id, c.name, c.email, c.manager_id).where(c.id.in_(ids))
    return {
        row.id: StaffMember(row.id, row.external_id, row.name or row.external_id, row.email or "", row.manager_id)
        for row in db.execute(query)
    }


def ensure_addresses(db: Connection, emails: Iterable[str]) -> dict[str, int]:
    """The id of the row of each address (given in any case), made where it is new."""
    wanted = sorted({email.lower() for email in emails})
    if not wanted:
        return {}
    known = address_ids(db, wanted)
    missing = [email for email in wanted if email not in known]
    if missing:
        db.execute(insert_or_ignore(db, addresses), [{"email": email} for email in missing])
        known |= address_ids(db, missing)
    return known


def address_ids(db: Connection, emails: Collection[str]) -> dict[str, int]:
    """The ids of those of these (lowercased) addresses that are stored."""
    if not emails:
        return {}
    rows = db.execute(sa.select(addresses.c.email, addresses.c.id).where(addresses.c.email.in_(emails)))
    return {email: id_ for email, id_ in rows}
