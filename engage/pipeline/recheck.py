"""Decides a second time, under locks, in the transaction that moves to `sending`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.domain.conditions import Condition, tests_of
from engage.domain.decisions import Decision, Defer, Reason, Skip
from engage.domain.deliveries import DeliveryState
from engage.domain.experiments import Arm, withheld
from engage.domain.facts import Subject
from engage.facts import FeedState, Scope, Value, holds, values
from engage.pipeline.caps import lock_wider
from engage.pipeline.cases import Recipient, case_for
from engage.pipeline.choosing import arm_in
from engage.pipeline.clocks import due_on_their_clocks
from engage.pipeline.coach import address_of_program
from engage.pipeline.gathering import due_where_they_are
from engage.pipeline.goals import Entered, reached
from engage.pipeline.library import Library
from engage.pipeline.mailing import heard_feeds
from engage.pipeline.rollout import arm_inside
from engage.pipeline.sunset import resting
from engage.pipeline.updates import untold_again
from engage.policy import LOOK_AGAIN, decide
from engage.policy.caps import Whose
from engage.store.caps import set_whose
from engage.store.deliveries import Claimed
from engage.store.people import (
    PartnerStanding,
    ensure_addresses,
    lock_recipients,
    partner_standings,
    staff_members,
    suppressed_addresses,
)
from engage.store.same_address import sharing_an_address
from engage.store.subjects import CompanyStanding, company_standings
from engage.store.topic_pauses import paused_topics

ENDS_AS = {
    Reason.EXPIRED: DeliveryState.EXPIRED,
    Reason.SUPPRESSED: DeliveryState.SUPPRESSED,
    Reason.UNSUBSCRIBED: DeliveryState.CANCELLED,
    Reason.PAUSED_BY_PARTNER: DeliveryState.CANCELLED,
}
"""The state after being decided against when looked at again; any other reason leads to SKIPPED."""


@dataclass(frozen=True, slots=True)
class Second:
    """What was decided when looked at again, on which values, and where it would go to now.

    Not `settled`: the partner's company has changed in this very moment and is not locked; it is to be looked at anew.
    """

    decision: Decision
    email: str | None
    values: Mapping[str, Any] = field(default_factory=dict)
    address_id: int | None = None
    company_id: int | None = None
    settled: bool = True

    def whose(self, claimed: Claimed) -> Whose:
        """Whose mails the delivery is one of, as it would go out now."""
        return Whose(claimed.partner_id, self.company_id, self.address_id, claimed.program_id)


def decision_row(claimed: Claimed, second: Second, phase: str, now: datetime) -> dict[str, Any]:
    """What is kept of a changed mind."""
    decision = second.decision
    return {
        "program_id": claimed.program_id,
        "enrollment_id": claimed.enrollment_id,
        "step": claimed.step,
        "phase": phase,
        "decision": decision.kind,
        "reason": decision.reason if isinstance(decision, Defer | Skip) else None,
        "until": decision.until if isinstance(decision, Defer) else None,
        "values": dict(second.values),
        "decided_at": now,
    }


def note_whose(db: Connection, looked: Iterable[tuple[Claimed, Second]]) -> None:
    """Writes whose mails these are by now: the partner may have moved since they were decided, and caps count them."""
    rows = [
        {"id": claimed.id, "company_id": second.company_id, "address_id": second.address_id}
        for claimed, second in looked
        if (claimed.company_id, claimed.address_id) != (second.company_id, second.address_id)
    ]
    set_whose(db, rows)


def recheck(db: Connection, library: Library, batch: Sequence[Claimed], now: datetime) -> dict[int, Second]:
    """Looks again at consent, suppression, feeds, `where` and `stop_when` of each delivery, by id.

    Takes the locks on whatever caps count together, on recipients and addresses, and holds them until the transaction
    ends.
    """
    partner_ids = {claimed.partner_id for claimed in batch if claimed.partner_id is not None}
    companies = lock_wider(db, library, batch)
    addresses = {c.address_id for c in batch if c.address_id is not None}
    lock_recipients(db, partner_ids, addresses | _staff_addresses(db, library, batch))
    decided = look_again(db, library, batch, now)
    for claimed in batch if companies else ():
        second = decided[claimed.id]
        locked = companies.get(claimed.program_id)
        if locked is not None and second.company_id is not None and second.company_id not in locked:
            decided[claimed.id] = replace(second, settled=False)
    return decided


def _staff_addresses(db: Connection, library: Library, batch: Sequence[Claimed]) -> set[int]:
    """Where mail to staff goes by now: unlike partners, they are not locked themselves."""
    alerts = [claimed for claimed in batch if claimed.recipient.startswith("staff:")]
    if not alerts:
        return set()
    people = staff_members(db, {one.staff_id for one in alerts if one.staff_id is not None})
    nobodys = ((library.scope(one.program_id), one.recipient) for one in alerts if one.staff_id is None)
    emails = {address_of_program(scope.program, key).email for scope, key in nobodys if scope}
    emails |= {one.email for one in people.values()}
    return set(ensure_addresses(db, filter(None, emails)).values())


def look_again(db: Connection, library: Library, batch: Sequence[Claimed], now: datetime) -> dict[int, Second]:
    """As `recheck`, without locks."""
    partners = partner_standings(db, {claimed.partner_id for claimed in batch if claimed.partner_id is not None})
    decided: dict[int, Second] = {}
    for program_id in sorted({claimed.program_id for claimed in batch}):
        scope = library.scope(program_id)
        mine = [claimed for claimed in batch if claimed.program_id == program_id]
        there = [claimed for claimed in mine if library.get(program_id, claimed.campaign) is not None]
        decided |= {claimed.id: _gone(library, now) for claimed in mine}
        if scope is not None and there:
            decided |= _recheck_program(db, library, scope, there, partners, now)
    return decided


def _gone(library: Library, now: datetime) -> Second:
    """What becomes of mail whose campaign is not there: it waits while there is a mistake in some file."""
    reason = Reason.CAMPAIGN_NOT_LIVE
    return Second(Defer(now + LOOK_AGAIN, reason) if library.problems else Skip(reason), None)


def _recheck_program(
    db: Connection,
    library: Library,
    scope: Scope,
    batch: Sequence[Claimed],
    partners: dict[int, PartnerStanding],
    now: datetime,
) -> dict[int, Second]:
    looked = _look(db, library, scope, batch, partners, now)
    seconds = {claimed.id: looked.second(claimed, now) for claimed in batch}
    campaigns = looked.campaigns
    changed = [one for one in batch if isinstance(seconds[one.id].decision, Skip) and campaigns[one.campaign]]
    found = _values(db, scope, [(one, campaigns[one.campaign]) for one in changed], now)
    return seconds | {id_: replace(seconds[id_], values=values) for id_, values in found.items()}


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found about deliveries of one program, all at once: sets and mappings are by delivery's id unless named
    otherwise.
    """

    scope: Scope
    campaigns: Mapping[str, Campaign | None]
    partners: Mapping[int, PartnerStanding]  # by partner
    recipients: Mapping[int, Recipient]
    feeds: Mapping[str, tuple[FeedState, ...]]  # by campaign
    met: Mapping[str, Collection[int]]  # by campaign, of those with a `where`
    stopped: Mapping[str, Collection[int]]  # by campaign, of those with a `stop_when`
    there: Mapping[str, Collection[int]]  # by campaign
    sharing: Collection[int]
    paused: Collection[str]  # topics
    asleep: Collection[int]  # partners
    untold: Mapping[int, Reason]
    not_before: Mapping[int, datetime]
    arms: Mapping[int, Arm]

    def second(self, claimed: Claimed, now: datetime) -> Second:
        """What is decided of one of them."""
        name, topic = claimed.campaign, self.scope.program.topics.get(claimed.topic)
        recipient = self.recipients[claimed.id]
        case = case_for(
            self.campaigns[name],
            self.scope.program,
            now,
            recipient,
            self.partners.get(claimed.partner_id or 0),
            transactional=topic is not None and topic.transactional,
            expires_at=claimed.expires_at,
            same_address=claimed.id in self.sharing,
            topic_paused=claimed.topic in self.paused,
            feeds=self.feeds.get(name, ()),
            condition_holds=claimed.id in self.met[name] if name in self.met else None,
            stopped=claimed.id in self.stopped.get(name, ()),
            goal_reached=claimed.id in self.there.get(name, ()),
            resting=claimed.partner_id in self.asleep,
            untold=self.untold.get(claimed.id),
            not_before=self.not_before.get(claimed.id),
        )
        decision = decide(case)
        if not isinstance(decision, Skip):
            decision = withheld(self.arms.get(claimed.id, Arm.TREATED)) or decision
        return Second(decision, recipient.email, address_id=recipient.address_id, company_id=recipient.company_id)


