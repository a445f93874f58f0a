"""`plan`, `explain` and `run`: who would get what and why, before it happens, and a schedule's slot now."""

import logging
from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from engage.authoring import parse_campaign
from engage.cli.context import JsonOption, console, instant, library_of, print_json, services
from engage.cli.inside import inside_json, print_inside
from engage.domain.campaigns import Campaign, CampaignState, Conversion, EventTrigger, ScheduleTrigger
from engage.domain.decisions import Decision, Defer, Reason, Send, Skip
from engage.domain.errors import InputError, UsageError
from engage.domain.experiments import Arm
from engage.facts import Node
from engage.pipeline.cap_room import Taken
from engage.pipeline.explaining import Explanation
from engage.pipeline.explaining import explain as explain_partner
from engage.pipeline.library import Library
from engage.pipeline.plan import Later, Plan, Planned, PlannedStep
from engage.pipeline.plan import plan as plan_campaign
from engage.reporting.intervals import smallest_difference, smallest_shift
from engage.store.journeys import inside
from engage.store.runs import DONE, DROPPED, HELD

SHOWN = 40

RATES = (0.1, 0.5)
"""How many reach a goal anyway, for what a holdout could detect: few, and so many that chance is at its widest."""

PartnerArgument = Annotated[
    str,
    typer.Argument(
        help="The partner's external id or email address; the company's or member of staff's if it is for these."
    ),
]
CampaignArgument = Annotated[str, typer.Argument(help="A campaign's name, or the path to its file.")]


def register(app: typer.Typer) -> None:
    app.command()(plan)
    app.command()(explain)
    app.command()(run)


