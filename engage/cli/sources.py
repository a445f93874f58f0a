"""`sources`: how databases, folders and systems that push stand, what they bring, and what could not be taken."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, library_of, print_json, services
from engage.cli.importing import say_held
from engage.domain.errors import InputError
from engage.domain.programs import Program
from engage.domain.records import Record, Taken
from engage.queueing import NoQueue
from engage.settings import environment
from engage.sources.dropping import first_drop, waiting_drops
from engage.sources.files import find_files
from engage.sources.mapping import KINDS
from engage.sources.polling import Polled, mapped
from engage.sources.querying import opened
from engage.sources.watched import FolderSource, PushSource, Salesforce, SqlSource, WatchedSource
from engage.sources.watching import Standing
from engage.store.sources import RejectedRow, rejected_rows, source_states

NameArgument = Annotated[str, typer.Argument(help="A source of sources.yaml.")]
_Shown = tuple[Mapping[str, Any], list[Record] | Taken]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many rows.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Databases, folders and systems that push: how they stand, and what they bring.")
    group.callback(invoke_without_command=True)(list_)
    group.command("try")(try_)
    group.command()(rejects)
    group.command()(poll)
    app.add_typer(group, name="sources")


def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the sources of sources.yaml, how far behind each is and its last error."""
    if context.invoked_subcommand is not None:
        return
    with services(queue=NoQueue()) as built:
        library_of(built)
        standings = built.standings()
        path, now, url = built.settings.sources, built.clock(), built.settings.public_url
    if as_json:
        print_json([_as_json(standing) for standing in standings])
    elif not standings:
        console.print(f"{path} names no sources. docs/connect.md shows how to write one.")
    else:
        _print(standings, now, url)


def try_(name: NameArgument, limit: LimitOption = 5, as_json: JsonOption = False) -> None:
    """Show the first rows of a source as they would be taken; of one that pushes, rejected ones. Nothing is stored."""
    with services(queue=NoQueue()) as built:
        source = _find(built, name)
        waiting = _rejected(built, name, limit) if isinstance(source, PushSource) else []
    rows = _first_rows(source, limit, waiting)
    if as_json:
        print_json([{"row": dict(row), **_said(read, source.program)} for row, read in rows])
        return
    if not rows and isinstance(source, PushSource):
        console.print(f"{name} pushes by itself, and nothing waits of what could not be taken.")
    elif not rows:
        console.print(f"{name} can be read, and has no rows.")
    for row, read in rows:
        console.print(", ".join(f"{column}={value}" for column, value in row.items()), markup=False, style="dim")
        if isinstance(read, Taken):
            console.print(f"  rejected: {read.reason}", markup=False)
            continue
        for record in _records(read, source.program):
            fields = ", ".join(f"{field}={value}" for field, value in record.items() if field != "record")
            console.print(f"  {record['record']}: {fields}", markup=False)
        if not read:
            console.print("  no record")


def rejects(name: NameArgument, limit: LimitOption = 100, as_json: JsonOption = False) -> None:
    """Show the rows that could not be taken, and why. They are tried again with each poll, or each minute."""
    with services(queue=NoQueue()) as built:
        _find(built, name)
        waiting = _rejected(built, name, limit)
    if as_json:
        print_json([asdict(row) | {"row": dict(row.row)} for row in waiting])
        return
    if not waiting:
        console.print(f"No rejected rows of {name} wait.")
    for rejected in waiting:
        console.print(f"{rejected.row_key}: {rejected.reason}", markup=False)


def _rejected(built: Services, name: str, limit: int) -> list[RejectedRow]:
    with built.database.read() as db:
        state = source_states(db, [name]).get(name)
        return rejected_rows(db, state.id, limit) if state else []


def poll(name: NameArgument, as_json: JsonOption = False) -> None:
    """Poll one source now, due or not; of one that pushes, try rejected rows again."""
    with services() as built:
        source = _find(built, name)
        _require_turn(built, name)
        logging.getLogger("engage.pipeline.observing").setLevel(logging.CRITICAL)  # what is held is said below
        polled = built.poll_now(source)
        say_held(built, name)
    if polled.error:
        raise InputError(polled.error, "error.txt beside the files says what to do")
    waits = waiting_drops(source) if isinstance(source, FolderSource) else ()
    if as_json:
        print_json(asdict(polled) | {"waits": waits})
        return
    if polled.drop:
        console.print(f"The files are in {polled.drop}")
    if polled.drop or isinstance(source, SqlSource):
        _print_counts(polled)
    elif isinstance(source, PushSource):
        console.print(f"{polled.retried:,} rejected before are taken now. {name} pushes by itself.", markup=False)
    elif not waits:
        console.print(f"No drop lies in {source.folder}", markup=False)
    for what in waits:
        console.print(what, markup=False)
    if polled.rejected and not polled.drop:
        console.print(f"To see the rejected rows and why: engage sources rejects {name}")


