"""The stage of a scenario: an empty installation on one database, with its servers and processes."""

import math
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engage.bootstrap import Services
from engage.clock import utc_now
from engage.domain.deliveries import DeliveryState
from engage.store.database import Database
from engage.store.tables import deliveries
from engage.web.mailbox import read_log
from tests.faults import ledger
from tests.faults.feeding import Mail, mails_of_changes, mails_of_newsletters, take_changes, take_partners
from tests.faults.processes import Crew, Feed
from tests.faults.servers import Http, Postgres, SmallDisk, SmallPostgres, Valkey, free_port
from tests.faults.site import Site, lay_out
from tests.support.postgres import Databases, PostgresServer
from tests.support.schema import prepare

SETTLES_WITHIN = 180.0
"""Seconds in which everything that waits must have come to an end after the last fault."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a scenario has found. `counted` is for people, `figures` for machines; no breach: it holds."""

    counted: str
    breaches: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Breach(Exception):
    """What must hold does not, and the scenario cannot go on."""


@dataclass(frozen=True, slots=True)
class Where:
    """What scenarios are given: a way to fork, a folder, how large they are (1: as promised).

    What the processes said is copied to `keep`, if given.
    """

    context: ForkServerContext
    folder: Path
    scale: float
    keep: Path | None = None

    def scaled(self, full: int, least: int = 1) -> int:
        return max(least, math.ceil(full * self.scale))


