"""`migrate` and `health`: what whoever runs engage does around its processes."""

import socket
import urllib.request
from typing import Annotated

import typer

from engage.bootstrap import HEARTBEAT, Services
from engage.cli.context import console, services
from engage.domain.errors import ServiceUnreachable, UsageError
from engage.logs import configure
from engage.settings import Settings
from engage.store.database import Database
from engage.store.schema import migrate as migrate_database
from engage.store.schema import newest_revision
from engage.store.upkeep import beats

_PAGES = {"web": "/readyz", "mailbox": "/mailbox"}


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(health)


def migrate() -> None:
    """Bring the database to the schema of this version."""
    settings = Settings.load()
    configure(settings.log_format.value, "WARNING")
    database = Database(settings.database_url)
    migrate_database(database)
    console.print(f"The database has schema {newest_revision()}.")


def health(role: Annotated[str, typer.Argument(help="web, worker, scheduler or mailbox.")]) -> None:
    """Say whether a process of this role on this machine is alive, for health checks."""
    settings = Settings.load()
    if role in _PAGES:
        host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # compared, not bound  # nosec B104
        require_page(f"http://{host}:{settings.port}{_PAGES[role]}", role)
    elif role in ("worker", "scheduler"):
        with services(settings) as built:
            require_beat(built, role)
    else:
        raise UsageError(f"there is no role '{role}'", "ask for web, worker, scheduler or mailbox")
    console.print(f"{role} is alive")


def require_page(url: str, role: str) -> None:
    """Raises ServiceUnreachable unless the page answers."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # the scheme is ours  # nosec B310
            return
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ServiceUnreachable(f"{role} does not answer at {url}: {reason}", f"start it: engage {role}") from None


def require_beat(built: Services, role: str) -> None:
    """Raises ServiceUnreachable unless a process of this role on this machine has been heard of lately."""
    here = f"{role}@{socket.gethostname()}:"
    with built.database.read() as db:
        found = [at for process, at in beats(db, role).items() if process.startswith(here)]
    if not found or built.clock() - max(found) > 3 * HEARTBEAT:
        raise ServiceUnreachable(f"no {role} on this machine has been heard of lately", f"start one: engage {role}")
