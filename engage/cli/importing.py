"""`import`: what a CRM exports becomes partners, referrals and their history."""

from pathlib import Path
from typing import Annotated

import typer

from engage.cli.context import JsonOption, print_json, services


def register(app: typer.Typer) -> None:
    app.command("import")(import_)


def import_(
    directory: Annotated[Path, typer.Argument(help="The folder with the exported files.")],
    mapping: Annotated[Path, typer.Option("--mapping", help="mapping.yaml: which column is what.")],
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Folder for the rows that were not taken.")] = None,
    live: Annotated[bool, typer.Option("--live", help="This export is a feed: recent changes are news.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any row was rejected.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import CSV and JSON Lines files. What is told again changes nothing; history sends nothing."""
    with services() as built:
        report = import_into(built, directory, mapping, rejects=rejects, live=live, show_progress=not as_json)
    if as_json:
        print_json(report.as_json())
    else:
        _print_report(report, rejects)
    if strict and report.total.rejected:
        raise typer.Exit(1)
