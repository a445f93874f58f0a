"""In whose name a mail is: the program's, or that of a person of our staff who has to do with whoever reads it.

A person's answers go to them; the address that a mail is from stays the program's, which providers have verified.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from engage.content.frontmatter import MANAGER, PROGRAM, SALESPERSON
from engage.content.sandbox import printable
from engage.content.words import Words
from engage.domain.messages import Mailbox
from engage.domain.programs import Brand
from engage.facts import Scope
from engage.pipeline.coach import Staff, staff_for
from engage.store.deliveries import Claimed
from engage.store.people import StaffMember, owners_named
from engage.store.referrals import salespeople_of
from engage.store.subjects import company_standings


@dataclass(frozen=True, slots=True)
class Sender:
    """`person` is None where the mail is in the program's name."""

    brand: Brand
    person: StaffMember | None = None

    @property
    def mailbox(self) -> Mailbox:
        if self.person is None:
            return Mailbox(self.brand.from_email, self.brand.from_name)
        name = " ".join(printable(f"{self.person.name}, {self.brand.from_name}").split())  # a header is one line
        return Mailbox(self.brand.from_email, name)

    @property
    def reply_to(self) -> str:
        return self.person.email if self.person else self.brand.reply_to

    def context(self, words: Words) -> dict[str, Any]:
        """`sender`, as templates know it."""
        person = self.person
        return {
            "name": person.name if person else self.brand.from_name,
            "first_name": person.first_name if person else self.brand.from_name,
            "email": self.reply_to,
            "role": words(person.role[:1].upper() + person.role[1:]) if person else "",
            "person": person is not None,
        }


def senders(
    db: Connection, scope: Scope, kind: str, group: Sequence[Claimed], asking: Mapping[int, int | None]
) -> dict[int, Sender]:
    """In whose name each of these deliveries is, by id; `kind` is what the email's front matter says.

    `owner` is whom an alert about the partner would go to; `manager` the channel manager of the company that the mail
    is about, or of the reader's; `salesperson` who works the referral, else the owner. `asking` has, by delivery, the
    member of staff who asked for help: it is their mail then. Where there is no such person, or nothing but an address
    is known of them, it is the program.
    """
    brand = scope.program.brand
    if kind == PROGRAM:
        return {one.id: Sender(brand) for one in group}
    partners = {one.partner_id for one in group if one.partner_id is not None}
    companies = {id_ for one in group if (id_ := one.subject_company_id or one.company_id) is not None}
    referrals = {one.referral_id for one in group if one.referral_id is not None}
    of_referrals = salespeople_of(db, referrals) if kind == SALESPERSON else {}
    workers = {one.id: asking.get(one.id) or of_referrals.get(one.referral_id or 0) for one in group}
    standings = company_standings(db, companies) if kind == MANAGER else {}
    owners = owners_named(db, partners) if kind != MANAGER else {}
    staff = staff_for(db, scope, owners, standings, {id_ for id_ in workers.values() if id_ is not None})
    return {one.id: Sender(brand, _known(_person(kind, staff, workers[one.id], one))) for one in group}


def _person(kind: str, staff: Staff, worker_id: int | None, one: Claimed) -> StaffMember | None:
    if kind == MANAGER:
        company = one.subject_company_id or one.company_id
        return staff.manager(company) if company is not None and company in staff.companies else None
    worker = staff.members.get(worker_id or 0) if kind == SALESPERSON else None
    return worker if worker and worker.email else staff.owners.get(one.partner_id or 0)


def _known(person: StaffMember | None) -> StaffMember | None:
    """None of the program's own address, and of somebody who has no address, or an id in the place of a name."""
    if person is None or person.staff_id is None or not person.email or person.name == person.external_id:
        return None
    return person
