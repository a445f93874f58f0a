"""`key`: makes, lists and revokes the keys of systems that push into the intake API."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from engage.cli.context import JsonOption, ProgramOption, console, library_of, print_json, scope_named, services
from engage.domain.access import ApiKey, KeyKind, KeyScope, bearer_key
from engage.domain.errors import InputError, UsageError
from engage.pipeline.keyring import FRESH, issue_key
from engage.queueing import NoQueue
from engage.sources.standard_webhooks import shown_secret
from engage.store.api_keys import all_keys, find_key, revoke_key

LONGEST_NAME = 60


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Make, list and revoke the keys of systems that push data.", no_args_is_help=True)
    group.command("create")(create)
    group.command("list")(list_)
    group.command("revoke")(revoke)
    app.add_typer(group, name="key")


def create(
    name: Annotated[str, typer.Argument(help="Which system it is for, such as 'portal'.")],
    scope: Annotated[list[KeyScope], typer.Option("--scope", help="What it may push; say it once for each.")],
    program: ProgramOption = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="For a system that signs what it pushes (Standard Webhooks).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once: it is kept as a hash only."""
    name, kind = _checked(name), KeyKind.SIGNED if signed else KeyKind.BEARER
    with services(queue=NoQueue()) as built:
        chosen = scope_named(library_of(built), program)
        with built.database.write() as db:
            public_id, secret = issue_key(db, chosen.program_id, name, kind, frozenset(scope), built.clock())
        url = f"{built.settings.public_url}/v1" + (f"/push/{public_id}" if signed else "")
        shown = shown_secret(built.signer, public_id) if signed else bearer_key(public_id, secret)
    if as_json:
        about = {"id": public_id, "name": name, "kind": kind.value, "program": chosen.program.key}
        print_json(about | {"scopes": sorted(scope), "url": url, "secret" if signed else "key": shown})
        return
    typer.echo(shown)  # alone on its line and on standard output, for scripts
    typer.echo(f"This is shown once: keep it where {name} keeps its passwords.", err=True)
    typer.echo(f"It is for {url}; to end it: engage key revoke {public_id}", err=True)


def list_(program: ProgramOption = None, as_json: JsonOption = False) -> None:
    """List the keys: what each may push, when it was last used, and which are revoked."""
    with services(queue=NoQueue()) as built:
        library = library_of(built)
        programs = {id_: key for key, id_ in library.program_ids.items()}
        wanted = scope_named(library, program).program_id if program else None
        with built.database.read() as db:
            keys = [key for key in all_keys(db) if wanted in (None, key.program_id)]
    if as_json:
        print_json([_json(key, programs.get(key.program_id)) for key in keys])
        return
    if not keys:
        console.print("There are no keys.")
        return
    several = ["program"] if len(programs) > 1 else []
    table = Table("id", "name", *several, "kind", "may push", "last used", box=None, padding=(0, 2, 0, 0))
    table.columns[0].no_wrap, table.columns[0].min_width = True, len(keys[0].public_id)  # to be copied
    for key in keys:
        cells = [key.public_id, escape(key.name), programs.get(key.program_id, "(gone)"), key.kind, _scopes(key)]
        table.add_row(*(cells if several else cells[:2] + cells[3:]), _last_used(key))
    console.print(table, soft_wrap=False)


def revoke(public_id: Annotated[str, typer.Argument(metavar="ID", help="As `engage key list` shows it.")]) -> None:
    """End a key for good."""
    with services(queue=NoQueue()) as built, built.database.write() as db:
        key = find_key(db, _id_in(public_id))
        if key is None:
            raise InputError("there is no such key", "its id is what stands first in: engage key list")
        ended = revoke_key(db, key.id, built.clock())
    if ended:
        seconds = f"{FRESH.total_seconds():.0f} seconds"
        console.print(escape(f"The key of '{key.name}' is revoked: nothing takes it any more {seconds} from now."))
    else:
        console.print(escape(f"The key of '{key.name}' was revoked before."))


def _checked(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"a key's name is one line of 1 to {LONGEST_NAME} characters", "name the system it is for")
    return name


def _id_in(text: str) -> str:
    """The public id, also of somebody who pastes the whole key: it is not repeated on the screen."""
    return text.removeprefix("ek_").partition("_")[0]


def _scopes(key: ApiKey) -> str:
    return " ".join(sorted(key.scopes))


def _last_used(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    return f"{key.last_used_at:%Y-%m-%d %H:00}" if key.last_used_at else "never"


def _json(key: ApiKey, program: str | None) -> dict[str, Any]:
    times = {name: getattr(key, name) for name in ("created_at", "last_used_at", "revoked_at")}
    about = {"id": key.public_id, "name": key.name, "kind": key.kind.value, "program": program}
    iso = {name: at.isoformat().replace("+00:00", "Z") if at else None for name, at in times.items()}
    return about | {"scopes": sorted(key.scopes)} | iso
