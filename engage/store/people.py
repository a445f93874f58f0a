"""Partners, staff and addresses as recipients: where a mail would go, and whether it may."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.coaching import CLAIM_LASTS
from engage.domain.consent import SAID_TO_PARTNERS_MAIL
from engage.domain.programs import Rhythm
from engage.store.claims import claimed_since
from engage.store.consent import Place, words_said
from engage.store.pauses import Pause, pauses_of
from engage.store.rhythms import wishes_of
from engage.store.tables import addresses, aliases, partner_versions, partners, staff, suppressions
from engage.store.upserts import insert_many, one_of, one_of_named


@dataclass(frozen=True, slots=True)
class PartnerStanding:
    """`refused` are the topics that may not be mailed, `agreed` those of which the partner said yes:
    `store.consent.words_said` has the rule. `rhythms` has the topics of which they said how often. `pause` is the last
    that they took from marketing mail, if any; `claimed_at` since when a salesperson works with them on an alert.
    """

    partner_id: int
    external_id: str
    status: str
    email: str | None
    address_id: int | None
    owner_id: int | None
    zone: str | None = None
    company_id: int | None = None
    suppressed: bool = False
    refused: frozenset[str] = field(default_factory=frozenset)
    agreed: frozenset[str] = field(default_factory=frozenset)
    rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    pause: Pause | None = None
    claimed_at: datetime | None = None

    def is_claimed(self, now: datetime) -> bool:
        """Whether the claim still stands."""
        return self.claimed_at is not None and now < self.claimed_at + CLAIM_LASTS


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A member of our staff; without a `staff_id` an address of the program, and `person` says whether it is one's."""

    staff_id: int | None
    external_id: str
    name: str
    email: str
    manager_id: int | None = None
    person: bool = True
    role: str = ""

    @property
    def first_name(self) -> str:
        return self.name.partition(" ")[0] if self.person else self.name


def _locking(column: sa.Column[Any], key: sa.Column[Any]) -> sa.Select[Any]:
    query = sa.select(column).where(one_of_named("postgresql", key, "ids"))
    return query.order_by(key).with_for_update(key_share=True)


# Built once, as `_standing_now` and `_suppressed` are: each batch that is sent asks them all.
_LOCK_PARTNERS = _locking(partners.c.address_id, partners.c.id)
_LOCK_ADDRESSES = _locking(addresses.c.id, addresses.c.id)


def lock_recipients(db: Connection, partner_ids: Collection[int], addresses_: Collection[int]) -> None:
    """Takes the locks under which consent is read and changed: recipients, then addresses, each sorted by id.

    The addresses are those given and those at which the partners are mailed now, which nobody can change from then on.
    On SQLite the write transaction is the lock.
    """
    if db.dialect.name == "sqlite":
        return
    wanted = set(addresses_)
    if partner_ids:
        wanted |= set(db.execute(_LOCK_PARTNERS, {"ids": list(partner_ids)}).scalars()) - {None}
    if wanted:
        db.execute(_LOCK_ADDRESSES, {"ids": list(wanted)}).all()


def partner_standings(
    db: Connection, partner_ids: Collection[int], as_of: datetime | None = None
) -> dict[int, PartnerStanding]:
    """What stands for and against mailing each of these partners, in five statements.

    With `as_of` status, owner, suppressions, consent, rhythms, pauses and claims are those of that instant, else
    those that stand now.
    """
    ids = list(partner_ids)
    if as_of is None:
        rows = db.execute(_standing_now(db.dialect.name), {"ids": ids}).all()
    else:
        p, v = partners.c, partner_versions.c
        query = (
            sa.select(
                p.id,
                p.program_id,
                p.external_id,
                v.status,
                p.email,
                p.address_id,
                v.owner_id,
                p.zone,
                p.company_id,
                claimed_since(p.id, as_of).label("claimed_at"),
            )
            .join(partner_versions, v.partner_id == p.id)
            .where(one_of(db, p.id, ids), v.valid_from <= as_of, sa.or_(v.valid_to.is_(None), v.valid_to > as_of))
        )
        rows = db.execute(query).all()
    held = {row.address_id for row in rows if row.address_id is not None}
    blocked = suppressed_addresses(db, held, as_of)
    said = words_said(db, {row.id: Place(row.program_id, row.address_id) for row in rows}, as_of)
    wishes = wishes_of(db, [row.id for row in rows], as_of)
    breaks = pauses_of(db, [row.id for row in rows], as_of)
    return {
        row.id: PartnerStanding(
            partner_id=row.id,
            external_id=row.external_id,
            status=row.status,
            email=row.email,
            address_id=row.address_id,
            owner_id=row.owner_id,
            zone=row.zone,
            company_id=row.company_id,
            suppressed=row.address_id in blocked,
            refused=frozenset(said[row.id].refused if row.id in said else ()),
            agreed=frozenset(said[row.id].agreed if row.id in said else ()),
            rhythms={topic: wish.rhythm for topic, wish in wishes.get(row.id, {}).items()},
            pause=breaks.get(row.id),
            claimed_at=row.claimed_at,
        )
        for row in rows
    }


@cache
def _standing_now(dialect: str) -> sa.Select[Any]:
    p = partners.c
    found = (p.id, p.program_id, p.external_id, p.status, p.email, p.address_id, p.owner_id, p.zone, p.company_id)
    query = sa.select(*found, claimed_since(p.id).label("claimed_at"))
    return query.where(one_of_named(dialect, p.id, "ids"))


