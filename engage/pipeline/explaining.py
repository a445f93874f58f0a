"""Why a partner would or would not get a campaign's message as of an instant: its condition and every guard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, ScheduleTrigger, Text
from engage.domain.conditions import Condition
from engage.domain.decisions import Decision, Reason, Skip
from engage.domain.experiments import Arm, draws, withheld
from engage.domain.facts import Subject
from engage.domain.journeys import path_of
from engage.facts import Node, Scope
from engage.facts import explain as explain_condition
from engage.pipeline.cap_room import Taken, room_for
from engage.pipeline.choosing import Words, arm_in, drawn
from engage.pipeline.entries import Whom
from engage.pipeline.mailing import heard_feeds
from engage.pipeline.naming import somebody_named
from engage.pipeline.plan import competing, may_enter, planned_case
from engage.pipeline.recipients import Recipients
from engage.pipeline.reentry import keeps_out, still_inside
from engage.pipeline.rollout import Who, admitted, closed
from engage.pipeline.sunset import resting
from engage.policy import Verdict, decide, examine
from engage.store.referrals import subjects_of
from engage.store.topic_pauses import paused_topics

Trees = tuple[tuple[str, Node], ...]
"""The tree of a condition for each subject, by the subject's external id."""


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """`verdicts` begins with what `only` and, of a schedule, `again` say of a partner who meets the condition, and ends
    with what chance says where anybody may be held out, former mails where texts rotate, and frequency caps of what
    competes for room; `caps` say how much is taken.
    """

    step: str
    to: str
    verdicts: tuple[Verdict, ...]
    decision: Decision
    caps: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Both `conditions` and `stops` have one tree for whom it is explained, or one for each of the partner's referrals
    or rewards; `stops` is empty without a `stop_when`.

    `whom` is the external id of the partner, company or member of staff.
    """

    whom: str
    campaign: Campaign
    as_of: datetime
    conditions: Trees
    stops: Trees
    steps: tuple[ExplainedStep, ...]

    @property
    def decision(self) -> Decision:
        """That of the first step, as a plan has it."""
        return self.steps[0].decision


def explain(
    db: Connection, scope: Scope, campaign: Campaign, name: str, as_of: datetime, *, heard_at: datetime | None = None
) -> Explanation:
    """`name` is an external id or an address of a partner (a company, a member of staff, where the campaign is for
    these). A draft is explained as if it were live.

    The condition holds if it does of one subject; the campaign is stopped if all those are. `heard_at` as in `plan`.
    Raises InputError for a name that is not known.
    """
    name, named = somebody_named(db, scope, campaign.subject, name)
    subjects = [(name, named)]
    if campaign.subject in (Subject.REFERRAL, Subject.REWARD):
        subjects = subjects_of(db, campaign.subject, named)
    partner_id = named if campaign.subject.leads_to_partner else None
    who = Whom(partner_id) if partner_id is not None else Whom.of(campaign.subject, named, None)
    conditions = _trees(db, scope, campaign, campaign.where, subjects, as_of)
    stops: Trees = ()
    if campaign.stop_when:
        stops = _trees(db, scope, campaign, campaign.stop_when, subjects, as_of, whoever=True)
    meeting = {name for name, node in conditions if node.truth}
    stopped = bool(meeting) and meeting <= {name for name, node in stops if node.truth}
    enters: tuple[Verdict, ...] = ()
    if meeting:
        whom = [(partner_id, id_) for one, id_ in subjects if one in meeting]
        enters = _entering(db, scope, campaign, whom, as_of)
    people = Recipients.load(db, scope, [who], alerts=True, dry=True, as_of=as_of)
    feeds = heard_feeds(db, scope, [campaign], heard_at or as_of)[campaign.name]
    paused = campaign.topic in paused_topics(db, scope.program_id, as_of)
    mails = tuple(path_of(campaign.steps).mails())
    words = Words.load(db, scope, [(id_, campaign.name, step) for id_ in people.partners for step in mails], dry=True)
    people.resting = resting(db, scope, people.partners, as_of)
    steps = []
    for step in mails:
        recipient = people.of(who, campaign, step)
        standing = people.partner(who, campaign, step)
        case = planned_case(
            scope, campaign, step, standing, recipient, people, paused, feeds, as_of, bool(meeting), stopped
        )
        objection = next((verdict.decision for verdict in enters if verdict.decision), None)
        unit, read_by = (standing.external_id, standing.partner_id) if standing else (recipient.key, None)
        text = words.of(read_by, unit, campaign.name, step)
        arm = arm_in(scope.program, campaign, None, unit if standing else None)
        verdicts = (*enters, *examine(case), *_chance(scope, campaign, arm, text))
        decision = objection or drawn(decide(case), arm, text)
        whose = competing(scope, campaign, step, recipient)
        rooms = room_for(db, scope.program, campaign, [whose] if whose else [], as_of)
        capped = tuple(Verdict("has_room_under_caps", room.decision) for room in rooms)
        if capped and not isinstance(decision, Skip):
            decision = capped[0].decision or decision
        caps = rooms[0].taken if rooms else ()
        steps.append(ExplainedStep(step.id, recipient.key, (*verdicts, *capped), decision, caps))
    return Explanation(name, campaign, as_of, conditions, stops, tuple(steps))


def _trees(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    condition: Condition | None,
    subjects: Sequence[tuple[str, int]],
    as_of: datetime,
    *,
    whoever: bool = False,
) -> Trees:
    return tuple(
        (name, explain_condition(db, scope, campaign.subject, condition, as_of, id_, whoever=whoever))
        for name, id_ in subjects
    )


def _entering(
    db: Connection, scope: Scope, campaign: Campaign, whom: Sequence[Who], as_of: datetime
) -> tuple[Verdict, ...]:
    """What its dates, `only`, `again` and a journey that is still walked say, where the campaign has any; an event asks
    `again` of nobody, for each is an occasion of its own.
    """
    found = []
    reason = closed(scope, campaign, as_of)
    if campaign.promotion is not None:
        over = reason is Reason.PROMOTION_OVER
        found.append(Verdict("promotion_stands", Skip(Reason.PROMOTION_OVER) if over else None))
    if campaign.only is not None and reason is None:
        let_in = admitted(db, scope, campaign, whom, as_of)
        found.append(Verdict("in_roll_out", None if let_in else Skip(Reason.NOT_IN_ROLL_OUT)))
    enters = {id_ for _, id_ in whom}
    if isinstance(campaign.trigger, ScheduleTrigger):
        enters = may_enter(db, scope, campaign, campaign.trigger, sorted(enters), as_of)
        found.append(Verdict("may_enter_again", None if enters else Skip(Reason.ALREADY_ENROLLED)))
    if keeps_out(campaign):
        inside = bool(enters) and enters <= still_inside(db, scope, campaign, enters, as_of)
        found.append(Verdict("not_still_inside", Skip(Reason.STILL_INSIDE) if inside else None))
    return tuple(found)


def _chance(scope: Scope, campaign: Campaign, arm: Arm, text: Text | None) -> tuple[Verdict, ...]:
    """What is asked after the guards, where it is asked at all."""
    found = []
    if draws(scope.program, campaign):
        found.append(Verdict("not_held_out", withheld(arm)))
    if text is None:
        found.append(Verdict("has_words_left", Skip(Reason.WORDS_USED_UP)))
    return tuple(found)
