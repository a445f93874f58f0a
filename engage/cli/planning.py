"""`plan`, `explain` and `run`: who would get what and why, before it happens, and a schedule's slot now."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from engage.authoring import parse_campaign
from engage.cli.context import JsonOption, console, instant, library_of, print_json, services
from engage.cli.editions import editions_json, print_editions
from engage.cli.explained import explanation_json, print_explanation
from engage.cli.inside import inside_json, print_inside
from engage.cli.planned import plan_json, print_plan
from engage.cli.so_far import so_far_json
from engage.domain.campaigns import Campaign, CampaignState, ScheduleTrigger
from engage.domain.decisions import Reason
from engage.domain.errors import InputError, UsageError
from engage.pipeline.editions import current_and_next
from engage.pipeline.explaining import explain as explain_partner
from engage.pipeline.library import Library
from engage.pipeline.naming import somebody_named
from engage.pipeline.plan import plan as plan_campaign
from engage.store.journeys import inside
from engage.store.runs import DONE, DROPPED, HELD
from engage.store.so_far import so_far

ENTRIES = 5  # on how many of somebody's entries an explanation looks back


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
        editions = current_and_next(library, found, at)
        current = library.version_ids.get((found.program, found.name))
    if as_json:
        print_json(plan_json(planned) | {"inside": inside_json(standing, current), **editions_json(editions)})
    else:
        print_plan(planned)
        print_editions(editions)
        print_inside(standing, current)


def explain(
    partner: PartnerArgument,
    campaign: CampaignArgument,
    at: Annotated[str | None, typer.Option("--at", help="An instant; now by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a partner got of a campaign and why they would or would not get it now: each value, each guard."""
    with services() as built:
        as_of = instant(at, built.clock())
        library = library_of(built)
        found = find_campaign(library, campaign)
        with built.database.read() as db:
            scope = library.scope_of(found)
            explanation = explain_partner(db, scope, found, partner, as_of)
            _, whom = somebody_named(db, scope, found.subject, partner)
            entries = so_far(db, scope.program_id, found.name, found.subject, whom, as_of, ENTRIES)
    if as_json:
        print_json(explanation_json(explanation) | {"so_far": so_far_json(entries)})
    else:
        print_explanation(explanation, entries)


def run(campaign: CampaignArgument, as_json: JsonOption = False) -> None:
    """Run a schedule's current slot now. Twice is once: what this slot has sent is not sent again."""
    with services() as built:
        logging.getLogger("engage.pipeline.runs").setLevel(logging.CRITICAL)  # which would log what is said below
        library = library_of(built)
        found = library.find(campaign)
        if not isinstance(found.trigger, ScheduleTrigger):
            raise UsageError(f"'{found.name}' waits for events", "only a campaign with `every` or `cron` can be run")
        if found.state is not CampaignState.LIVE:
            paused = found.state is CampaignState.PAUSED
            hint = "set `state: live` in its file" + ", or see who paused it: engage sending" * paused
            raise InputError(f"'{found.name}' has the state {found.state}", hint)
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
        held = f"run-{done.id} --why TEXT"
        asked = f"engage held release {held} lets them in, engage held drop {held} ends it"
        hint = "engage doctor says more of feeds" if done.entering is None else asked
        if done.reason == Reason.EDITION_MISSING:
            hint = "write it, and the run goes on by itself; engage doctor names the file"
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