def suppressed_addresses(
    db: Connection, ids: Collection[int], as_of: datetime | None = None, *, of_staff: bool = False
) -> set[int]:
    """Those of these addresses that no program may mail; `of_staff`: nor for the work of whoever has them.

    Who wants no mail as a partner works on: that says nothing of alerts to the same address.
    """
    if not ids:
        return set()
    query = _suppressed(db.dialect.name)
    if of_staff:
        query = query.where(suppressions.c.reason.not_in(SAID_TO_PARTNERS_MAIL))
    if as_of is not None:
        query = query.where(suppressions.c.created_at <= as_of)
    return set(db.execute(query, {"ids": list(ids)}).scalars())


@cache
def _suppressed(dialect: str) -> sa.Select[Any]:
    c = suppressions.c
    return sa.select(c.address_id).where(one_of_named(dialect, c.address_id, "ids"))


def staff_members(db: Connection, ids: Collection[int]) -> dict[int, StaffMember]:
    """Those of these members of staff who have an address, by id."""
    if not ids:
        return {}
    c = staff.c
    query = sa.select(c.id, c.external_id, c.name, c.email, c.manager_id, c.role).where(one_of(db, c.id, ids))
    return {
        row.id: StaffMember(
            row.id, row.external_id, row.name or row.external_id, row.email or "", row.manager_id, role=row.role or ""
        )
        for row in db.execute(query)
    }


def owners_named(db: Connection, partner_ids: Collection[int]) -> dict[int, int | None]:
    """The member of staff who owns each of these partners, by the partner's id."""
    if not partner_ids:
        return {}
    c = partners.c
    return {id_: owner for id_, owner in db.execute(sa.select(c.id, c.owner_id).where(one_of(db, c.id, partner_ids)))}


def ensure_addresses(db: Connection, emails: Iterable[str]) -> dict[str, int]:
    """The id of the row of each address (given in any case), made where it is new."""
    wanted = sorted({email.lower() for email in emails})
    if not wanted:
        return {}
    known = address_ids(db, wanted)
    missing = [email for email in wanted if email not in known]
    if missing:
        insert_many(db, addresses, [{"email": email} for email in missing], or_ignore=True)
        known |= address_ids(db, missing)
    return known


def address_ids(db: Connection, emails: Collection[str]) -> dict[str, int]:
    """The ids of those of these (lowercased) addresses that are stored."""
    if not emails:
        return {}
    rows = db.execute(sa.select(addresses.c.email, addresses.c.id).where(one_of(db, addresses.c.email, emails)))
    return {email: id_ for email, id_ in rows}


def email_at(db: Connection, address_id: int) -> str | None:
    """The (lowercased) address with this id; None if it is gone."""
    return db.execute(sa.select(addresses.c.email).where(addresses.c.id == address_id)).scalar()


def partners_known_as(db: Connection, program_id: int, name: str) -> list[tuple[str, int]]:
    """(external id, id) of the partner with this external id or alias, otherwise of all who have this email address."""
    c, a = partners.c, aliases.c
    query = sa.select(c.external_id, c.id).where(c.program_id == program_id).order_by(c.external_id)
    known = sa.select(a.target_id).where(a.program_id == program_id, a.kind == "partner", a.external_id == name)
    named = sa.or_(c.id == known.scalar_subquery(), c.external_id == name)
    rows = db.execute(query.where(named, c.merged_into_id.is_(None))).all()
    if not rows:
        address = sa.select(addresses.c.id).where(addresses.c.email == name.lower())
        rows = db.execute(query.where(c.address_id == address.scalar_subquery())).all()
    return [(external_id, id_) for external_id, id_ in rows]


def survivor_of(db: Connection, partner_id: int) -> int:
    """The partner whom this one was merged into; the same, if they were not."""
    c = partners.c
    query = sa.select(sa.func.coalesce(c.merged_into_id, c.id)).where(c.id == partner_id)
    survivor: int | None = db.execute(query).scalar()
    return partner_id if survivor is None else survivor


def survivors_of(db: Connection, partner_ids: Collection[int]) -> dict[int, int]:
    """As `survivor_of`, of many: by the partner that was asked for."""
    c = partners.c
    query = sa.select(c.id, sa.func.coalesce(c.merged_into_id, c.id)).where(one_of(db, c.id, partner_ids))
    return {partner_id: survivor for partner_id, survivor in db.execute(query)}


def places_of(
    db: Connection, program_id: int, partner_ids: Collection[int], addresses_: Collection[int]
) -> dict[int, Place]:
    """Where these partners of the program are mailed, and those who are mailed at these addresses."""
    c = partners.c
    mine = sa.select(c.id, c.address_id).where(c.program_id == program_id)
    ways = (mine.where(one_of(db, c.id, partner_ids)), mine.where(one_of(db, c.address_id, addresses_)))
    return {id_: Place(program_id, address_id) for id_, address_id in db.execute(sa.union_all(*ways))}


def names_of(db: Connection, partner_ids: Collection[int]) -> dict[int, str]:
    """The first and last name of each of these partners; empty for those without."""
    c = partners.c
    query = sa.select(c.id, c.first_name, c.last_name).where(one_of(db, c.id, partner_ids))
    return {row.id: " ".join(filter(None, (row.first_name, row.last_name))) for row in db.execute(query)}


def zones_of(db: Connection, partner_ids: Collection[int]) -> dict[int, str | None]:
    """The zone of each of these partners; None where it is not known."""
    c = partners.c
    if not partner_ids:
        return {}
    return {id_: zone for id_, zone in db.execute(sa.select(c.id, c.zone).where(one_of(db, c.id, partner_ids)))}
