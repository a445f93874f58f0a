"""`import`: what a CRM exports becomes partners, referrals and their history."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, errors, library_of, print_json, services
from engage.domain.records import Record, Taken
from engage.queueing import NoQueue
from engage.sources import Report, import_directory, load_mapping


def register(app: typer.Typer) -> None:
    app.command("import")(import_)


def import_(
    directory: Annotated[Path, typer.Argument(help="The folder with the exported files.")],
    mapping: Annotated[Path, typer.Option("--mapping", help="Which column is what: docs/import.md.")],
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Folder for rows that cannot be taken.")] = None,
    live: Annotated[bool, typer.Option("--live", help="This export is a feed: what is new in it is news.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any row was rejected.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import CSV and JSON Lines files. What is told again changes nothing; history sends nothing."""
    # history needs no Redis; of live changes the workers of a running installation are told at once
    with services(queue=None if live else NoQueue()) as built:
        report = import_into(built, directory, mapping, rejects=rejects, live=live)
        database = built.database.shown
    if as_json:
        print_json(report.as_json())
    else:
        _print(report, rejects)
        console.print(f"into {database}")
    if strict and report.total.rejected:
        raise typer.Exit(1)


def import_into(built: Services, directory: Path, mapping: Path, *, rejects: Path | None, live: bool) -> Report:
    """Imports the folder into the store, one transaction a batch, with a progress bar where somebody looks at it."""
    read = load_mapping(mapping, library_of(built).programs)

    def take(rows: Sequence[Sequence[Record]]) -> Sequence[Taken]:
        return built.take(read.program.key, rows, source=f"import {directory.name}", news=live).rows

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, size: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=size)
            bar.update(tasks[file], completed=done)

        report = import_directory(directory, read, take, rejects=rejects, progress=show)
    built.imported(read.program.key, read.feeds if live else ())
    return report


def _print(report: Report, rejects: Path | None) -> None:
    table = Table("file", "read", "accepted", "unchanged", "rejected", box=None, padding=(0, 2, 0, 0))
    for file in report.files:
        counts = file.counts
        table.add_row(file.file, *(f"{n:,}" for n in (counts.read, counts.accepted, counts.unchanged, counts.rejected)))
    console.print(table, soft_wrap=False)
    for file in report.files:
        if file.rejects:
            console.print(f"Rejected rows of {file.file}, with reasons: {file.rejects}")
    if report.total.rejected and rejects is None:
        console.print("To see the rejected rows and why: --rejects DIR")
