"""`status`: how the installation stands, the worst first; what the console's overview shows, in a terminal."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from engage.bootstrap import Services
from engage.cli.context import JsonOption, console, print_json, services
from engage.domain.errors import EngageError, UsageError
from engage.queueing import NoQueue
from engage.reporting.headline import headline_of
from engage.reporting.movement import SILENT
from engage.reporting.status import Problem, Severity, Status
from engage.reporting.words import counted, rate, span

WatchOption = Annotated[bool, typer.Option("--watch", help="Keep it up to date until Ctrl-C.")]
EveryOption = Annotated[float, typer.Option("--every", min=0.5, max=3600, help="With --watch: seconds between looks.")]

_SAID = {Severity.ERROR: "[bold red]  now[/]", Severity.WARNING: "[yellow]today[/]", Severity.NOTE: "[dim] note[/]"}
_SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(as_json: JsonOption = False, watch: WatchOption = False, every: EveryOption = 2.0) -> None:
    """Show what is wrong and what to do about it, then queues, workers, schedules and sources."""
    if as_json and watch:
        raise UsageError("--json and --watch do not go together", "a script asks as often as it likes")
    with services(queue=NoQueue(), log_level="CRITICAL") as built:
        if watch:
            _keep_up(built, every)
        elif as_json:
            print_json(_json(built.status()))
        else:
            for one in _shown(built.status()):
                console.print(one, soft_wrap=isinstance(one, str | Text))


def _keep_up(built: Services, every: float) -> None:
    """Shows it again and again in the same place; where that is no terminal, one after the other."""
    try:
        with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                try:
                    found = Group(*_shown(built.status()))
                except EngageError as error:  # whoever watches wants to see it come back
                    found = Group(Text(f"Nothing can be said: {error.message}", "bold red"), Text(error.hint))
                if console.is_terminal:
                    live.update(found, refresh=True)
                else:
                    console.print(found)
                time.sleep(every)
    except KeyboardInterrupt:
        return


def _shown(found: Status) -> Iterator[str | Text | Table]:
    headline = headline_of(found)
    yield Text.from_markup(f"[bold]{headline.said}[/] {headline.more}")
    for one in found.problems:
        yield from _problem(one, found.at)
    yield Text()
    yield _queues(found)
    yield Text()
    yield _processes(found)
    if found.schedules:
        yield Text()
        yield _schedules(found)
    if found.sources:
        yield Text()
        yield _sources(found)
    yield Text()
    sending = f"Sending by {found.provider.name} {found.provider.stands}."
    rated = f" The rate is {found.provider.rate:g} messages a second." if found.provider.rate else ""
    yield Text(sending + rated)
    yield Text(f"As of {found.at:%Y-%m-%d %H:%M:%S} UTC.", "dim")


def _problem(one: Problem, now: datetime) -> Iterator[Text]:
    since = f" ({span(now - one.since)})" if one.since is not None else ""
    yield Text.from_markup(f"{_SAID[one.severity]}  {escape(one.about)}: {escape(one.said)}{since}")
    advice = f"{one.advice}: {one.command}" if one.advice and one.command else one.advice or one.command
    if advice:
        yield Text(f"       -> {advice}")


def _queues(found: Status) -> Table:
    table = _table("lane", "wait", "due", "oldest due", "in / min", "out / min", numbers=(1, 2, 4, 5))
    for one in found.queues:
        oldest = _ago(one.oldest_due, found.at)
        table.add_row(
            one.lane, counted(one.waiting), counted(one.due), oldest, rate(one.in_a_minute), rate(one.out_a_minute)
        )
    return table


def _processes(found: Status) -> Table:
    table = _table("process", "heard of", "is at")
    for one in found.processes:
        style = "" if found.at - one.beat_at <= SILENT else "red"
        at_work = ", ".join(f"{each.task} of {each.ids} for {span(found.at - each.since)}" for each in one.doing)
        table.add_row(escape(one.name), _ago(one.beat_at, found.at), at_work, style=style)
    if not found.processes:
        table.add_row("none", "", "")
    return table


def _schedules(found: Status) -> Table:
    """Those that are late, then those that come next."""
    table = _table("schedule", "last run", "next run", "late by")
    late = [one for one in found.schedules if _is_late(one.lateness)]
    coming = [one for one in found.schedules if not _is_late(one.lateness)]
    for one in [*late, *coming][: max(_SHOWN, len(late))]:
        last = f"{one.last_slot} {one.last_state}" if one.last_slot else ""
        coming_at = f"{one.next_at:%Y-%m-%d %H:%M} UTC" if one.next_at else ""
        lateness = span(one.lateness) if _is_late(one.lateness) else ""
        table.add_row(escape(f"{one.program}/{one.campaign}"), last, coming_at, lateness)
    if (more := len(found.schedules) - table.row_count) > 0:
        table.add_row(f"and {more:,} more", "", "", "")
    return table


def _is_late(lateness: timedelta) -> bool:
    return lateness >= timedelta(seconds=5)


def _sources(found: Status) -> Table:
    table = _table("source", "is", "lag", "rejected", "why", numbers=(3,))
    for one in found.sources:
        why = escape(one.error or "; ".join(one.waits))
        lag = span(one.lag) if one.lag is not None else "never read"
        table.add_row(escape(one.name), one.state, lag, f"{one.rejected:,}", why)
    return table


def _table(*names: str, numbers: tuple[int, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for index, name in enumerate(names):
        table.add_column(name, justify="right" if index in numbers else "left", overflow="fold", no_wrap=not index)
    return table


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"


def _json(found: Status) -> dict[str, Any]:
    headline = headline_of(found)
    return {"said": f"{headline.said} {headline.more}", "worst": headline.worst} | {
        name: _plain(value) for name, value in asdict(found).items()
    }


def _plain(value: Any) -> Any:
    """Values as scripts read them: instants in ISO 8601 with a Z, lengths of time in seconds."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.total_seconds() if isinstance(value, timedelta) else value
