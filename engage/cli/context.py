"""What commands share: settings, services and ways of printing."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from engage.authoring.reader import did_you_mean
from engage.bootstrap import Services
from engage.domain.errors import InputError, ServiceUnreachable, UsageError
from engage.domain.programs import usual_program
from engage.facts import Scope
from engage.logs import configure
from engage.pipeline.library import Library
from engage.queueing import NoQueue, Queue
from engage.settings import Settings
from engage.workers.broker import RedisQueue, make_broker, require_answer

console = Console(soft_wrap=True)  # a script that reads a line gets the whole line
errors = Console(stderr=True)


def _in_one_line(text: str | None) -> str | None:
    """A reason as it is kept and printed: one line without control characters. Raises UsageError if nothing is left."""
    if text is None:
        return None
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not line:
        raise UsageError("--why is empty", "say why, for whoever asks later")
    return line


_why = typer.Option("--why", metavar="TEXT", help="Your reason, kept with the decision.", callback=_in_one_line)
WhyOption = Annotated[str, _why]
WhyIfAnyOption = Annotated[str | None, _why]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
ProgramOption = Annotated[str | None, typer.Option("--program", help="The program's key, where there are several.")]


def queue_of(settings: Settings) -> Queue:
    """The queue on Redis, or none: then the sweeper of a running scheduler finds the work."""
    return RedisQueue(make_broker(settings.redis_url)) if settings.redis_url else NoQueue()


def require_redis(settings: Settings) -> str:
    """The URL of a Redis that answers; ServiceUnreachable if there is none."""
    if settings.redis_url is None:
        raise ServiceUnreachable("ENGAGE_REDIS_URL is not set", "set it, or run everything at once with: engage up")
    require_answer(settings.redis_url)
    return settings.redis_url


@contextmanager
def services(
    settings: Settings | None = None, queue: Queue | None = None, log_level: str = "WARNING"
) -> Iterator[Services]:
    """Services with a database that answers and has the schema, closed at the end."""
    settings = settings or Settings.load()
    configure(settings.log_format.value, log_level)
    built = Services(settings, queue or queue_of(settings))
    try:
        built.start()
        yield built
    finally:
        built.close()


def library_of(built: Services) -> Library:
    """The library; says on standard error when it is not what the files say now."""
    logging.getLogger("engage.pipeline.shelf").setLevel(logging.CRITICAL)  # which would log each problem
    library = built.library()
    if library.problems:
        many = f"{len(library.problems)} problems" if len(library.problems) > 1 else "1 problem"
        typer.echo(f"engage: {many} in campaigns and emails: engage lint; what passed last is used", err=True)
    return library


def scope_named(library: Library, key: str | None) -> Scope:
    """The program with this key; without one, the one that all others inherit from. Raises UsageError or InputError."""
    scopes = library.scopes()
    if key is None:
        usual = usual_program(library.programs)
        if usual is None:
            raise UsageError("there are several programs", f"say which with --program: {', '.join(scopes)}")
        return scopes[usual.key]
    if key not in scopes:
        raise InputError(f"there is no program '{key}'", did_you_mean(key, scopes))
    return scopes[key]


def instant(text: str | None, fallback: datetime) -> datetime:
    """Reads an ISO date or instant; one without an offset is UTC."""
    if text is None:
        return fallback
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a date or an instant", "write 2026-11-21 or 2026-11-21T09:00:00Z") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
