"""`web` and `mailbox`: the processes that answer HTTP."""

import gc
import signal
import sys
from contextlib import suppress
from typing import Annotated

import structlog
import typer
import uvicorn

from engage.bootstrap import Services
from engage.cli.context import services
from engage.cli.ports import require_free_port
from engage.cli.watched import watched
from engage.domain.errors import InputError, UsageError
from engage.logs import configure
from engage.settings import Provider, Settings
from engage.store.accounts import any_user
from engage.web.app import build_app, webhooks_of
from engage.web.mailbox import MailStore, mailbox_app
from engage.web.mailbox.server import MailboxServer

log = structlog.get_logger(__name__)


def register(app: typer.Typer) -> None:
    app.command()(web)
    app.command()(mailbox)


def web(
    with_mailbox: Annotated[
        bool, typer.Option("--with-mailbox", help="Serve the local mailbox on the same port.")
    ] = False,
) -> None:
    """Serve the pages of partners, the consoles, and what systems and providers push to."""
    settings = Settings.load()
    if with_mailbox and settings.provider is not Provider.MAILBOX:
        problem = f"--with-mailbox shows mail to everybody who reaches this port, and {settings.provider} carries it"
        raise UsageError(problem, "leave --with-mailbox out; engage mailbox serves what it has got, on its own")
    require_free_port(settings.host, settings.port)
    if settings.metrics_port is not None:
        require_free_port(settings.host, settings.metrics_port, "ENGAGE_METRICS_PORT")
    with services(settings, log_level="INFO") as built:
        built.library()
        require_users(built)
        store = MailStore(settings.data_dir / "mailbox") if with_mailbox else None
        app = build_app(built, store)
        if settings.metrics_port is not None:
            app.state.metrics.serve(settings.host, settings.metrics_port)
        with watched(built, "web"):
            serve(app, settings, MailboxServer if with_mailbox else uvicorn.Server)


def require_users(built: Services) -> None:
    """Raises InputError when other machines reach the port, and there is no secret key or nobody who may log in."""
    settings = built.settings
    if not settings.heard_by_others:
        return
    missing = [] if settings.has_secret_key else ["secret key"]
    with built.database.read() as db:
        missing += [] if any_user(db) else ["user"]
    if missing:
        what = " and no ".join(missing)
        problem = f"engage does not listen on {settings.host}, where others reach it: there is no {what}"
        raise InputError(
            problem, "make both at once with: engage user add EMAIL --role admin; or set ENGAGE_HOST=127.0.0.1"
        )


def mailbox() -> None:
    """Serve the local mailbox on its own: SendGrid's API to put mail in, /mailbox to look at it."""
    settings = Settings.load()
    configure(settings.log_format.value)
    require_free_port(settings.host, settings.port)
    app = mailbox_app(MailStore(settings.data_dir / "mailbox"), webhooks=webhooks_of(settings))
    serve(app, settings, MailboxServer)


def serve(app: object, settings: Settings, server: type[uvicorn.Server]) -> None:
    # uvicorn raises the signal again once it has shut down in order: that is a clean end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.info("listening", url=f"http://{settings.host}:{settings.port}")
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=5,
    )
    # What is there now stays: to look through it for garbage again and again would cost a fifth of intake's speed.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    with suppress(KeyboardInterrupt):
        server(config).run()