class Stage:
    """One installation. Made by `stage`."""

    def __init__(self, where: Where, site: Site, valkey: Valkey, postgres: PostgresServer | None) -> None:
        self.where, self.site, self.valkey = where, site, valkey
        self.postgres = postgres
        self.database = Database(site.database_url)
        self.crew = Crew(where.context, site)
        self.partners = 0
        self.newsletters = 0
        self.changes = 0
        self.mailbox: Http
        self.database_disk: SmallDisk
        self.journal_disk: SmallDisk
        self._web: Http | None = None

    @cached_property
    def services(self) -> Services:
        """The services in the harness's own process, with a queue."""
        return self.site.services()

    @property
    def web(self) -> Http:
        """The web process, started when first asked for."""
        if self._web is None:
            self._web = Http(self.site, "web", self.site.port)
        return self._web

    def close(self) -> None:
        if "services" in self.__dict__:
            self.services.close()
        self.database.close()
        if self._web is not None:
            self._web.stop()

    # --- what is fed in -----------------------------------------------------------------------------------------------

    def has_partners(self, count: int) -> None:
        take_partners(self.services, count)
        self.partners = count

    def takes(self, changes: int, at_once: int = 200) -> None:
        """Takes so many more changes, in this process."""
        upto = self.changes + changes
        while self.changes < upto:
            end = min(upto, self.changes + at_once)
            take_changes(self.services, range(self.changes, end), self.partners, self.site.began - timedelta(hours=1))
            self.changes = end

    def feed(self) -> Feed:
        """For feeders of this installation."""
        return self.crew.feed(self.partners)

    def eligible(self) -> Counter[Mail]:
        """The mails to which everything that was fed in must lead."""
        return mails_of_changes(range(self.changes), self.partners) + mails_of_newsletters(
            self.newsletters, self.partners
        )

    # --- what comes of it ---------------------------------------------------------------------------------------------

    def settle(self, seconds: float = SETTLES_WITHIN, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Waits until every mail that was fed in has a delivery, and each has come to an end; raises Breach if never.

        `meanwhile` is called again and again.
        """
        wanted = self.eligible().total()

        def over() -> bool:
            meanwhile()
            return ledger.total(self.database) >= wanted and ledger.unfinished(self.database) == 0

        self.wait_for(
            over,
            lambda: (
                f"{ledger.total(self.database)} of {wanted} deliveries are there, "
                f"{ledger.unfinished(self.database)} have not come to an end"
            ),
            seconds,
        )

    def wait_for(self, holds: Callable[[], Any], otherwise: Callable[[], str] | str, seconds: float = 60.0) -> float:
        """Waits until `holds()`; returns how long that took. Raises Breach when it never does."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > seconds:
                said = otherwise if isinstance(otherwise, str) else otherwise()
                raise Breach(f"after {seconds:.0f} s: {said}")
            time.sleep(0.05)
        took = time.monotonic() - began
        self.note(f"waited {took:.1f} s, else: {otherwise if isinstance(otherwise, str) else otherwise()}")
        return took

    def note(self, what: str) -> None:
        """Says what the harness does, in a file beside those of the processes."""
        with (self.site.folder / "harness.log").open("a") as log:
            log.write(f"{utc_now().isoformat()} {what}\n")

    def fed(self, shared: Feed) -> None:
        """Waits until the feeder has taken all that it may; from then on that is what was fed in."""
        self.wait_for(lambda: shared.taken.value >= shared.allowed.value, "the feeder has not taken all changes")
        self.changes = shared.taken.value

    def mails(self) -> int:
        """How many mails the provider has."""
        return sum(1 for _ in read_log(self.site.mailbox_folder))

    def unknown(self) -> set[str]:
        """The ids at the provider of what is unknown."""
        c = deliveries.c
        with self.database.read() as db:
            return set(db.execute(sa.select(c.public_id).where(c.state == DeliveryState.UNKNOWN)).scalars())

    def unarmed_crew(self) -> None:
        """From now on a worker and a scheduler run that nobody kills, and nobody else."""
        self.crew.close()
        self.crew.worker()
        self.crew.scheduler()

    def ledger(self) -> ledger.Ledger:
        """Reads everything and compares."""
        found = ledger.read(self.site, self.database, self.eligible())
        found.breaches += self.crew.unexpected
        return found

    def count(self, *states: str) -> int:
        return len(ledger.ids_in(self.database, *states))

    def said(self, role: str) -> str:
        """What the processes of this role have logged so far."""
        log = self.site.folder / f"{role}.log"
        return log.read_text() if log.exists() else ""

    def scalar(self, query: sa.Select[Any]) -> Any:
        with self.database.read() as db:
            return db.execute(query).scalar_one()


_not_kept = shutil.ignore_patterns("campaigns", "email_templates", "journal", "disk")


@contextmanager
def bare(where: Where, database: str) -> Iterator[tuple[str, Path]]:
    """The URL of a database with engage's schema, and an empty folder; no process runs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{database}-", dir=where.folder)))
        url = f"sqlite:///{folder / 'engage.db'}"
        if database == "postgres":
            postgres = Postgres()
            stack.callback(postgres.stop)
            url = Databases(postgres.url).create()
        prepare(url)
        yield url, folder


@contextmanager
def stage(
    where: Where,
    database: str,
    *,
    hurried: bool = True,
    durable: bool = False,
    small_disk: int | None = None,
    small_journal: int | None = None,
) -> Iterator[Stage]:
    """An installation on "sqlite" or "postgres", with its mailbox and Valkey; no worker runs yet.

    `small_disk`: the database lies on a disk of so many MB. `small_journal`: the journal does. `durable`: PostgreSQL
    syncs, as in production (SQLite always does).
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{database}-", dir=where.folder)))
        lay_out(folder)
        postgres, url = None, f"sqlite:///{folder / 'database' / 'engage.db'}"
        if database == "postgres":
            postgres = SmallPostgres(small_disk) if small_disk else Postgres(durable=durable)
            stack.callback(postgres.stop)
            url = Databases(postgres.url).create()
        elif small_disk:
            disk = SmallDisk(folder / "database", small_disk)
            stack.callback(disk.unmount)
        prepare(url)
        valkey = Valkey()
        stack.callback(lambda: valkey.stop())
        mailbox_port = free_port()
        site = Site(folder, url, valkey.url, f"http://127.0.0.1:{mailbox_port}", free_port(), hurried=hurried)
        site.data.mkdir()
        made = Stage(where, site, valkey, postgres)
        if small_journal:
            journal = SmallDisk(site.data / "journal", small_journal)
            stack.callback(journal.unmount)
            made.journal_disk = journal
        if small_disk:
            made.database_disk = postgres.disk if isinstance(postgres, SmallPostgres) else disk
        made.mailbox = Http(site, "mailbox", mailbox_port)
        stack.callback(made.mailbox.stop)
        stack.callback(made.close)
        if where.keep is not None:
            stack.callback(shutil.copytree, folder, where.keep / folder.name, ignore=_not_kept)
        stack.callback(made.crew.close)
        yield made
