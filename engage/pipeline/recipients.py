"""Who would be mailed for each entry: partners with their standing, and staff, who are alerted or mailed themselves."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AlertStep, Campaign, MailStep, goes_to_staff
from engage.domain.facts import Subject
from engage.facts import Scope
from engage.pipeline.cases import Recipient
from engage.pipeline.coach import Staff, staff_for
from engage.pipeline.entries import Concerning
from engage.store.enrollments import addresses_mailed
from engage.store.people import (
    PartnerStanding,
    StaffMember,
    address_ids,
    ensure_addresses,
    partner_standings,
    suppressed_addresses,
)
from engage.store.subjects import CompanyStanding, company_standings


@dataclass(slots=True)
class Recipients:
    """`mailed` has, by (occasion, step, address), the partner whose mail took the address on a schedule's slot."""

    partners: dict[int, PartnerStanding]
    companies: dict[int, CompanyStanding]
    staff: Staff
    staff_addresses: dict[str, int]
    suppressed: set[int]
    mailed: dict[tuple[int, str, int], int]
    resting: set[int] = field(default_factory=set)

    @classmethod
    def load(
        cls,
        db: Connection,
        scope: Scope,
        whom: Collection[Concerning],
        *,
        alerts: bool,
        run_occasions: Collection[int] = (),
        dry: bool = False,
        as_of: datetime | None = None,
    ) -> "Recipients":
        """A fixed number of statements. `alerts`: whom to alert about each, too.

        `dry` writes nothing (an address never seen before has no row then).

        With `as_of` consent and status are those of a past instant, otherwise those that stand.
        """
        companies = company_standings(db, {one.company_id for one in whom if one.company_id is not None})
        own = {one.partner_id for one in whom if one.partner_id is not None}
        contacts = {company.contact_id for company in companies.values() if company.contact_id is not None}
        partners = partner_standings(db, own | contacts, as_of) if own | contacts else {}
        alerted_about = {id_: partners[id_].owner_id for id_ in own} if alerts else {}
        named = {one.staff_id for one in whom if one.staff_id is not None}
        worked = {one.referral_id for one in whom if one.referral_id is not None} if alerts else set()
        staff = staff_for(db, scope, alerted_about, companies, named, worked)
        emails = {person.email.lower() for person in staff.everybody() if person.email}
        staff_addresses = address_ids(db, emails) if dry else ensure_addresses(db, emails)
        mailed: dict[tuple[int, str, int], int] = {}
        partner_addresses = {p.address_id for p in partners.values() if p.address_id is not None}
        if run_occasions:
            mailed = addresses_mailed(db, run_occasions, partner_addresses)
        suppressed = suppressed_addresses(db, staff_addresses.values(), of_staff=True)
        return cls(partners, companies, staff, staff_addresses, suppressed, mailed)

    def partner(self, one: Concerning, campaign: Campaign, step: MailStep) -> PartnerStanding | None:
        """The partner whom the mail is to, or about; None of mail to staff about a company or about themselves."""
        if one.partner_id is not None:
            return self.partners[one.partner_id]
        if goes_to_staff(campaign, step):
            return None
        contact = self.companies[one.company_id].contact_id if one.company_id is not None else None
        return self.partners.get(contact) if contact is not None else None

    def person(self, one: Concerning, step: MailStep) -> StaffMember | None:
        """The member of staff whom the mail is to."""
        if isinstance(step, AlertStep):
            return self.staff.to_alert(one, step.to)
        if one.company_id is not None:
            return self.staff.manager(one.company_id)
        return self.staff.members.get(one.staff_id) if one.staff_id is not None else None

    def of(self, one: Concerning, campaign: Campaign, step: MailStep) -> Recipient:
        partner = self.partner(one, campaign, step)
        if not goes_to_staff(campaign, step):
            return Recipient.partner(partner, campaign.topic) if partner else Recipient.nobody()
        person = self.person(one, step)
        address_id = self.staff_addresses.get(person.email.lower()) if person else None
        about = partner.external_id if partner else ""
        return Recipient.staff(person, address_id, address_id in self.suppressed, about)

    def same_address(self, occasion_id: int, campaign: Campaign, step: MailStep, recipient: Recipient) -> bool:
        """Whether another partner with this address has this step of this slot already.

        Mails about a referral, a reward or a company are each about another one: no two of them are the same.
        """
        if campaign.subject is not Subject.PARTNER or recipient.to_staff or recipient.address_id is None:
            return False
        holder = self.mailed.get((occasion_id, step.id, recipient.address_id))
        return holder is not None and holder != recipient.partner_id

    def take_address(self, occasion_id: int, step: MailStep, recipient: Recipient) -> None:
        if recipient.address_id is not None and recipient.partner_id is not None:
            self.mailed.setdefault((occasion_id, step.id, recipient.address_id), recipient.partner_id)
