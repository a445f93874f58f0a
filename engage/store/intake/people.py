"""Companies, staff and partners: upserts, and the versions of what facts read of a partner."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.conditions import Scalar
from engage.domain.keys import registered_key
from engage.domain.records import CompanyRecord, PartnerRecord, StaffRecord
from engage.store.intake.entities import Entity, Stock
from engage.store.intake.events import Events, NewEvent
from engage.store.intake.following import Move, follow
from engage.store.intake.versions import Rows, closed, load_rows, replace_rows, with_change
from engage.store.journeys import look_again_at
from engage.store.people import ensure_addresses
from engage.store.tables import partner_attributes, partner_versions

_FILLED = {
    **{name: name for name in ("email", "first_name", "last_name", "phone", "region", "locale", "zone", "status")},
    **{name: f"{name}_id" for name in ("company", "owner", "recruited_by")},
    "joined_at": "joined_at",
}
"""Fields of a record of a partner, and their columns."""

VERSIONED = ("status", "owner_id", "company_id", "region", "locale")
"""What versions of a partner hold: what facts read of them."""


class People:
    """What a batch does to companies, staff and partners. Each `take_…` says whether it changed anything."""

    def __init__(self, stock: Stock, events: Events, news: bool) -> None:
        self._stock = stock
        self._events = events
        self._news = news
        # What a partner and an attribute were when first seen: that has always held, whatever comes later in the batch.
        self._first: dict[Entity, dict[str, Any]] = {}
        self._first_attributes: dict[Entity, dict[str, Scalar]] = {}
        self._mailed: list[Entity] = []
        self._moved: list[Entity] = []  # to another zone
        self.joined_before: dict[int, datetime] = {}  # when the duplicates joined that were merged into a partner

    def take_company(self, record: CompanyRecord) -> bool:
        company, new = self._stock.companies.obtain(record.external_id)
        parent = self._stock.companies.obtain(record.parent)[0] if record.parent else None
        manager = self._stock.staff.obtain(record.manager)[0] if record.manager else None
        merged = company.values["attributes"] | record.attributes
        return company.learn(name=record.name, parent_id=parent, manager_id=manager, attributes=merged) or new

    def take_contact(self, record: CompanyRecord) -> bool:
        """Comes after the partners of the row, of whom one may be the contact."""
        if record.contact is None:
            return False
        company, _ = self._stock.companies.obtain(record.external_id)
        return company.learn(contact_id=self._stock.partners.get(record.contact))

    def take_staff(self, record: StaffRecord) -> bool:
        member, new = self._stock.staff.obtain(record.external_id)
        manager = self._stock.staff.obtain(record.manager)[0] if record.manager else None
        news = member.learn(
            name=record.name, email=record.email, role=record.role, region=record.region, manager_id=manager
        )
        return news or new

    def take_partner(self, record: PartnerRecord) -> bool:
        partner, new = self._stock.partners.obtain(record.external_id)
        if self._stock.partners.is_duplicates(record.external_id):
            record = _of_a_duplicate(record, partner)
        if record.email is not None and record.email != partner.values["email"]:
            self._mailed.append(partner)
        told = {name: value for name, value in record.attributes.items() if name not in partner.values["attributes"]}
        if told:
            self._first_attributes[partner] = told | self._first_attributes.get(partner, {})
        recruiter = self._stock.partners.obtain(record.recruited_by)[0] if record.recruited_by else None
        if record.zone is not None and record.zone != partner.values["zone"] and not new:
            self._moved.append(partner)
        changed = partner.learn(
            email=record.email,
            first_name=record.first_name,
            last_name=record.last_name,
            phone=record.phone,
            company_id=self._stock.companies.obtain(record.company)[0] if record.company else None,
            owner_id=self._stock.staff.obtain(record.owner)[0] if record.owner else None,
            recruited_by_id=recruiter if recruiter is not partner else None,  # a duplicate may have recruited the other
            region=record.region,
            locale=record.locale,
            zone=record.zone,
            status=record.status,
            joined_at=self._joined(partner, record.joined_at),
            attributes=partner.values["attributes"] | record.attributes,
        )
        if new:
            self._first[partner] = _versioned(partner)
        if record.joined_at is not None:
            key = registered_key(partner.external_id)
            changed |= self._events.add(
                NewEvent(EventKind.REGISTERED, key, record.joined_at, self._news, partner=partner)
            )
        return changed or new

    def _joined(self, partner: Entity, told: datetime | None) -> datetime | None:
        """When the partner joined: not later than any duplicate that was merged into them."""
        before = self.joined_before.get(partner.id) if partner.id is not None else None
        return min(told, before) if told is not None and before is not None else told

    def find_addresses(self, db: Connection, program_id: int, observed_at: datetime) -> None:
        """Gives each partner whose email is new the row of that address, to which their consent follows them.

        Comes before partners are written.
        """
        ids = ensure_addresses(db, [partner.values["email"] for partner in self._mailed])
        moves = []
        for partner in dict.fromkeys(self._mailed):
            old, new = partner.values["address_id"], ids[partner.values["email"].lower()]
            partner.values["address_id"] = new
            if old not in (None, new):
                moves.append(Move(partner.row_id, old, new))
        follow(db, program_id, moves, observed_at)

    def look_at_waits(self, db: Connection, observed_at: datetime) -> None:
        """Has the waits looked at again of those who have moved: a time of day is one where they are.

        Comes after partners are written.
        """
        look_again_at(db, [partner.row_id for partner in self._moved], observed_at)

    def write_versions(self, db: Connection, program_id: int, observed_at: datetime) -> None:
        """Brings the versions of the changed partners up to date. Comes after partners are written."""
        partners = {partner.row_id: partner for partner in self._stock.partners.changed()}
        before = load_rows(db, partner_versions, "partner_id", partners)
        after: Rows = {}
        for id_, partner in partners.items():
            known = [(row["valid_from"], _resolved(row)) for row in before.get(id_, [])]
            if not known and partner in self._first:
                known = with_change(known, _resolved(self._first[partner]), observed_at)
            versions = with_change(known, _resolved(_versioned(partner)), observed_at)
            after[id_] = [
                {"program_id": program_id, "partner_id": id_, "valid_from": start, "valid_to": end, **value}
                for (start, end), (_, value) in zip(closed([at for at, _ in versions]), versions, strict=True)
            ]
        replace_rows(db, partner_versions, before, after)
        self._write_attributes(db, program_id, observed_at, partners)

    def _write_attributes(
        self, db: Connection, program_id: int, observed_at: datetime, partners: dict[int, Entity]
    ) -> None:
        held = {id_: partner for id_, partner in partners.items() if partner.values["attributes"]}
        before = load_rows(db, partner_attributes, "partner_id", held)
        after: Rows = {}
        for id_, partner in held.items():
            rows = after[id_] = []
            for name, current in partner.values["attributes"].items():
                known = [
                    (row["valid_from"], (row["text"], row["number"]))
                    for row in before.get(id_, [])
                    if row["name"] == name
                ]
                if not known:
                    first = self._first_attributes.get(partner, {}).get(name, current)
                    known = with_change(known, _text_and_number(first), observed_at)
                versions = with_change(known, _text_and_number(current), observed_at)
                rows.extend(
                    {
                        "program_id": program_id,
                        "partner_id": id_,
                        "name": name,
                        "valid_from": start,
                        "valid_to": end,
                        "text": text,
                        "number": number,
                    }
                    for (start, end), (_, (text, number)) in zip(
                        closed([at for at, _ in versions]), versions, strict=True
                    )
                )
        replace_rows(db, partner_attributes, before, after)


def _of_a_duplicate(record: PartnerRecord, partner: Entity) -> PartnerRecord:
    """What a record under the id of a merged duplicate adds: the partner's own record has the last word."""
    known: dict[str, Any] = {name: None for name in _FILLED if partner.values[_FILLED[name]] is not None}
    others = {name: value for name, value in record.attributes.items() if name not in partner.values["attributes"]}
    return replace(record, **known, attributes=others)


def _versioned(partner: Entity) -> dict[str, Any]:
    return {name: partner.values[name] for name in VERSIONED}


def _resolved(values: Any) -> dict[str, Any]:
    """The versioned values, with ids in place of rows."""
    return {name: values[name].id if isinstance(values[name], Entity) else values[name] for name in VERSIONED}


def _text_and_number(value: Scalar) -> tuple[str, float | None]:
    match value:
        case bool():
            return str(value).lower(), None
        case int() | float() | Decimal():
            return str(value), float(value)
        case _:
            return value, None
