"""`import`: what a CRM exports becomes partners, referrals and their history."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, errors, library_of, print_json, services
from engage.domain.records import Record, Taken
from engage.pipeline.holding import HoldKind
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
        logging.getLogger("engage.pipeline.observing").setLevel(logging.CRITICAL)  # what is held is said below
        report = import_into(built, directory, mapping, rejects=rejects, live=live)
        database = built.database.shown
        if live:
            say_held(built, source_name(directory))
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

    event_ids: list[int] = []

    def take(rows: Sequence[Sequence[Record]]) -> Sequence[Taken]:
        taken = built.take(read.program.key, rows, source=source_name(directory), news=live, at_once=False)
        event_ids.extend(taken.event_ids)
        return taken.rows

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, size: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=size)
            bar.update(tasks[file], completed=done)

        try:
            report = import_directory(directory, read, take, rejects=rejects, progress=show)
        finally:
            built.match_soon(event_ids)
    built.imported(read.program.key, read.feeds if live else ())
    return report


def source_name(directory: Path) -> str:
    """Under which name what a folder tells is known."""
    return f"import {directory.name}"


def say_held(built: Services, source: str) -> None:
    """Says what of this source waits for an operator, if anything does."""
    for hold in built.held():
        if hold.id.kind is HoldKind.CHANGES and hold.of == source:
            errors.print(f"{hold.message}\nThey wait ({hold.id}): engage held list", highlight=False, markup=False)


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