def _look(
    db: Connection,
    library: Library,
    scope: Scope,
    batch: Sequence[Claimed],
    partners: dict[int, PartnerStanding],
    now: datetime,
) -> _Looked:
    campaigns = {c.campaign: library.get(scope.program_id, c.campaign) for c in batch}
    known = [campaign for campaign in campaigns.values() if campaign is not None]
    recipients = _recipients(db, scope, batch, partners)
    for_partners = {campaign.name for campaign in known if campaign.subject is Subject.PARTNER}
    moved = [one.id for one in batch if one.campaign in for_partners and _has_moved(one, recipients[one.id])]
    return _Looked(
        scope,
        campaigns,
        partners,
        recipients,
        feeds=heard_feeds(db, scope, known, now),
        met={c.name: _meeting(db, scope, c, c.where, batch, now) for c in known if c.where is not None},
        stopped={
            c.name: _meeting(db, scope, c, c.stop_when, batch, now, whoever=True)
            for c in known
            if c.stop_when is not None
        },
        there={c.name: reached(db, c, _entered(c, batch), now) for c in known},
        sharing=sharing_an_address(db, moved),
        paused=paused_topics(db, scope.program_id, now),
        asleep=resting(db, scope, {one.partner_id for one in batch if one.partner_id is not None}, now),
        untold=untold_again(db, scope, batch, campaigns, now),
        not_before=due_where_they_are(scope.program, batch, campaigns, partners)
        | due_on_their_clocks(scope.program, batch, campaigns, partners),
        arms=_arms(db, library, scope, batch, campaigns, partners),
    )


