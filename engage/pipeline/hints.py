"""What passes lint and may still not do what its author means: hints, which keep nothing from running."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from engage.authoring.implied import editions_of
from engage.content import Templates
from engage.domain.campaigns import (
    AlertStep,
    AtStep,
    BranchStep,
    Campaign,
    CampaignState,
    Implied,
    MailStep,
    Outranked,
    ScheduleTrigger,
    WaitStep,
    goes_to_staff,
    texts_of,
)
from engage.domain.errors import Problem
from engage.domain.journeys import path_of
from engage.domain.limits import FrequencyCap, Per
from engage.domain.programs import Program
from engage.domain.windows import format_duration
from engage.pipeline.cases import hours_of
from engage.pipeline.judging import Judged
from engage.pipeline.saying import left_over
from engage.policy.caps import competes
from engage.slots import opening, slots_between

_AHEAD = timedelta(days=400)
_SLOTS = 60
"""So many slots of a schedule are looked at: those of two months where it is a daily one."""


def hints_of(judged: Judged, now: datetime) -> tuple[Problem, ...]:
    """The hints on these campaigns and programs, by place."""
    found: set[Problem] = set()
    words = {one.file for those in judged.templates.lexicon.files.values() for one in those}
    if all(problem.file in words for problem in judged.problems):  # what a broken file says is not known
        found |= {*left_over(judged.programs, judged.campaigns, judged.templates)}
    for campaign in judged.campaigns.values():
        program = judged.programs[campaign.program]
        if campaign.state is CampaignState.ENDED or isinstance(campaign.trigger, Implied):
            continue
        messages = (
            *_unranked(campaign, program),
            *_untold(campaign, program, judged),
            *_without_room(campaign, program),
            *_never_open(campaign, program, now),
            *_compared_with_nothing(campaign),
            *_without_editions(campaign, program, judged),
        )
        found.update(_at(campaign, key, message, hint) for key, message, hint in messages)
    return tuple(sorted(found))


Hint = tuple[str, str, str]
"""The key of the campaign's file at which it stands, what is so, and what to write."""


def _unranked(campaign: Campaign, program: Program) -> Iterator[Hint]:
    ranks = competes(program, campaign.topic) and program.order and campaign.state is CampaignState.LIVE
    if ranks and campaign.name not in program.order:
        message = f"'{campaign.name}' is not in the order of '{program.key}', and gives way to all that are"
        yield "campaign", message, "add it to order in program.yaml, where it ranks"


def _untold(campaign: Campaign, program: Program, judged: Judged) -> Iterator[Hint]:
    """Folded mails that nobody hears of."""
    if campaign.outranked is not Outranked.FOLD or not program.frequency_caps:
        return
    others = (c for c in judged.campaigns.values() if c.program == program.key and c.state is CampaignState.LIVE)
    if not any(_shows(other, "folded", program, judged.templates) for other in others):
        message = (
            f"no live campaign of '{program.key}' sends a mail that shows what was folded: nobody would hear of it"
        )
        hint = "write {{ blocks.folded(folded) }} in the email of a newsletter, or if_outranked: drop"
        yield "if_outranked", message, hint


def _shows(campaign: Campaign, name: str, program: Program, templates: Templates) -> bool:
    emails = {
        email
        for step in path_of(campaign.steps).mails()
        if not goes_to_staff(campaign, step)
        for text in texts_of(step)
        for email in templates.emails(text, program.lineage)
    }
    return any(name in template.needs for template in templates if template.name in emails)


def _without_room(campaign: Campaign, program: Program) -> Iterator[Hint]:
    """Steps that come so soon after others that a cap never has room for them."""
    if not competes(program, campaign.topic) or not program.topics[campaign.topic].counts:
        return
    mails = list(_straight(campaign))
    for cap in (cap for cap in program.frequency_caps if _concerns(cap, campaign)):
        for (earlier, first), (later, step) in zip(mails, mails[cap.at_most :], strict=False):
            if later - earlier + campaign.send_within < cap.length:
                after = f"after {format_duration(later - earlier)}" if later > earlier else "at once"
                within = format_duration(campaign.send_within)
                message = f"step '{step}' follows '{first}' {after}, and the cap of {cap} leaves it no room"
                message += f" before send_within ({within}) is over"
                yield "steps", message, "wait longer, write a longer send_within, or send one mail less"
                return


def _concerns(cap: FrequencyCap, campaign: Campaign) -> bool:
    return cap.per is not Per.PROGRAM and cap.topic in (None, campaign.topic)


def _straight(campaign: Campaign) -> Iterator[tuple[timedelta, str]]:
    """When each mail comes due at the latest after the journey began, as far as that is known: (time, step)."""
    at = timedelta()
    for step in campaign.steps:
        match step:
            case WaitStep(lasting=timedelta() as lasting):
                at += lasting
            case WaitStep() | AtStep() | BranchStep():
                return
            case AlertStep():
                pass
            case _ if isinstance(step, MailStep):
                yield at, step.id


def _never_open(campaign: Campaign, program: Program, now: datetime) -> Iterator[Hint]:
    """Schedules whose mail expires before its hours open."""
    hours = hours_of(campaign, program, None)
    trigger = campaign.trigger
    if hours is None or program.topics[campaign.topic].transactional or not isinstance(trigger, ScheduleTrigger):
        return
    slots = list(islice(slots_between(trigger.cron, program.zone, now, now + _AHEAD), _SLOTS))
    opens = ((slot.at, opening(slot.at, hours).at) for slot in slots)
    if slots and all(at is None or at >= due + campaign.send_within for due, at in opens):
        message = f"in {program.zone} no mail of this schedule comes to hours that are open"
        message += f" before send_within ({format_duration(campaign.send_within)}) is over"
        yield "when", message, "change when, the hours of program, topic and campaign, or write a longer send_within"


def _compared_with_nothing(campaign: Campaign) -> Iterator[Hint]:
    if campaign.holdout and campaign.goal is None:
        yield "holdout", "partners are held out, and without a goal nothing is compared", "add goal: login within 30d"
    if campaign.holdout >= 1:
        yield "holdout", "everybody is held out, and nobody gets this campaign", "write a share such as 10%"


def _without_editions(campaign: Campaign, program: Program, judged: Judged) -> Iterator[Hint]:
    for text in editions_of(campaign):
        if not judged.templates.emails(text, program.lineage):
            message = f"there is no edition in email_templates/{text.template}/ yet"
            yield "steps", message, f"write one for each month, such as {text.template}/2026-12.md"


def _at(campaign: Campaign, key: str, message: str, hint: str) -> Problem:
    """At this key of the campaign's file."""
    lines = campaign.source.splitlines()
    line = next((n for n, text in enumerate(lines, start=1) if text.startswith(f"{key}:")), 1)
    return Problem(campaign.path, line, 1, message, hint)
