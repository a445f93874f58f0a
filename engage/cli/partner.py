"""`partner`: hands out all that is held of a partner, and erases it."""

from typing import Annotated

import typer
from rich.markup import escape

from engage.cli.context import (
    JsonOption,
    ProgramOption,
    WhyOption,
    console,
    library_of,
    print_json,
    scope_named,
    services,
)
from engage.domain.accounts import COMMAND_LINE
from engage.domain.errors import UsageError
from engage.pipeline.privacy import Forgotten, export_for, forget
from engage.queueing import NoQueue

NameArgument = Annotated[str, typer.Argument(metavar="ID", help="Their external id, an alias of it, or their address.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Hand out all that is held of a partner, or erase it.", no_args_is_help=True)
    group.command("export")(export_)
    group.command("forget")(forget_)
    app.add_typer(group, name="partner")


def export_(name: NameArgument, program: ProgramOption = None) -> None:
    """Print all that is held of a partner, as JSON."""
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.write() as db:
            print_json(export_for(db, scope, name, COMMAND_LINE, built.clock()))


def forget_(
    name: NameArgument,
    why: WhyOption,
    program: ProgramOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a partner everywhere, for good; counts in reports stay, and imports do not bring them back."""
    if not yes:
        _ask(name)
    with services(queue=NoQueue()) as built:
        scope = scope_named(library_of(built), program)
        with built.database.write() as db:
            done = forget(db, scope, built.signer, name, COMMAND_LINE, why, built.clock())
    if as_json:
        print_json(_json(done))
    else:
        console.print(escape(f"The partner is forgotten; what counts of them stays as {done.instead}."))
        console.print(escape(done.in_words))
        console.print("Erase them in the CRM, too, and at the provider: docs/privacy.md has the list.")


def _ask(name: str) -> None:
    typed = typer.prompt(f"All that is held of {name} is erased for good. Type it again to go on", err=True)
    if typed.strip() != name:
        raise UsageError("nobody was forgotten", "type exactly what you named, or say --yes")


def _json(done: Forgotten) -> dict[str, object]:
    names = ("addresses", "shared", "mails", "journeys")
    return {"left_as": done.instead} | {name: getattr(done, name) for name in names}
