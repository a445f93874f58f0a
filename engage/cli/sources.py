"""`sources`: how watched databases and folders stand, what they would bring, and which rows could not be taken."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, library_of, print_json, services
from engage.domain.records import Record, Taken
from engage.queueing import NoQueue
from engage.settings import environment
from engage.sources.files import find_files
from engage.sources.polling import mapped
from engage.sources.querying import opened
from engage.sources.watched import FolderSource, SqlSource, WatchedSource
from engage.sources.watching import Standing
from engage.store.sources import rejected_rows, source_states

NameArgument = Annotated[str, typer.Argument(help="A source of sources.yaml.")]
_Shown = tuple[Mapping[str, Any], list[Record] | Taken]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many rows.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Watched databases and folders: how they stand, and what they bring.")
    group.callback(invoke_without_command=True)(list_)
    group.command("try")(try_)
    group.command()(rejects)
    group.command()(poll)
    app.add_typer(group, name="sources")


def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the watched databases and folders, how far behind each is and its last error."""
    if context.invoked_subcommand is not None:
        return
    with services(queue=NoQueue()) as built:
        library_of(built)
        standings = built.standings()
        path = built.settings.sources
    if as_json:
        print_json([_as_json(standing) for standing in standings])
    elif not standings:
        console.print(f"{path} names no sources. docs/connect.md shows how to write one.")
    else:
        _print(standings)


def try_(name: NameArgument, limit: LimitOption = 5, as_json: JsonOption = False) -> None:
    """Show the first rows of a source as they would be taken. Nothing is stored."""
    with services(queue=NoQueue()) as built:
        source = _find(built, name)
    rows = _first_rows(source, limit)
    if as_json:
        print_json([{"row": dict(row), **_said(read)} for row, read in rows])
        return
    if not rows:
        console.print(f"{name} can be read, and has no rows.")
    for row, read in rows:
        console.print(", ".join(f"{column}={value}" for column, value in row.items()), markup=False, style="dim")
        if isinstance(read, Taken):
            console.print(f"  rejected: {read.reason}", markup=False)
            continue
        for record in _records(read):
            fields = ", ".join(f"{field}={value}" for field, value in record.items() if field != "record")
            console.print(f"  {record['record']}: {fields}", markup=False)
        if not read:
            console.print("  no record")


def rejects(name: NameArgument, limit: LimitOption = 100, as_json: JsonOption = False) -> None:
    """Show the rows of a database that could not be taken, and why. They are tried again with each poll."""
    with services(queue=NoQueue()) as built:
        _find(built, name)
        with built.database.read() as db:
            state = source_states(db, [name]).get(name)
            waiting = rejected_rows(db, state.id, limit) if state else []
    if as_json:
        print_json([asdict(row) | {"row": dict(row.row)} for row in waiting])
        return
    if not waiting:
        console.print(f"No rejected rows of {name} wait.")
    for rejected in waiting:
        console.print(f"{rejected.row_key}: {rejected.reason}", markup=False)


def poll(name: NameArgument, as_json: JsonOption = False) -> None:
    """Poll one source now, due or not."""
    with services() as built:
        polled = built.poll_now(_find(built, name))
    if as_json:
        print_json(asdict(polled))
        return
    if polled.drop:
        console.print(f"The files are in {polled.drop}")
    counts = f"{polled.read:,} rows read, {polled.known:,} known, {polled.accepted:,} accepted, "
    counts += f"{polled.unchanged:,} unchanged, {polled.rejected:,} rejected"
    console.print(counts + (f"; {polled.retried:,} rejected before are taken now" if polled.retried else ""))
    if polled.rejected and not polled.drop:
        console.print(f"To see the rejected rows and why: engage sources rejects {name}")


def _since(lag: timedelta | None) -> str:
    """A time since then, in the largest unit that says something: `40s`, `12m`, `3h`, `2d`; `never` without one."""
    if lag is None:
        return "never"
    seconds = max(int(lag.total_seconds()), 0)
    for unit, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * unit:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def _find(built: Services, name: str) -> WatchedSource:
    library_of(built)
    return built.sources().find(name)


def _first_rows(source: WatchedSource, limit: int) -> list[_Shown]:
    """The first rows of a query, or of each file of a folder."""
    match source:
        case SqlSource():
            with opened(source, environment()) as there:
                lot = next(there.lots(None, limit), [])
                return [(row.values, mapped(source.rows, row.values)) for row in lot]
        case FolderSource():
            found: list[_Shown] = []
            for file in find_files(source.folder, source.mapping.files):
                with file.open() as rows:
                    found += [(row.values, mapped(file.mapping, row.values)) for row in islice(rows, limit)]
            return found


def _records(records: list[Record]) -> list[dict[str, Any]]:
    """What each record says, without what it leaves open."""
    return [
        {"record": type(record).__name__.removesuffix("Record").lower()}
        | {field: value for field, value in asdict(record).items() if value not in (None, {})}
        for record in records
    ]


def _said(read: list[Record] | Taken) -> dict[str, Any]:
    return {"rejected": read.reason} if isinstance(read, Taken) else {"records": _records(read)}


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "source": standing.source.name,
        "kind": standing.source.kind,
        "state": standing.state,
        "lag_seconds": int(standing.lag.total_seconds()) if standing.lag is not None else None,
        "error": standing.error,
        "rejected": standing.rejected,
    }


def _print(standings: list[Standing]) -> None:
    table = Table("source", "kind", "state", "lag", "rejected", box=None, padding=(0, 2, 0, 0))
    for standing in standings:
        table.add_row(
            standing.source.name, standing.source.kind, standing.state, _since(standing.lag), f"{standing.rejected:,}"
        )
    console.print(table, soft_wrap=False)
    for standing in standings:
        if standing.error:
            console.print(f"{standing.source.name}: {standing.error}", markup=False)
        if standing.state == "waiting":
            console.print(f"{standing.source.name} waits until the databases above it are read for the first time.")
