"""`ask-partner`: a salesperson asks the partner who made a referral to help with it."""

from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy.engine import Connection

from engage.cli.context import JsonOption, ProgramOption, console, library_of, print_json, scope_named, services
from engage.domain.campaigns import CampaignState, EventKind, EventTrigger
from engage.domain.errors import InputError
from engage.domain.records import HelpRecord
from engage.facts import Scope
from engage.pipeline.library import Library
from engage.store.aliases import own_id
from engage.store.subjects import staff_known_as

SOURCE = "engage ask-partner"


def register(app: typer.Typer) -> None:
    app.command("ask-partner")(ask_partner)


def ask_partner(
    referral: Annotated[str, typer.Argument(metavar="REFERRAL", help="The referral's id.")],
    ask: Annotated[str, typer.Option("--ask", metavar="TEXT", help="What the partner could do, in a sentence.")],
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="STAFF", help="Who asks, by id or address; without it, its salesperson."),
    ] = None,
    program: ProgramOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the partner who made a referral to help with it, in a salesperson's name."""
    if not ask.strip():
        raise InputError("there is nothing that is asked", 'write it, such as --ask "Do you know who signs there?"')
    with services() as built:
        library = library_of(built)
        scope = scope_named(library, program)
        with built.database.read() as db:
            name = _referral(db, scope, referral.strip())
            asker = _asker(db, scope, by.strip()) if by else None
        campaigns = _waiting(library, scope)
        record = HelpRecord(name, built.clock(), ask.strip(), asker)
        taken = built.take(scope.program.key, [[record]], source=SOURCE, news=True)
    if reason := taken.rows[0].reason:
        raise InputError(reason)
    if as_json:
        print_json({"referral": name, "by": asker, "ask": record.ask, "campaigns": campaigns})
        return
    said = f"It is noted. The mail is up to {', '.join(campaigns)}: engage explain says what becomes of it."
    nobody = f"It is noted, and nobody is mailed: no live campaign waits for {EventKind.HELP_WANTED}."
    console.print(escape(said if campaigns else nobody))


def _referral(db: Connection, scope: Scope, name: str) -> str:
    known = own_id(db, scope.program_id, "referral", name)
    if known is None:
        raise InputError(f"there is no referral '{name}'", "name it by its id in the CRM")
    return known


def _asker(db: Connection, scope: Scope, name: str) -> str:
    found = staff_known_as(db, scope.program_id, name)
    if len(found) != 1:
        what = "nobody of our staff has" if not found else f"{len(found)} members of staff have"
        raise InputError(f"{what} the id or address '{name}'", "name them by their id in the CRM")
    return found[0][0]


def _waiting(library: Library, scope: Scope) -> list[str]:
    """The live campaigns that such a request starts."""
    return [
        campaign.name
        for campaign in library.on_events(scope.program.key)
        if campaign.state is CampaignState.LIVE
        and isinstance(campaign.trigger, EventTrigger)
        and campaign.trigger.event is EventKind.HELP_WANTED
    ]
