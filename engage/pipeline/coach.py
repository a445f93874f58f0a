"""Whom of our staff mail goes to, and the evidence that makes an alert worth a call."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from babel.numbers import format_currency, format_decimal, format_percent
from sqlalchemy.engine import Connection

from engage.domain.campaigns import ALERTS, Campaign
from engage.domain.conditions import FactRef, tests_of
from engage.domain.facts import FactType
from engage.domain.programs import ALERTED, SALESPERSON, Desk, Program
from engage.domain.windows import WindowKind
from engage.facts import Scope, values
from engage.pipeline.entries import Concerning
from engage.queueing import Lane
from engage.store.coaching import insert_alerts
from engage.store.deliveries import Claimed
from engage.store.people import StaffMember, staff_members
from engage.store.referrals import salespeople_of, salespeople_of_open_referrals
from engage.store.subjects import CompanyStanding

_DESK = "desk:"


def desk(program: Program, key: str) -> StaffMember:
    """The desk as a recipient; without an address where program.yaml has it no more."""
    found = program.desks.get(key) or Desk(key, "")
    return StaffMember(None, _DESK + key, found.label, found.email, person=bool(found.name))


def address_of_program(program: Program, recipient: str) -> StaffMember:
    """Whom mail to staff goes to who is no row of `staff`: the desk in the recipient's key, else the default owner."""
    _, known, key = recipient.partition(_DESK)
    if known:
        return desk(program, key)
    return StaffMember(None, "default", program.brand.name, program.default_owner, person=False)


@dataclass(frozen=True, slots=True)
class Staff:
    """Our staff as recipients. `members` are by id, `owners` has whom to alert about each partner, `workers` who works
    each referral."""

    members: Mapping[int, StaffMember]
    owners: Mapping[int, StaffMember | None]
    companies: Mapping[int, CompanyStanding]
    default: StaffMember | None
    desks: Mapping[str, StaffMember]
    workers: Mapping[int, int] = field(default_factory=dict)

    def everybody(self) -> Iterator[StaffMember]:
        yield from self.members.values()
        if self.default is not None:
            yield self.default
        yield from self.desks.values()

    def manager(self, company_id: int) -> StaffMember | None:
        """The channel manager of a company."""
        manager = self.companies[company_id].manager_id
        return self.members.get(manager) if manager is not None else None

    def to_alert(self, about: Concerning, to: str) -> StaffMember | None:
        """The desk `to`; or the `salesperson` who works the referral; or the `owner`: of a partner, their owner; of a
        company, its channel manager; of a member of staff, their manager.

        If none of these has an address, the manager of each; after that, the program's default.
        """
        if to not in ALERTED:
            return self.desks.get(to)
        worker = self.members.get(self.workers.get(about.referral_id or 0, 0))
        if to == SALESPERSON and worker is not None and worker.email:
            return worker
        if about.partner_id is not None:
            return self.owners[about.partner_id]
        if about.company_id is not None:
            return _choose((self.companies[about.company_id].manager_id,), self.members) or self.default
        member = self.members.get(about.staff_id) if about.staff_id is not None else None
        return _choose((member.manager_id if member else None,), self.members) or self.default


def staff_for(
    db: Connection,
    scope: Scope,
    owners: Mapping[int, int | None],
    companies: Mapping[int, CompanyStanding],
    staff_ids: Collection[int],
    referral_ids: Collection[int] = (),
) -> Staff:
    """Whom to alert about the partners who have these `owners`, and the staff of these companies and referrals and with
    these ids.

    About a partner it is the first of these who has an address: the partner's owner; the salesperson of the latest open
    referral; the manager of either; the program's default.
    """
    program = scope.program
    latest = salespeople_of_open_referrals(db, scope.program_id, program, owners.keys()) if owners else {}
    workers = salespeople_of(db, referral_ids)
    named = set(owners.values()) | {c.manager_id for c in companies.values()} | set(workers.values())
    people = staff_members(db, {id_ for id_ in (*named, *latest.values(), *staff_ids) if id_ is not None})
    people |= staff_members(db, {one.manager_id for one in people.values() if one.manager_id is not None})
    default = address_of_program(program, "") if program.default_owner else None
    to_alert = {id_: _choose((owner, latest.get(id_)), people) or default for id_, owner in owners.items()}
    return Staff(people, to_alert, companies, default, {key: desk(program, key) for key in program.desks}, workers)


def _choose(candidates: Collection[int | None], people: Mapping[int, StaffMember]) -> StaffMember | None:
    persons = [people[id_] for id_ in candidates if id_ is not None and id_ in people]
    managers = [people[p.manager_id] for p in persons if p.manager_id is not None and p.manager_id in people]
    return next((person for person in (*persons, *managers) if person.email), None)


def is_alert(mail: Claimed) -> bool:
    """Whether it tells our staff of a partner or a company with whom somebody is to do something."""
    about = mail.partner_id is not None or mail.subject_company_id is not None
    return about and mail.lane == Lane.ALERTS and mail.template.startswith(ALERTS)


def raise_alerts(
    db: Connection, mails: Collection[Claimed], evidence: Mapping[int, Sequence[tuple[str, str]]], now: datetime
) -> None:
    """Puts the alerts among these mails, which begin to be sent now, on the list of those who work on them.

    Whatever becomes of the mail: whom it does not reach finds it there. `evidence` is by delivery. One statement, and
    none where there is no alert.
    """
    rows = [
        {
            "program_id": one.program_id,
            "delivery_id": one.id,
            "campaign": one.campaign,
            "template": one.template,
            "recipient": one.recipient,
            "staff_id": one.staff_id,
            "partner_id": one.partner_id,
            "company_id": one.subject_company_id,
            "referral_id": one.referral_id,
            "raised_at": now,
            "evidence": [list(line) for line in evidence.get(one.id, ())],
        }
        for one in mails
        if is_alert(one)
    ]
    insert_alerts(db, rows)


def evidence_of(
    db: Connection, scope: Scope, campaign: Campaign, subjects: Mapping[int, int | None], now: datetime
) -> dict[int, list[dict[str, str]]]:
    """The facts that the campaign's condition asks for, as they stand, by delivery: why the alert was raised."""
    refs = list(dict.fromkeys(test.ref for test in tests_of(campaign.where)))
    if not refs:
        return {}
    found = values(db, scope, campaign.subject, refs, now, {id_ for id_ in subjects.values() if id_ is not None})
    return {
        delivery: [
            {"label": evidence_label(ref), "value": evidence_value(scope.program, ref, found[subject][ref])}
            for ref in refs
        ]
        for delivery, subject in subjects.items()
        if subject in found
    }


def evidence_label(ref: FactRef) -> str:
    """A fact as a salesperson reads it: `Wins, last 90 days`; `Growth in wins, last 30 days`."""
    text = (ref.name or ref.fact).replace("_", " ").capitalize()
    if ref.by:
        text += f" in {ref.by}"
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
    type_ = program.type_of(ref)
    if type_ is FactType.MONEY and isinstance(value, int):
        return format_currency(Decimal(value).scaleb(-program.minor_digits), program.currency, locale=program.locale)
    if type_ is FactType.RATIO and isinstance(value, float):
        return format_percent(value, locale=program.locale)
    if type_ is FactType.MULTIPLE and isinstance(value, float):
        return f"{format_decimal(value, format='#,##0.#', locale=program.locale)} times"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_decimal(value, locale=program.locale)
    return str(value)