def _require_turn(built: Services, name: str) -> None:
    """Raises InputError while a database above it has to be read first: all rows that name its rows were rejected."""
    for standing in built.standings():
        if standing.source.name == name and standing.after:
            said = f"{name} waits until {standing.after} has been read for the first time"
            raise InputError(said, f"poll {standing.after} first: engage sources poll {standing.after}")


def _print_counts(polled: Polled) -> None:
    counts = f"{polled.read:,} {'row' if polled.read == 1 else 'rows'} read, {polled.known:,} known, "
    counts += f"{polled.accepted:,} accepted, {polled.unchanged:,} unchanged, {polled.rejected:,} rejected"
    console.print(counts + (f"; {polled.retried:,} rejected before are taken now" if polled.retried else ""))


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


def _first_rows(source: WatchedSource, limit: int, waiting: list[RejectedRow]) -> list[_Shown]:
    """The first rows of a query, or of each file of the drop that a folder's next poll would take; else those that wait
    of a source that pushes.
    """
    match source:
        case PushSource():
            return [(rejected.row, mapped(source.rows, rejected.row)) for rejected in waiting]
        case SqlSource():
            with opened(source, environment()) as there:
                lot = next(there.lots(None, limit), [])
                return [(row.values, mapped(source.rows, row.values)) for row in lot]
        case FolderSource():
            found: list[_Shown] = []
            for file in find_files(first_drop(source), source.mapping.files):
                with file.open() as rows:
                    found += [(row.values, mapped(file.mapping, row.values)) for row in islice(rows, limit)]
            return found


def _records(records: list[Record], program: Program) -> list[dict[str, Any]]:
    """What each record says, without what it leaves open; money as people write it: `100.50 USD`."""
    found: list[dict[str, Any]] = []
    for record in records:
        kind = type(record).__name__.removesuffix("Record").lower()
        said = {field: value for field, value in asdict(record).items() if value not in (None, {})}
        for field in KINDS[kind].amounts:
            if field in said:
                said[field] = f"{Decimal(said[field]).scaleb(-program.minor_digits):f} {program.currency}"
        found.append({"record": kind} | said)
    return found


def _said(read: list[Record] | Taken, program: Program) -> dict[str, Any]:
    return {"rejected": read.reason} if isinstance(read, Taken) else {"records": _records(read, program)}


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "source": standing.source.name,
        "kind": standing.source.kind,
        "state": standing.state,
        "lag_seconds": int(standing.lag.total_seconds()) if standing.lag is not None else None,
        "error": standing.error,
        "rejected": standing.rejected,
        "tried_at": standing.tried_at.isoformat() if standing.tried_at else None,
        "next_at": standing.next_at.isoformat() if standing.next_at else None,
        "waits": standing.waits,
    }


def _print(standings: list[Standing], now: datetime, url: str) -> None:
    table = Table("source", "kind", "state", "lag", "rejected", box=None, padding=(0, 2, 0, 0))
    for standing in standings:
        table.add_row(
            standing.source.name, standing.source.kind, standing.state, _since(standing.lag), f"{standing.rejected:,}"
        )
    console.print(table, soft_wrap=False)
    for standing in standings:
        if standing.error:
            console.print(f"{standing.source.name}: {standing.error} ({_when(standing, now)})", markup=False)
        if isinstance(standing.source, PushSource) and standing.state == "new":
            where = f"{url}/hooks/{standing.source.name}"
            secret = "/<the secret>" if isinstance(standing.source.sender, Salesforce) else ""
            console.print(f"{standing.source.name}: waits for its first request, at {where}{secret}", markup=False)
        for what in standing.waits:
            console.print(f"{standing.source.name}: {what}", markup=False)


def _when(standing: Standing, now: datetime) -> str:
    """When it was tried, when it will be again, and how to do so at once."""
    said = [
        f"{word} {at:{'%H:%M' if at.date() == now.date() else '%Y-%m-%d %H:%M'}}"
        for word, at in (("tried", standing.tried_at), ("next", standing.next_at))
        if at is not None
    ]
    return f"{', '.join(said)} UTC; now: engage sources poll {standing.source.name}"
