"""Why a partner would get a campaign or would not, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engage.domain.campaigns import Campaign, CampaignState, EventTrigger
from engage.domain.decisions import Decision, Defer, Skip
from engage.domain.programs import Program
from engage.pipeline.explaining import Explanation, Trees
from engage.store import runs
from engage.store.runs import Run
from engage.store.so_far import Entered
from engage.web.console.partner_words import Badge, EntryShown, entered_shown
from engage.web.console.phrases import Line, explained_lines, trigger_said
from engage.web.console.reasons import asked as asked_by
from engage.web.console.reasons import said
from engage.web.console.shell import when


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked on the page. `at`: the end of the day `on`; None: now. `problem`: why `on` is no day."""

    campaign: str
    on: str
    at: datetime | None
    problem: str


@dataclass(frozen=True, slots=True)
class StepShown:
    """What the guards say of one mail. `against`: those that object, in words; `guards`: each, and if it passes."""

    step: str
    to: str
    against: tuple[str, ...]
    guards: tuple[tuple[str, bool, str], ...]
    caps: tuple[tuple[str, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A condition of one subject: whether it is `wanted` that it holds, and whether it does, with the values found."""

    heading: str
    wanted: bool
    holds: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Why, or why not. `badge` and `headline` say it at once; `trees` are the conditions of each subject."""

    campaign: Campaign
    whom: str
    as_of: datetime
    starts: str
    badge: Badge
    headline: str
    notes: tuple[str, ...]
    trees: tuple[Tree, ...]
    steps: tuple[StepShown, ...]
    entries: tuple[EntryShown, ...]


def answer(
    campaign: Campaign,
    program: Program,
    as_of: datetime,
    found: Explanation | None,
    entries: Sequence[Entered],
    problem: str,
    run: Run | None = None,
) -> Answer:
    """What an explanation says; without one, the problem. `run`: the last of a schedule by then."""
    shown = tuple(entered_shown(campaign.name, "", one, program, campaign) for one in entries)
    starts = trigger_said(campaign, program)
    if found is None:
        return Answer(campaign, "", as_of, starts, Badge("no", "warn"), problem, (), (), (), shown)
    badge, headline = _conclusion(campaign, starts, found)
    notes = [_of_run(run)] if run else []
    if campaign.state is not CampaignState.LIVE:
        notes.append(f"The campaign is {campaign.state} and sends nothing; below is what it would do if it were live.")
    if not found.conditions:
        notes.append(f"They have no {campaign.subject}, and the campaign is for one.")
    trees = (*_trees(True, campaign, found.conditions), *_trees(False, campaign, found.stops))
    steps = tuple(
        StepShown(
            step=one.step,
            to=one.to,
            against=tuple(_objection(v.decision) for v in one.verdicts if v.decision is not None),
            guards=tuple(
                (asked_by(v.guard), v.decision is None, _objection(v.decision) if v.decision else "")
                for v in one.verdicts
            ),
            caps=tuple((str(taken.cap), taken.used, taken.used < taken.cap.at_most) for taken in one.caps),
        )
        for one in found.steps
    )
    return Answer(campaign, found.whom, as_of, starts, badge, headline, tuple(notes), trees, steps, shown)


def _trees(wanted: bool, campaign: Campaign, trees: Trees) -> list[Tree]:
    word, condition = ("Condition", campaign.where) if wanted else ("Stops when", campaign.stop_when)
    of = f" ({campaign.subject} {{}})" if len(trees) > 1 else ""
    return [Tree(word + of.format(name), wanted, node.truth, explained_lines(node, condition)) for name, node in trees]


def _conclusion(campaign: Campaign, starts: str, found: Explanation) -> tuple[Badge, str]:
    match found.decision:
        case Skip(reason):
            return Badge("no", "warn"), f"They would not get it: {said(reason)}."
        case Defer(until, reason):
            return Badge("not yet"), f"Not yet: {said(reason)}. It is looked at again {when(until)}."
        case _ if isinstance(campaign.trigger, EventTrigger):
            return Badge("yes", "good"), f"They would get it {starts}: nothing stands against it."
        case _:
            return Badge("yes", "good"), "They would get it: nothing stands against it."


def _of_run(run: Run) -> str:
    """What became of a schedule's last slot: one that was held or dropped let nobody in."""
    slot = run.slot.replace("T", " ")
    many = f"{run.matched:,} met its condition" if run.matched is not None else ""
    match run.state:
        case runs.DONE:
            return f"Its last run was {slot}" + (f": {many}." if many else ".")
        case runs.HELD | runs.DROPPED:
            return f"Its last run, {slot}, was {run.state} and let nobody in: {said(run.reason)}."
        case _:
            return f"Its run of {slot} has begun and is not done yet."


def _objection(decision: Decision) -> str:
    match decision:
        case Skip(reason):
            return said(reason)
        case Defer(until, reason):
            return f"{said(reason)}; looked at again {when(until)}"
        case _:
            return ""