def _arms(
    db: Connection,
    library: Library,
    scope: Scope,
    batch: Sequence[Claimed],
    campaigns: Mapping[str, Campaign | None],
    partners: Mapping[int, PartnerStanding],
) -> dict[int, Arm]:
    """The arm in which each mail finds its partner: after a merge the survivor's, whoever it was meant for.

    Mails that are held out already only compete for the room that they would have had.
    """
    versions = library.versions(db, {one.version_id for one in batch if one.arm is None})
    found: dict[int, Arm] = {}
    for one in batch:
        campaign, partner = campaigns[one.campaign], partners.get(one.partner_id or 0)
        if campaign is not None and partner is not None and not one.held_out:
            entered = arm_inside(versions.get(one.version_id, campaign), one.arm)
            found[one.id] = arm_in(scope.program, campaign, entered, partner.external_id)
    return found


def _entered(campaign: Campaign, batch: Sequence[Claimed]) -> list[Entered]:
    mine = (claimed for claimed in batch if claimed.campaign == campaign.name)
    return [(one.id, one.partner_id, one.entered_at) for one in mine if one.entered_at is not None]


def _has_moved(claimed: Claimed, recipient: Recipient) -> bool:
    """Whether the partner has another address than when it was decided that this goes to only one partner there."""
    moved = recipient.address_id is not None and recipient.address_id != claimed.address_id
    return moved and not recipient.to_staff


