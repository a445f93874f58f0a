"""What `plan` says: who would get a campaign and who would not, and why."""

from math import isfinite

from rich.markup import escape
from rich.table import Table

from engage.cli.context import console
from engage.cli.said import caps_json, decision_json, minute, words
from engage.domain.campaigns import Campaign, CampaignState, Conversion
from engage.domain.decisions import Decision, Defer, Send, Skip
from engage.domain.experiments import Arm
from engage.pipeline.plan import Later, Plan, Planned, PlannedStep
from engage.reporting.intervals import smallest_difference, smallest_shift

SHOWN = 40

RATES = (0.1, 0.5)
"""How many reach a goal anyway, for what a holdout could detect: few, and so many that chance is at its widest."""


def plan_json(planned: Plan) -> dict[str, object]:
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
                **decision_json(one.decision),
                "steps": [
                    {"step": s.step, "to": s.to, **decision_json(s.decision), "caps": caps_json(s.caps)}
                    for s in one.steps
                ],
            }
            for one in planned.decisions
        ],
    }


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


def print_plan(planned: Plan) -> None:
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
        shown = decision_json(one.decision)
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


_AS = {Arm.TREATED: "treated", Arm.HELD_OUT: "held out", Arm.CONTROL: "in the control group"}


def _print_entering(planned: Plan) -> None:
    """How many would really enter, and what keeps the others out."""
    would = f"{planned.entering:,} would enter"
    if arms := [f"{planned.entering_as[arm]:,} {said}" for arm, said in _AS.items() if planned.entering_as[arm]]:
        would += f" ({', '.join(arms)})"
    if planned.campaign.max_audience is not None:
        would += f"; max_audience is {planned.campaign.max_audience:,}"
    console.print(f"[yellow]{would}: the run would be held[/]" if planned.held else would)
    if kept := [f"{many:,} {words(reason)}" for reason, many in planned.kept_out.most_common()]:
        console.print(f"would not enter: {', '.join(kept)}")


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


def _would_get_it(one: Planned) -> bool:
    return all(isinstance(step.decision, Send | Later) for step in one.steps)


def _why(decision: Decision | Later) -> str:
    match decision:
        case Send():
            return ""
        case Later(after, at):
            return f"from {minute(at)}" if at else f"after {after}"
        case Skip(reason):
            return reason
        case Defer(until, reason):
            return f"{reason}, again at {minute(until)}"


def _to(step: PlannedStep) -> str:
    """The recipient as an envelope has it: `Jane Doe <jane@example.com>`."""
    if not step.email:
        return step.name or "nobody"
    return f"{step.name} <{step.email}>" if step.name else step.email
