"""`up` and `demo`: everything on one machine, with a Valkey server of its own."""

import os
import random
import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import typer
from rich.markup import escape

from engage.bootstrap import Services
from engage.cli.context import console, library_of, queue_of, services
from engage.cli.importing import import_into
from engage.cli.ports import command, require_free_port, used_alone
from engage.cli.serving import require_users
from engage.cli.upkeep import require_page
from engage.clock import utc_now
from engage.domain.accounts import COMMAND_LINE, LinkPurpose, Role
from engage.domain.campaigns import CampaignState
from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.programs import Program
from engage.logs import configure
from engage.pipeline.users import invite, login_url
from engage.queueing import NoQueue
from engage.settings import Provider, Settings
from engage.sources.sample import live_changes, sample_programme
from engage.store.waiting import due_later
from engage.workers.embedded import EmbeddedValkey
from engage.workers.processes import supervise
from engage.workers.stopping import StopSignal

DEMO_FOLDER = "demo"
DEMO_ADMIN = "admin@example.com"
SECONDS_BETWEEN_CHANGES = 3.0
FIRST_CHANGES = 25
"""So many changes come at once when the demo starts: enough that each kind of status update is in the mailbox soon."""

CHANGES_PER_HOUR = 10_000
"""A demo that is left running all day goes beyond what a program allows a CRM, and is no accident."""
_PARTNERS_OF_OTHERS = 40
"""Of each program beside the first."""


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(demo)
    app.command("demo-feed", hidden=True)(feed)


def up() -> None:
    """Run everything a small team needs on this machine: web, worker, scheduler and, unless one is set, Valkey."""
    settings = Settings.load()
    configure(settings.log_format.value)
    require_free_port(settings.host, settings.port)
    with used_alone(settings.data_dir / "up.lock"):
        with services(settings, NoQueue()) as built:
            library_of(built)
            require_users(built)
        if settings.redis_url is not None:
            raise typer.Exit(_run_all(settings, []))
        with EmbeddedValkey(settings.data_dir / "valkey") as valkey:
            os.environ["ENGAGE_REDIS_URL"] = valkey.url
            raise typer.Exit(_run_all(settings, [], valkey.running))


def demo() -> None:
    """Show engage at work: a sample programme of its own, mails in a local mailbox. Always starts afresh."""
    given = Settings.load()
    require_free_port("127.0.0.1", given.port)
    folder = (given.data_dir / DEMO_FOLDER).resolve()
    with used_alone(given.data_dir / "demo.lock"):
        _clear(folder)
        with EmbeddedValkey(folder / "valkey") as valkey:
            own = f"http://127.0.0.1:{given.port}"
            os.environ |= {
                # the demo must never touch real data or mail real people, whatever is set or stands in .env
                "ENGAGE_DATA_DIR": str(folder),
                "ENGAGE_DATABASE_URL": f"sqlite:///{folder / 'engage.db'}",
                "ENGAGE_REDIS_URL": valkey.url,
                "ENGAGE_SOURCES": str(folder / "sources.yaml"),
                "ENGAGE_PROVIDER": "mailbox",
                "ENGAGE_SEND_TO": "everybody",
                "ENGAGE_HOST": "127.0.0.1",
                "ENGAGE_PUBLIC_URL": own,
                "ENGAGE_MAILBOX_URL": own,
            }
            settings = Settings.load()
            configure(settings.log_format.value, "WARNING")
            with services(settings, NoQueue()) as built:
                library_of(built)
                link = _admin(built)
            console.print("Loading a sample programme: partners, referrals, logins and rewards of a year up to today.")
            more = [f"The consoles let you in once, as an admin: {link}"]
            raise typer.Exit(_run_all(settings, [command("demo-feed")], valkey.running, more))


def _admin(built: Services) -> str:
    """Makes an admin; returns the link that lets them in once."""
    with built.database.write() as db:
        now = built.clock()
        made = invite(db, DEMO_ADMIN, "Admin", Role.ADMIN, None, COMMAND_LINE, now, LinkPurpose.LOGIN)
    return login_url(built.settings.public_url, made.token)


def feed() -> None:
    """Load the sample, run the schedules once and keep status changes coming in, as a CRM and the calendar would."""
    settings = Settings.load()
    stop = StopSignal()
    chance = random.Random(1)
    with services(settings, queue_of(settings)) as built:
        sample = settings.data_dir / "sample"
        sample_programme(utc_now(), sample)
        import_into(built, sample, sample / "mapping.yaml", rejects=sample, live=False)
        library = built.library()
        program, *others = library.programs.values()
        for other in others:
            folder = sample / other.key
            sample_programme(utc_now(), folder, other.key, _PARTNERS_OF_OTHERS)
            import_into(built, folder, folder / "mapping.yaml", rejects=folder, live=False)
        for campaign in library.on_schedules():
            if campaign.state is CampaignState.LIVE:
                built.run_now(campaign)
        _say_what_waits(built, program)
        waiting, count = 0.0, FIRST_CHANGES
        while not stop.wait(waiting):
            with built.database.read() as db:
                rows = live_changes(chance, db, program, library.program_ids[program.key], built.clock(), count)
            built.take(program.key, rows, source="demo", news=True, limit=CHANGES_PER_HOUR)
            waiting, count = SECONDS_BETWEEN_CHANGES, 1


def _say_what_waits(built: Services, program: Program) -> None:
    """Which marketing mails come later and why: by night there would else seem to be hardly any."""
    now = built.clock()
    with built.database.read() as db:
        waits = due_later(db, now)
    soon = [one for one in waits if one[0] <= now + program.dispatch_window]
    later = waits[len(soon) :]
    if soon:
        until = f"{soon[-1][0].astimezone():%H:%M}"
        console.print(f"{_many(soon)} newsletters and tips compete until {until} for what frequency caps leave.")
    if later:
        first = f"{later[0][0].astimezone():%A %H:%M}"
        console.print(
            f"{_many(later)} wait until it is day, and no holiday, where their partners are: from {first} on."
        )
    console.print("News of referrals and rewards comes at any hour. program.yaml says all this.")


def _many(waits: list[tuple[datetime, int]]) -> int:
    return sum(many for _, many in waits)


def _run_all(
    settings: Settings,
    more: list[list[str]],
    beside: Callable[[], bool] = lambda: True,
    told: Iterable[str] = (),
) -> int:
    """Runs web, worker, scheduler and `more` until told to stop, or what is `beside` them has ended: the exit code.

    Prints where to look, and what else is to be `told`.
    """
    with_mailbox = ["--with-mailbox"] if settings.provider is Provider.MAILBOX else []
    commands = [command("web", *with_mailbox), command("worker"), command("scheduler"), *more]
    url = f"http://{settings.host}:{settings.port}"

    def announce() -> bool:
        try:
            require_page(f"{url}/healthz", "web")
        except ServiceUnreachable:
            return False
        console.print(f"engage is running. Open {url}/mailbox" if with_mailbox else f"engage is running at {url}")
        for line in told:
            console.print(escape(line))
        console.print("Ctrl-C ends it.")
        return True

    return supervise(commands, announce, beside)


def _clear(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made anew: {error.strerror}", "set ENGAGE_DATA_DIR to a folder of yours"
        ) from None
