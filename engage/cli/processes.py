"""The long-running processes: web, worker, scheduler, mailbox, and all of them at once."""

import signal
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from engage.bootstrap import HEARTBEAT, Services
from engage.cli.context import console, queue_of, require_redis, services
from engage.domain.errors import InputError, ServiceUnreachable, UsageError
from engage.logs import configure
from engage.settings import Provider, Settings
from engage.store.database import Database
from engage.store.schema import migrate as migrate_database
from engage.store.schema import newest_revision
from engage.store.upkeep import beats
from engage.web.app import build_app
from engage.web.mailbox import MailStore, mailbox_app
from engage.workers.actors import declare_actors
from engage.workers.broker import make_broker
from engage.workers.heart import start_heart
from engage.workers.processes import supervise
from engage.workers.running import run_worker
from engage.workers.scheduler import Scheduler
from engage.workers.stopping import StopSignal


def register(app: typer.Typer) -> None:
    app.command()(web)
    app.command()(worker)
    app.command()(scheduler)
    app.command()(mailbox)
    app.command()(migrate)
    app.command()(health)


def web(
    with_mailbox: Annotated[
        bool, typer.Option("--with-mailbox", help="Serve the local mailbox on the same port.")
    ] = False,
) -> None:
    """Serve the pages that partners and providers reach."""
    settings = Settings.load()
    require_free_port(settings.host, settings.port)
    with services(settings, log_level="INFO") as built:
        store = MailStore(settings.data_dir / "mailbox") if with_mailbox else None
        serve(build_app(built, store), settings)


def worker(
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many worker processes to run.")] = 1,
) -> None:
    """Do the work: match events, carry out runs, deliver."""
    settings = Settings.load()
    redis_url = require_redis(settings)
    if processes > 1:
        raise typer.Exit(supervise([command("worker")] * processes))
    broker = make_broker(redis_url)
    with services(settings, log_level="INFO") as built:
        declare_actors(broker, lambda: built)
        start_heart(built, "worker")
        run_worker(broker)


def scheduler() -> None:
    """Open the run of each schedule's slot, and sweep up what was left undone."""
    settings = Settings.load()
    require_redis(settings)
    stop = StopSignal()
    with services(settings, queue_of(settings), log_level="INFO") as built:
        start_heart(built, "scheduler")
        Scheduler(built).run(stop)


def mailbox() -> None:
    """Serve the local mailbox on its own: SendGrid's API to put mail in, /mailbox to look at it."""
    settings = Settings.load()
    configure(settings.log_format.value)
    require_free_port(settings.host, settings.port)
    serve(mailbox_app(MailStore(settings.data_dir / "mailbox")), settings)


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
        host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host
        require_page(f"http://{host}:{settings.port}{_PAGES[role]}", role)
    elif role in ("worker", "scheduler"):
        with services(settings) as built:
            require_beat(built, role)
    else:
        raise UsageError(f"there is no role '{role}'", "ask for web, worker, scheduler or mailbox")
    console.print(f"{role} is alive")


_PAGES = {"web": "/readyz", "mailbox": "/mailbox"}


def require_page(url: str, role: str) -> None:
    """Raises ServiceUnreachable unless the page answers."""
    try:
        with urllib.request.urlopen(url, timeout=5):
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


def serve(app: object, settings: Settings) -> None:
    # uvicorn raises the signal again once it has shut down in order: that is a clean end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        app,  # type: ignore[arg-type]
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def require_free_port(host: str, port: int) -> None:
    """Raises InputError if something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"port {port} on {host} cannot be used: {error.strerror}", "set ENGAGE_PORT to another one"
            ) from None


def command(*arguments: str) -> list[str]:
    """The command line of another process of engage."""
    return [sys.executable, "-m", "engage", *arguments]


def sends_to_mailbox(settings: Settings) -> bool:
    return settings.provider is Provider.MAILBOX


def data_folder(settings: Settings) -> Path:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return settings.data_dir