def _values(
    db: Connection, scope: Scope, changed: Sequence[tuple[Claimed, Campaign | None]], now: datetime
) -> dict[int, dict[str, Value]]:
    """The values behind a changed mind: what `where` and `stop_when` ask, as it stands now, by delivery."""
    found: dict[int, dict[str, Value]] = {}
    by_campaign: dict[str, list[tuple[Claimed, Campaign]]] = {}
    for claimed, campaign in changed:
        if campaign is not None:
            by_campaign.setdefault(campaign.name, []).append((claimed, campaign))
    for group in by_campaign.values():
        campaign = group[0][1]
        tests = (*tests_of(campaign.where), *tests_of(campaign.stop_when))
        refs = list(dict.fromkeys(test.ref for test in tests))
        subjects = {claimed.id: subject_of(campaign.subject, claimed) for claimed, _ in group}
        ids = {id_ for id_ in subjects.values() if id_ is not None}
        facts = values(db, scope, campaign.subject, refs, now, ids) if refs else {}
        for delivery, subject in subjects.items():
            if subject in facts:
                found[delivery] = {str(ref): value for ref, value in facts[subject].items()}
    return found


def _meeting(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    condition: Condition,
    batch: Iterable[Claimed],
    now: datetime,
    *,
    whoever: bool = False,
) -> set[int]:
    """The deliveries of the campaign whose subject meets the condition as of `now`, as `holds` means it."""
    subjects = {
        claimed.id: subject_of(campaign.subject, claimed) for claimed in batch if claimed.campaign == campaign.name
    }
    ids = sorted({subject for subject in subjects.values() if subject is not None})
    met = holds(db, scope, campaign.subject, condition, now, ids, whoever=whoever)
    return {delivery for delivery, subject in subjects.items() if subject in met}


def subject_of(subject: Subject, claimed: Claimed) -> int | None:
    """The id of what the campaign is `for`, out of the delivery's enrollment."""
    return {
        Subject.PARTNER: claimed.partner_id,
        Subject.REFERRAL: claimed.referral_id,
        Subject.REWARD: claimed.reward_id,
        Subject.COMPANY: claimed.subject_company_id,
        Subject.STAFF: claimed.subject_staff_id,
    }[subject]


def _recipients(
    db: Connection, scope: Scope, batch: Sequence[Claimed], partners: dict[int, PartnerStanding]
) -> dict[int, Recipient]:
    alerts = [claimed for claimed in batch if claimed.recipient.startswith("staff:")]
    people = staff_members(db, {claimed.staff_id for claimed in alerts if claimed.staff_id is not None})
    persons = {
        c.id: people.get(c.staff_id) if c.staff_id is not None else address_of_program(scope.program, c.recipient)
        for c in alerts
    }
    held = ensure_addresses(db, [person.email for person in persons.values() if person and person.email])
    suppressed = suppressed_addresses(db, held.values(), of_staff=True)
    companies = company_standings(db, {c.subject_company_id for c in batch if c.subject_company_id is not None})
    found: dict[int, Recipient] = {}
    for claimed in batch:
        partner = partners.get(claimed.partner_id) if claimed.partner_id is not None else None
        if claimed.id in persons:
            person = persons[claimed.id]
            address_id = held.get(person.email.lower()) if person else None
            about = partner.external_id if partner else ""
            found[claimed.id] = Recipient.staff(person, address_id, address_id in suppressed, about)
        elif partner is None or not _is_meant(claimed, companies):
            found[claimed.id] = Recipient.nobody()
        else:
            found[claimed.id] = Recipient.partner(partner, claimed.topic)
    return found


def _is_meant(claimed: Claimed, companies: Mapping[int, CompanyStanding]) -> bool:
    """Whether the partner still is the one to whom it goes: what is said to a company's contact is said to no other."""
    if claimed.subject_company_id is None:
        return True
    company = companies.get(claimed.subject_company_id)
    return company is not None and company.contact_id == claimed.partner_id
