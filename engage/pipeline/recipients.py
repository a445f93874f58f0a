"""Who would be mailed for each entry: partners with their standing, and the salespeople to alert about them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AlertStep, Campaign, MailStep
from engage.facts import Scope
from engage.pipeline.cases import Recipient
from engage.pipeline.coach import owners
from engage.store.enrollments import addresses_mailed
from engage.store.people import (
    PartnerStanding,
    StaffMember,
    address_ids,
    ensure_addresses,
    partner_standings,
    suppressed_addresses,
)


@dataclass(slots=True)
class Recipients:
    """`mailed` has, by (occasion, step, address), the partner whose mail took the address on a schedule's slot."""

    partners: dict[int, PartnerStanding]
    staff: dict[int, StaffMember | None]
    staff_addresses: dict[str, int]
    suppressed: set[int]
    mailed: dict[tuple[int, str, int], int]

    @classmethod
    def load(
        cls,
        db: Connection,
        scope: Scope,
        partner_ids: Collection[int],
        *,
        alerts: bool,
        run_occasions: Collection[int] = (),
        dry: bool = False,
        as_of: datetime | None = None,
    ) -> "Recipients":
        """A fixed number of statements. `alerts`: salespeople too.

        `dry` writes nothing (an address never seen before has no row then).

        With `as_of` consent and status are those of a past instant, otherwise those that stand.
        """
        partners = partner_standings(db, partner_ids, as_of)
        staff = owners(db, scope.program, scope.program_id, partners) if alerts else {}
        emails = {person.email.lower() for person in staff.values() if person and person.email}
        staff_addresses = address_ids(db, emails) if dry else ensure_addresses(db, emails)
        mailed: dict[tuple[int, str, int], int] = {}
        partner_addresses = {p.address_id for p in partners.values() if p.address_id is not None}
        if run_occasions:
            mailed = addresses_mailed(db, run_occasions, partner_addresses)
        suppressed = suppressed_addresses(db, staff_addresses.values())
        return cls(partners, staff, staff_addresses, suppressed, mailed)

    def of(self, partner_id: int, campaign: Campaign, step: MailStep) -> Recipient:
        partner = self.partners[partner_id]
        if not isinstance(step, AlertStep):
            return Recipient.partner(partner, campaign.topic)
        person = self.staff.get(partner_id)
        address_id = self.staff_addresses.get(person.email.lower()) if person else None
        return Recipient.staff(person, address_id, address_id in self.suppressed, partner.external_id)

    def same_address(self, occasion_id: int, step: MailStep, partner_id: int, recipient: Recipient) -> bool:
        """Whether another partner with this address has this step of this slot already."""
        if recipient.to_staff or recipient.address_id is None:
            return False
        holder = self.mailed.get((occasion_id, step.id, recipient.address_id))
        return holder is not None and holder != partner_id

    def take_address(self, occasion_id: int, step: MailStep, partner_id: int, recipient: Recipient) -> None:
        if recipient.address_id is not None and not recipient.to_staff:
            self.mailed.setdefault((occasion_id, step.id, recipient.address_id), partner_id)