def plan(
    campaign: CampaignArgument,
    as_of: Annotated[str | None, typer.Option("--as-of", help="An instant, such as 2026-11-21T09:00:00Z.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show who would get a campaign as of an instant, why the others would not, and who is inside. Sends nothing."""
    with services() as built:
        at = instant(as_of, built.clock())
        library = library_of(built)
        found = find_campaign(library, campaign)
        scope = library.scope_of(found)
        with built.database.read() as db:
            planned = plan_campaign(db, scope, found, at)
            standing = inside(db, scope.program_id, found.name)
        current = library.version_ids.get((found.program, found.name))
    if as_json:
        print_json(_plan_json(planned) | {"inside": inside_json(standing, current)})
    else:
        _print_plan(planned)
        print_inside(standing, current)


def explain(
    partner: PartnerArgument,
    campaign: CampaignArgument,
    at: Annotated[str | None, typer.Option("--at", help="An instant; now by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show why a partner would or would not get a campaign: its condition with each value, and each guard."""
    with services() as built:
        as_of = instant(at, built.clock())
        library = library_of(built)
        found = find_campaign(library, campaign)
        with built.database.read() as db:
            explanation = explain_partner(db, library.scope_of(found), found, partner, as_of)
    if as_json:
        print_json(_explanation_json(explanation))
    else:
        _print_explanation(explanation)


def run(campaign: CampaignArgument, as_json: JsonOption = False) -> None:
    """Run a schedule's current slot now. Twice is once: what this slot has sent is not sent again."""
    with services() as built:
        logging.getLogger("engage.pipeline.runs").setLevel(logging.CRITICAL)  # which would log what is said below
        library = library_of(built)
        found = library.find(campaign)
        if not isinstance(found.trigger, ScheduleTrigger):
            raise UsageError(f"'{found.name}' waits for events", "only a campaign with `every` or `cron` can be run")
        if found.state is not CampaignState.LIVE:
            raise InputError(f"'{found.name}' has the state {found.state}", "set `state: live` in its file")
        done, new = built.run_now(found)
    if as_json:
        print_json(
            {
                "campaign": found.name,
                "slot": done.slot,
                "new": new,
                "state": done.state,
                "matched": done.matched,
                "reason": done.reason,
            }
        )
    if done.state == HELD:
        asked = f"engage held release run-{done.id} lets them in, engage held drop run-{done.id} ends it"
        hint = "engage doctor says more of feeds" if done.entering is None else asked
        raise InputError(f"the run of {done.slot} is held: {done.reason}", hint)
    if done.state == DROPPED:
        raise InputError(f"the run of {done.slot} was dropped", "the next slot comes as ever")
    if done.state != DONE and not as_json:
        console.print(f"{found.name}: slot {done.slot} waits for a run of the campaign that a worker carries out.")
    elif not as_json:
        what = "has run" if new else "had run already"
        console.print(f"{found.name}: slot {done.slot} {what}; {done.matched} matched. Workers deliver what is due.")


def find_campaign(library: Library, name: str) -> Campaign:
    """The campaign with this name, or the one in the file at this path, which need not be in the campaigns folder."""
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        return library.find(name)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read: {error}", "name a campaign file in UTF-8") from None
    return parse_campaign(source, name, library.programs)


def _plan_json(planned: Plan) -> dict[str, object]:
    return {
        "campaign": planned.campaign.name,
        "as_of": planned.as_of.isoformat().replace("+00:00", "Z"),
        "matched": planned.matched,
        "entering": planned.entering,
        "entering_as": {arm.value: many for arm, many in planned.entering_as.items()},
        "kept_out": {reason.value: many for reason, many in planned.kept_out.items()},
        "max_audience": planned.campaign.max_audience,
        "held": planned.held,
        "holdout": _holdout_json(planned),
        "place": planned.place,
        "decisions": [
            {
                "partner": one.partner,
                "subject": one.subject,
                **_decision_json(one.decision),
                "steps": [
                    {"step": s.step, "to": s.to, **_decision_json(s.decision), "caps": _caps_json(s.caps)}
                    for s in one.steps
                ],
            }
            for one in planned.decisions
        ],
    }


def _caps_json(caps: Sequence[Taken]) -> list[dict[str, object]]:
    return [{"cap": str(one.cap), "used": one.used} for one in caps]


def _holdout_json(planned: Plan) -> dict[str, object] | None:
    """None where nobody would be held out."""
    treated, others = planned.arms[Arm.TREATED], {arm: planned.arms[arm] for arm in (Arm.HELD_OUT, Arm.CONTROL)}
    if not any(others.values()):
        return None
    detected = {f"{rate}": smallest_difference(treated, others[Arm.HELD_OUT], rate) for rate in RATES}
    return {
        "treated": treated,
        **{arm.value: many for arm, many in others.items()},
        "detects": {rate: round(found, 4) if isfinite(found) else None for rate, found in detected.items()},
    }


def _print_holdout(planned: Plan) -> None:
    """How many are not mailed, and what they could show."""
    if planned.arms[Arm.CONTROL]:
        console.print(f"{planned.arms[Arm.CONTROL]:,} who have entered or would now are in the program's control group")
    treated, held_out = planned.arms[Arm.TREATED], planned.arms[Arm.HELD_OUT]
    if not planned.campaign.holdout:
        return
    said = f"{held_out:,} of {treated + held_out:,} who have entered or would now are held out"
    console.print(f"{said}: {_power(planned.campaign, treated, held_out)}")


def _power(campaign: Campaign, treated: int, held_out: int) -> str:
    """What is said of the smallest difference that these groups could show."""
    if campaign.goal is None:
        return "without a goal nothing is compared"
    if campaign.goal.conversion is Conversion.REVENUE:
        shift = smallest_shift(treated, held_out)
        if not isfinite(shift):
            return "too few to show any difference"
        return f"could show a difference of {shift:.2f} standard deviations of the revenue (80 % power, 5 % level)"
    few, half = (smallest_difference(treated, held_out, rate) for rate in RATES)
    if not isfinite(few):
        return "too few to show any difference"
    parts = [f"{100 * few:.1f} points where one in ten would reach the goal anyway"]
    if isfinite(half):
        parts.append(f"{100 * half:.1f} where half would")
    return f"could show a difference of {', of '.join(parts)} (80 % power, 5 % level)"


def _decision_json(decision: Decision | Later) -> dict[str, object]:
    if isinstance(decision, Later):
        at = {"at": decision.at.isoformat().replace("+00:00", "Z")} if decision.at else {}
        return {"decision": decision.kind, "reason": None, "after": decision.after, **at}
    reason = decision.reason.value if isinstance(decision, Defer | Skip) else None
    until = {"until": decision.until.isoformat().replace("+00:00", "Z")} if isinstance(decision, Defer) else {}
    return {"decision": decision.kind, "reason": reason, **until}


def _print_plan(planned: Plan) -> None:
    console.print(
        f"[bold]{planned.campaign.name}[/] as of {planned.as_of:%Y-%m-%d %H:%M} UTC: {planned.matched} matched"
    )
    if planned.campaign.state in (CampaignState.PAUSED, CampaignState.ENDED):
        console.print(
            f"[yellow]its state is {planned.campaign.state}: nothing goes out. This is what would if it were live[/]"
        )
    _print_entering(planned)
    _print_holdout(planned)
    if planned.place is not None:
        where = f"place {planned.place} of the order" if planned.place else "after all that the order names"
        console.print(f"competes for what frequency caps leave: {where}. Below, caps count what has gone out.")
    counts: dict[str, int] = {}
    for one in planned.decisions:
        shown = _decision_json(one.decision)
        label = f"{shown['decision']}: {shown['reason']}" if shown["reason"] else str(shown["decision"])
        counts[label] = counts.get(label, 0) + 1
    for label, count in sorted(counts.items(), key=lambda item: -item[1]):
        console.print(f"  {count:>6}  {label}")
    if not planned.decisions:
        return
    several = len(planned.decisions[0].steps) > 1
    columns = (planned.campaign.subject.value, *(["step"] * several), "to", "decision", "reason")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    # those who would not get it come first: they are few, and the ones to look at
    for one in sorted(planned.decisions, key=_would_get_it)[:SHOWN]:
        for step in one.steps:
            names = (one.subject, *([step.step] * several), _to(step))
            table.add_row(*map(escape, names), step.decision.kind, _why(step.decision))
    console.print(table, soft_wrap=False)
    if len(planned.decisions) > SHOWN:
        console.print(f"... and {len(planned.decisions) - SHOWN} more; --json lists all")


def _would_get_it(one: Planned) -> bool:
    return all(isinstance(step.decision, Send | Later) for step in one.steps)


_AS = {Arm.TREATED: "treated", Arm.HELD_OUT: "held out", Arm.CONTROL: "in the control group"}


def _print_entering(planned: Plan) -> None:
    """How many would really enter, and what keeps the others out."""
    would = f"{planned.entering:,} would enter"
    if arms := [f"{planned.entering_as[arm]:,} {said}" for arm, said in _AS.items() if planned.entering_as[arm]]:
        would += f" ({', '.join(arms)})"
    if planned.campaign.max_audience is not None:
        would += f"; max_audience is {planned.campaign.max_audience:,}"
    console.print(f"[yellow]{would}: the run would be held[/]" if planned.held else would)
    if kept := [f"{many:,} {_words(reason)}" for reason, many in planned.kept_out.most_common()]:
        console.print(f"would not enter: {', '.join(kept)}")


def _why(decision: Decision | Later) -> str:
    match decision:
        case Send():
            return ""
        case Later(after, at):
            return f"from {_minute(at)}" if at else f"after {after}"
        case Skip(reason):
            return reason
        case Defer(until, reason):
            return f"{reason}, again at {_minute(until)}"


def _to(step: PlannedStep) -> str:
    """The recipient as an envelope has it: `Jane Doe <jane@example.com>`."""
    if not step.email:
        return step.name or "nobody"
    return f"{step.name} <{step.email}>" if step.name else step.email


def _explanation_json(explanation: Explanation) -> dict[str, object]:
    return {
        "partner": explanation.whom if explanation.campaign.subject.leads_to_partner else None,
        "whom": explanation.whom,
        "campaign": explanation.campaign.name,
        "state": explanation.campaign.state.value,
        "as_of": explanation.as_of.isoformat().replace("+00:00", "Z"),
        **_decision_json(explanation.decision),
        "conditions": [{"of": name, "condition": _node_json(node)} for name, node in explanation.conditions],
        "stop_when": [{"of": name, "condition": _node_json(node)} for name, node in explanation.stops],
        "steps": [
            {
                "step": step.step,
                "to": step.to,
                **_decision_json(step.decision),
                "guards": [
                    {"guard": v.guard, **(_decision_json(v.decision) if v.decision else {"decision": "pass"})}
                    for v in step.verdicts
                ],
                "caps": _caps_json(step.caps),
            }
            for step in explanation.steps
        ],
    }


def _node_json(node: Node) -> dict[str, object]:
    found: dict[str, object] = {"text": node.text, "holds": node.truth}
    if node.parts:
        found["parts"] = [_node_json(part) for part in node.parts]
    else:
        found["value"] = node.value
    return found


def _print_explanation(explanation: Explanation) -> None:
    campaign = explanation.campaign
    console.print(
        f"[bold]{campaign.name}[/] for {escape(explanation.whom)} as of {explanation.as_of:%Y-%m-%d %H:%M} UTC"
    )
    if campaign.state is not CampaignState.LIVE:
        console.print(f"state: {campaign.state} (sends nothing; below is what it would do if it were live)")
    if not explanation.conditions:
        console.print(f"{_mark(False)} where: the partner has no {campaign.subject}")
    for word, trees in (("where", explanation.conditions), ("stop_when", explanation.stops)):
        for name, node in trees:
            tree = Tree(f"{_mark(node.truth)} {word} ({campaign.subject} {escape(name)}): {_shown(node)}")
            _grow(tree, node)
            console.print(tree, soft_wrap=False)
    for step in explanation.steps:
        tree = Tree(f"guards of {step.step} to {escape(step.to)}")
        for verdict in step.verdicts:
            objection = "" if verdict.decision is None else f"  ({_said(verdict.decision)})"
            tree.add(f"{_mark(verdict.decision is None)} {verdict.guard.replace('_', ' ')}{objection}")
        for one in step.caps:
            tree.add(f"{_mark(one.used < one.cap.at_most)} {one.cap}  (found: {one.used})")
        console.print(tree, soft_wrap=False)
    console.print(f"[bold]{_conclusion(campaign, explanation.decision)}[/]")


def _grow(tree: Tree, node: Node) -> None:
    for part in node.parts:
        _grow(tree.add(f"{_mark(part.truth)} {_shown(part)}"), part)


def _shown(node: Node) -> str:
    return escape(f"{node.text}  (found: {node.found})" if node.found else node.text)


def _mark(truth: bool) -> str:
    return "[green]yes[/]" if truth else "[red]no [/]"


def _said(decision: Decision) -> str:
    match decision:
        case Send():
            return "send"
        case Skip(reason):
            return f"skip: {_words(reason)}"
        case Defer(until, reason):
            return f"defer: {_words(reason)}, look again at {_minute(until)}"


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _words(reason: Reason) -> str:
    if reason is Reason.CONDITION_NO_LONGER_HOLDS:
        return "condition does not hold"  # in an explanation it need not have held before
    return reason.replace("_", " ")


def _conclusion(campaign: Campaign, decision: Decision) -> str:
    match decision, campaign.trigger:
        case Skip(reason), _:
            return f"would not: {_words(reason)}"
        case Defer(until, reason), _:
            return f"would not yet: {_words(reason)}, look again at {_minute(until)}"
        case _, EventTrigger(event, to):
            return " to ".join(filter(None, (f"would get it at {event}", " or ".join(to))))
        case _:
            return "would get it"
