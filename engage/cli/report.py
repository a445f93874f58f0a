"""`report`: what came of campaigns."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy.engine import Connection

from engage.cli.clicks import clicks
from engage.cli.context import JsonOption, console, library_of, print_json, services
from engage.cli.periods import Period
from engage.domain.campaigns import Campaign, Conversion
from engage.domain.errors import InputError
from engage.domain.experiments import Arm
from engage.domain.programs import Program
from engage.domain.windows import format_duration
from engage.pipeline.library import Library
from engage.pipeline.rollout import compared_versions
from engage.queueing import NoQueue
from engage.reporting.lift import ENOUGH, Comparison, Group, Lift
from engage.reporting.lift import lift as lift_of

CampaignArgument = Annotated[str | None, typer.Argument(help="A campaign's name; without it, all that have a goal.")]
FromOption = Annotated[str | None, typer.Option("--from", help="Who entered from this day on, such as 2026-01-01.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Who entered up to this day, included.")]

_ARMS = {Arm.TREATED: "treated", Arm.HELD_OUT: "held out", Arm.CONTROL: "control group"}


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Show what came of campaigns.", no_args_is_help=True)
    group.command()(lift)
    group.command()(clicks)
    app.add_typer(group, name="report")


def lift(
    campaign: CampaignArgument = None, first: FromOption = None, last: ToOption = None, as_json: JsonOption = False
) -> None:
    """Show what campaigns have changed: who was treated against who was held out, with an interval of 95 %."""
    period = Period(first, last)
    with services(queue=NoQueue()) as built:
        library, now = library_of(built), built.clock()
        with built.database.read() as db:
            found = [_measured(db, library, one, period, now) for one in _campaigns(library, campaign)]
    if as_json:
        print_json({"as_of": _iso(now), "campaigns": [_lift_json(*one) for one in found]})
        return
    several = len({program.key for program, _ in found}) > 1
    for program, measured in found:
        _print(program, measured, f"{program.key}/" if several else "")
    if not found:
        console.print("No campaign has a goal: write one, such as goal: win within 30d.")


def _measured(
    db: Connection, library: Library, campaign: Campaign, period: Period, now: datetime
) -> tuple[Program, Lift]:
    """A campaign's lift over entries of the period."""
    scope = library.scope_of(campaign)
    start, end = period.of(scope.program, now)
    versions = compared_versions(db, library, campaign)
    return scope.program, lift_of(db, scope.program_id, campaign, versions, start, end, now)


def _campaigns(library: Library, name: str | None) -> list[Campaign]:
    """Those with a goal; the one with this name, if one is given. Raises InputError if it has none."""
    if name is None:
        return [one for _, one in sorted(library.campaigns.items()) if one.goal]
    found = library.find(name)
    if found.goal is None:
        raise InputError(f"'{name}' has no goal to measure by", "write one in its file, such as goal: win within 30d")
    return [found]


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# --- for people -----------------------------------------------------------------------------------------------------


def _print(program: Program, found: Lift, whose: str) -> None:
    console.print(f"[bold]{whose}{found.campaign.name}[/]: {_goal(found)}")
    if not found.comparisons:
        console.print("  Nobody was held out: there is nothing to compare with. Write holdout: 10% to have some.")
    for number, one in enumerate(found.comparisons):
        table = Table("", box=None, padding=(0, 2, 0, 2))
        for heading in ("partners", "reached it", _measure(found), "still open"):
            table.add_column(heading, justify="right")
        if number:
            console.print()
        for arm, group in ((Arm.TREATED, one.treated), (one.against, one.others)):
            shown = _amount(_value(program, found, group), program, found)
            table.add_row(_ARMS[arm], f"{group.partners:,}", f"{group.converted:,}", shown, f"{group.still_open:,}")
        console.print(table)
        console.print(f"  {_conclusion(program, found, one)}")
    if found.moved:
        console.print(f"  Not counted: {found.moved:,} who have been on both sides, by a merge or a changed share.")
    if found.elsewhere:
        console.print(f"  Not counted: {found.elsewhere:,} who entered while another share was held out.")


def _goal(found: Lift) -> str:
    return f"{found.goal.conversion} within {format_duration(found.goal.within)} of entering"


def _measure(found: Lift) -> str:
    return "revenue each" if found.goal.conversion is Conversion.REVENUE else "rate"


def _amount(value: float | None, program: Program, found: Lift) -> str:
    if value is None:
        return ""
    if found.goal.conversion is Conversion.REVENUE:
        return f"{value:,.{program.minor_digits}f} {program.currency}"
    return f"{value:.1%}"


def _conclusion(program: Program, found: Lift, one: Comparison) -> str:
    if one.interval is None:
        return f"[bold]{one.verdict}[/]: a group has nobody whose time is over"
    money = found.goal.conversion is Conversion.REVENUE
    scale, unit = (10.0**program.minor_digits, f" {program.currency}") if money else (0.01, " points")
    digits = program.minor_digits if money else 1
    difference, low, high = (
        f"{value / scale:+,.{digits}f}" for value in (one.interval.difference, one.interval.low, one.interval.high)
    )
    said = f"difference {difference}{unit} (95 %: {low} to {high}): [bold]{one.verdict}[/]"
    return said if one.enough else f"{said}, a group has fewer than {ENOUGH}"


# --- for scripts ----------------------------------------------------------------------------------------------------


def _lift_json(program: Program, found: Lift) -> dict[str, Any]:
    return {
        "campaign": found.campaign.name,
        "program": program.key,
        "goal": found.goal.conversion.value,
        "within": format_duration(found.goal.within),
        "moved": found.moved,
        "elsewhere": found.elsewhere,
        "comparisons": [
            {
                "against": one.against.value,
                "treated": _group_json(program, found, one.treated),
                "others": _group_json(program, found, one.others),
                "difference": _scaled(program, found, one.interval.difference) if one.interval else None,
                "interval": [_scaled(program, found, bound) for bound in (one.interval.low, one.interval.high)]
                if one.interval
                else None,
                "verdict": one.verdict.value,
            }
            for one in found.comparisons
        ],
    }


def _group_json(program: Program, found: Lift, group: Group) -> dict[str, Any]:
    return {
        "partners": group.partners,
        "converted": group.converted,
        "still_open": group.still_open,
        "revenue_each" if found.goal.conversion is Conversion.REVENUE else "rate": _value(program, found, group),
    }


def _value(program: Program, found: Lift, group: Group) -> float | None:
    """The rate of a group, or its mean revenue in major units; None where nobody's time is over."""
    if found.goal.conversion is not Conversion.REVENUE or not group.partners:
        return group.rate
    return _scaled(program, found, group.amounts.mean)


def _scaled(program: Program, found: Lift, value: float) -> float:
    """A proportion as it is, an amount in major units."""
    return value / 10.0**program.minor_digits if found.goal.conversion is Conversion.REVENUE else value
