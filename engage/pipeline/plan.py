"""Who would get what, and why, before it happens: the pipeline's own steps without a write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AtStep, Campaign, EventTrigger, MailStep, ScheduleTrigger, WaitStep
from engage.domain.decisions import Decision, Reason, Skip
from engage.domain.experiments import Arm, arm_of, draws
from engage.domain.journeys import path_of
from engage.domain.promotions import at_of, caught_up
from engage.facts import FeedState, Scope, audience
from engage.pipeline.again import entering
from engage.pipeline.cap_room import Taken, room_for
from engage.pipeline.caps import is_held_to_caps
from engage.pipeline.cases import Recipient, as_if_live, case_for
from engage.pipeline.choosing import Words, arm_in, drawn
from engage.pipeline.clocks import current_comes_at, slot_now
from engage.pipeline.entries import Whom
from engage.pipeline.mailing import heard_feeds, lane_of
from engage.pipeline.match import entering_now, event_key, meeting_condition
from engage.pipeline.match import subject_id as subject_of_event
from engage.pipeline.recipients import Recipients
from engage.pipeline.reentry import Insiders, still_inside
from engage.pipeline.rollout import admitted, shut_out_by
from engage.pipeline.sunset import resting
from engage.pipeline.updates import gathered
from engage.policy import Case, decide
from engage.policy.caps import Whose, competes
from engage.store.events import HistoryEvent, events_between
from engage.store.experiments import first_entries
from engage.store.people import PartnerStanding, names_of
from engage.store.subjects import external_ids
from engage.store.topic_pauses import paused_topics
from engage.store.upserts import BATCH

LOOK_BACK = timedelta(days=1)
"""The plan of an event campaign shows what the events of the day up to the instant would have sent."""

_NO_OCCASION = 0  # a plan has no occasion: all its partners stand in the same one


@dataclass(frozen=True, slots=True)
class Later:
    """Decided when it is reached, after the wait `after`; at `at` where that is known, of an `at:` step."""

    after: str
    at: datetime | None = None
    kind = "later"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """`to` is the recipient's key, `name` and `email` are what people know the recipient by, as it stands now.

    `caps` say how much is taken of the room that a mail would compete for, `whose` whose mails it would be one of.
    """

    step: str
    to: str
    name: str
    email: str | None
    decision: Decision | Later
    whose: Whose | None = None
    caps: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """What one subject's mails would be. `decision` is that of the first step.

    `partner` is the partner to whom the subject leads, `subject` the subject itself (the same, of partners): external
    ids. Companies and staff lead to none.
    """

    partner: str | None
    subject: str
    steps: tuple[PlannedStep, ...]

    @property
    def decision(self) -> Decision | Later:
        return self.steps[0].decision


@dataclass(frozen=True, slots=True)
class Plan:
    """`matched` counts who meets `where`, `entering` those of them who would really enter, before consent and the rest;
    `entering_as` by the arm in which each would, where anybody may be held out. `kept_out` counts the others by what
    keeps them out. `arms` counts the partners who have entered or would now, by the arm in which they are.

    `place` is that in the program's `order`, from 1, of a campaign whose mails compete under frequency caps; 0: it is
    not in there and comes after. A draft is planned as if it were live. Of a plan that was asked for so many at `most`,
    `decisions` are those of as many, who would enter first, and `arms` and `entering_as` count no others.
    """

    campaign: Campaign
    as_of: datetime
    matched: int
    entering: int
    decisions: tuple[Planned, ...]
    arms: Counter[Arm] = field(default_factory=Counter)
    entering_as: Counter[Arm] = field(default_factory=Counter)
    kept_out: Counter[Reason] = field(default_factory=Counter)
    place: int | None = None

    @property
    def held(self) -> bool:
        """Whether so many would enter that the run is held."""
        return self.campaign.max_audience is not None and self.entering > self.campaign.max_audience


@dataclass(frozen=True, slots=True)
class _Candidate:
    whom: Whom
    subject_id: int
    objection: Reason | None = None


def plan(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    as_of: datetime,
    *,
    heard_at: datetime | None = None,
    most: int | None = None,
) -> Plan:
    """The plan of one campaign as of an instant. Writes nothing.

    `heard_at`: of an instant that is yet to come, when it is judged whether feeds are heard: nobody has heard from the
    future. `most`: decide about so many at the most, and leave out who entered before, so that its cost does not grow
    with history.
    """
    candidates = _of_schedule(db, scope, campaign, as_of) if isinstance(campaign.trigger, ScheduleTrigger) else []
    if isinstance(campaign.trigger, EventTrigger):
        candidates = _of_events(db, scope, campaign, campaign.trigger, as_of)
    looked_at = candidates if most is None else sorted(candidates, key=lambda one: one.objection is not None)[:most]
    feeds = heard_feeds(db, scope, [campaign], heard_at or as_of)[campaign.name]
    paused = campaign.topic in paused_topics(db, scope.program_id, as_of)
    mails = _ahead(scope, campaign, as_of)
    planned: list[Planned] = []
    drawing, entering_as = draws(scope.program, campaign), Counter[Arm]()
    before = first_entries(db, scope.program_id, campaign.name, None, as_of) if most is None else []
    entered = {one.partner_id: one.arm for one in before}
    taken: dict[tuple[int, str, int], int] = {}
    for start in range(0, len(looked_at), BATCH):
        chunk = looked_at[start : start + BATCH]
        people = Recipients.load(db, scope, [one.whom for one in chunk], alerts=True, dry=True, as_of=as_of)
        people.mailed = taken  # one address gets one mail, across the chunks too
        people.resting = resting(db, scope, people.partners, as_of)
        names = names_of(db, people.partners)
        subjects = external_ids(db, campaign.subject, {one.subject_id for one in chunk})
        wanted = [(id_, campaign.name, step) for id_ in people.partners for step in mails]
        words = Words.load(db, scope, wanted, dry=True)
        for one in chunk:
            own = people.partners[one.whom.partner_id] if one.whom.partner_id is not None else None
            if own and one.objection is None:
                arm = arm_of(scope.program, campaign, own.external_id)
                entered.setdefault(own.partner_id, arm)
                if drawing:
                    entering_as[arm] += 1
            steps = tuple(
                _step(scope, campaign, step, later, one, people, names, words, paused, feeds, as_of)
                for step, later in mails.items()
            )
            planned.append(Planned(own.external_id if own else None, subjects[one.subject_id], steps))
        planned[start:] = _with_caps(db, scope, campaign, planned[start:], as_of)
    kept_out = Counter(one.objection for one in candidates if one.objection is not None)
    return Plan(
        campaign,
        as_of,
        matched=len(candidates),
        entering=len(candidates) - kept_out.total(),
        decisions=tuple(planned),
        arms=Counter(entered.values()),
        entering_as=entering_as,
        kept_out=kept_out,
        place=_place(scope, campaign),
    )


def _ahead(scope: Scope, campaign: Campaign, as_of: datetime) -> dict[MailStep, Later | None]:
    """The mails on the way of who enters now, those that are called for later with what they wait for.

    Of a promotion they begin where one would join in; all, where nothing is left of it.
    """
    path, promotion, zone = path_of(campaign.steps), campaign.promotion, scope.program.zone
    first = path.first

    def instant(wait: WaitStep | AtStep | None) -> datetime | None:
        return at_of(wait, promotion, zone) if promotion and isinstance(wait, AtStep) else None

    if promotion is not None:
        first = caught_up(path, first, promotion, zone, as_of)
        joined = path.nodes[first].step if first else None
        if isinstance(joined, AtStep) and at_of(joined, promotion, zone) <= as_of:
            first = path.nodes[joined.id].follows
    ahead = {step: Later(wait.id, instant(wait)) if wait else None for step, wait in path.mails_from(first)}
    return ahead or dict.fromkeys(path.mails())


def _place(scope: Scope, campaign: Campaign) -> int | None:
    if not competes(scope.program, campaign.topic):
        return None
    order = scope.program.order
    return order.index(campaign.name) + 1 if campaign.name in order else 0


def _with_caps(
    db: Connection, scope: Scope, campaign: Campaign, planned: Sequence[Planned], as_of: datetime
) -> list[Planned]:
    """With what frequency caps say of the mails that nothing else stands against."""
    mails = [step.whose for one in planned for step in one.steps if step.whose is not None]
    rooms = iter(room_for(db, scope.program, campaign, mails, as_of))

    def with_room(step: PlannedStep) -> PlannedStep:
        if step.whose is None:
            return step
        room = next(rooms)
        return replace(step, caps=room.taken, decision=room.decision or step.decision)

    return [replace(one, steps=tuple(with_room(step) for step in one.steps)) for one in planned]


def _of_schedule(db: Connection, scope: Scope, campaign: Campaign, as_of: datetime) -> list[_Candidate]:
    assert isinstance(campaign.trigger, ScheduleTrigger)
    members = list(audience(scope, campaign.subject, campaign.where, as_of).rows(db))
    whom = {one.subject_id: Whom.of(campaign.subject, one.subject_id, one.partner_id) for one in members}
    admitted_ = admitted(db, scope, campaign, [(one.partner_id, one.subject_id) for one in members], as_of)
    let_in = sorted(subject_id for _, subject_id in admitted_)
    shut_out = dict.fromkeys(whom, shut_out_by(scope, campaign, as_of))
    objections = shut_out | dict.fromkeys(let_in, Reason.ALREADY_ENROLLED)
    may = may_enter(db, scope, campaign, campaign.trigger, let_in, as_of)
    objections |= dict.fromkeys(still_inside(db, scope, campaign, may, as_of), Reason.STILL_INSIDE)
    enters = {id_ for id_ in may if objections[id_] is not Reason.STILL_INSIDE}
    return [_Candidate(one, id_, None if id_ in enters else objections[id_]) for id_, one in whom.items()]


def may_enter(
    db: Connection, scope: Scope, campaign: Campaign, trigger: ScheduleTrigger, ids: Sequence[int], as_of: datetime
) -> set[int]:
    """Those of these subjects, which all meet the condition, whom `again` lets in on the slot that is current."""
    return entering(db, scope, campaign, ids, slot_now(trigger, scope.program.zone, as_of).key, as_of)


def _of_events(
    db: Connection, scope: Scope, campaign: Campaign, trigger: EventTrigger, as_of: datetime
) -> list[_Candidate]:
    events = events_between(db, scope.program_id, trigger.event, as_of - LOOK_BACK, as_of)
    found = [(e, campaign) for e in events if not trigger.to or e.to_status in trigger.to]
    meeting = list(meeting_condition(db, scope, found, as_of))
    let_in = {event.id for event, _, _ in entering_now(db, scope, meeting, as_of)}
    shut_out = shut_out_by(scope, campaign, as_of)
    subjects = [(event, id_) for event, _, _ in meeting if (id_ := subject_of_event(campaign.subject, event))]
    inside = Insiders.load(db, scope, campaign, {id_ for _, id_ in subjects}, as_of)

    def objection(event: HistoryEvent, id_: int) -> Reason | None:
        if event.id not in let_in:
            return shut_out
        return None if inside.lets_in(campaign, id_, event_key(event)) else Reason.STILL_INSIDE

    return [_Candidate(Whom(partner_id=event.partner_id), id_, objection(event, id_)) for event, id_ in subjects]


def _step(
    scope: Scope,
    campaign: Campaign,
    step: MailStep,
    later: Later | None,
    candidate: _Candidate,
    people: Recipients,
    names: Mapping[int, str],
    words: Words,
    paused: bool,
    feeds: tuple[FeedState, ...],
    as_of: datetime,
) -> PlannedStep:
    recipient = people.of(candidate.whom, campaign, step)
    partner = people.partner(candidate.whom, campaign, step)
    same = people.same_address(_NO_OCCASION, campaign, step, recipient)
    case = planned_case(scope, campaign, step, partner, recipient, people, paused, feeds, as_of)
    decision = Skip(candidate.objection) if candidate.objection else decide(replace(case, same_address=same))
    unit, partner_id = (partner.external_id, partner.partner_id) if partner else (recipient.key, None)
    arm = arm_in(scope.program, campaign, None, unit if partner else None)
    decision = drawn(decision, arm, words.of(partner_id, unit, campaign.name, step))
    if not isinstance(decision, Skip):
        people.take_address(_NO_OCCASION, step, recipient)
    person = people.person(candidate.whom, step) if recipient.to_staff else None
    name = person.name if person else "" if recipient.partner_id is None else names[recipient.partner_id]
    if later and not isinstance(decision, Skip):
        return PlannedStep(step.id, recipient.key, name, recipient.email, later)
    whose = None if isinstance(decision, Skip) else competing(scope, campaign, step, recipient)
    return PlannedStep(step.id, recipient.key, name, recipient.email, decision, whose)


def competing(scope: Scope, campaign: Campaign, step: MailStep, recipient: Recipient) -> Whose | None:
    """Whose mails a mail would be one of, if it competes for room under frequency caps."""
    if not is_held_to_caps(scope.program, campaign.topic, lane_of(campaign, step, scope)):
        return None
    return Whose(recipient.partner_id, recipient.company_id, recipient.address_id, scope.program_id)


def planned_case(
    scope: Scope,
    campaign: Campaign,
    step: MailStep,
    partner: PartnerStanding | None,
    recipient: Recipient,
    people: Recipients,
    paused: bool,
    feeds: tuple[FeedState, ...],
    as_of: datetime,
    condition_holds: bool | None = None,
    stopped: bool | None = None,
) -> Case:
    """The case as it would stand as of the instant, if the campaign were live."""
    case = case_for(
        campaign,
        scope.program,
        as_of,
        recipient,
        partner,
        transactional=scope.program.topics[campaign.topic].transactional,
        expires_at=as_of + campaign.send_within,
        topic_paused=paused,
        feeds=feeds,
        condition_holds=condition_holds,
        stopped=stopped,
        resting=partner is not None and partner.partner_id in people.resting,
        untold=gathered(scope.program, campaign, step, partner.rhythms) if partner else None,
        not_before=current_comes_at(campaign, scope.program, partner.zone if partner else None, as_of),
    )
    return as_if_live(case)
