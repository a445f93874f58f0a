"""Worker, scheduler and feeder as processes that are forked from one that has everything in memory already.

They do what `engage worker` and `engage scheduler` do, with a short lease and armed failpoints. A new one works a few
tenths of a second after the one before was killed. None outlives the harness.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from engage import failpoints
from engage.domain.errors import ServiceUnreachable
from engage.logs import configure
from engage.pipeline import contest as pipeline_contest
from engage.pipeline import runs as pipeline_runs
from engage.pipeline import sweep as pipeline_sweep
from engage.workers import scheduler as scheduling
from engage.workers.actors import declare_actors
from engage.workers.broker import make_broker
from engage.workers.heart import start_heart
from engage.workers.running import run_worker
from engage.workers.scheduler import Scheduler
from engage.workers.stopping import StopSignal
from tests.faults.feeding import take_changes
from tests.faults.site import Site, compile_once

_PR_SET_PDEATHSIG = 1
_PRELOADED = "ENGAGE_TEST_FAULTS_PRELOAD"
_ENDS_WITHIN = 16  # seconds: 15 are promised
CHUNK = 10
"""Changes that a feeder takes in one transaction."""


def _die_with_parent() -> None:
    """Also when stopped, which no thread of ours could see to. Linux only; elsewhere a thread watches (`_process`)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if _PRELOADED in os.environ:  # this is the fork server: the parent of all that follow
    _die_with_parent()
    compile_once(Path(os.environ[_PRELOADED]))


def fork_server(folder: Path) -> ForkServerContext:
    """Where processes are forked from; to be asked for once, before any other use of multiprocessing's fork server."""
    os.environ[failpoints.VARIABLE] = ""
    os.environ[_PRELOADED] = str(folder / "preload")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


# --- what a process does ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feeder shares with the harness: how many changes it may take and has taken, of how many partners."""

    allowed: "Synchronized[int]"
    taken: "Synchronized[int]"
    partners: int


def work(site: Site, armed: str) -> None:
    with _process(site, "worker", armed):
        broker = make_broker(site.redis_url)
        services = site.services()
        services.start()
        services.library()
        declare_actors(broker, lambda: services)
        services.replay_journal()
        with start_heart(services, "worker"):
            run_worker(broker, stopping=services.stopping.set)
        services.close()


def schedule(site: Site, armed: str) -> None:
    with _process(site, "scheduler", armed):
        stop = StopSignal()
        services = site.services()
        services.start()
        with start_heart(services, "scheduler"):
            Scheduler(services).run(stop)
        services.close()


def feed(site: Site, armed: str, shared: Feed) -> None:
    """Takes changes in chunks, as many as are allowed. `taken` is moved on after a chunk: a killed one comes again."""
    with _process(site, "feeder", armed):
        services = site.services()
        services.start()
        since = site.began - timedelta(hours=1)
        while True:
            upto = min(shared.allowed.value, shared.taken.value + CHUNK)
            if upto <= shared.taken.value:
                time.sleep(0.01)
                continue
            try:
                take_changes(services, range(shared.taken.value, upto), shared.partners, since)
            except ServiceUnreachable:  # as a poller does: later again, the same
                time.sleep(0.2)
            else:
                shared.taken.value = upto


@contextmanager
def _process(site: Site, role: str, armed: str) -> Iterator[None]:
    """Ties this process to the life of the harness, sends what it says to a file, arms its failpoints."""
    _die_with_parent()
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()
    with (site.folder / f"{role}.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    configure("console", "INFO")
    if site.hurried:
        scheduling.SWEEP_EVERY = timedelta(seconds=1)
        pipeline_sweep.GRACE = timedelta(seconds=2)
        pipeline_contest.CHUNK = 10
        pipeline_sweep.GIVEN_UP_AFTER = pipeline_runs.GIVEN_UP_AFTER = timedelta(seconds=5)
    failpoints.arm(armed)
    yield


# --- seen from the harness --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Killed:
    """A process that has been killed: at which failpoint, and when (Unix seconds)."""

    role: str
    failpoint: str
    at: float


@dataclass(slots=True)
class Member:
    """A process of the crew."""

    role: str
    armed: str
    process: BaseProcess
    began: float = field(default_factory=time.time)

    @property
    def failpoint(self) -> str:
        return self.armed.partition(":")[0]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid or 0, number)

    def stopped(self) -> bool:
        """Whether it has been stopped by a signal and not continued."""
        state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"


class Crew:
    """The processes of one installation. Ends them all with the block."""

    def __init__(self, context: ForkServerContext, site: Site) -> None:
        self._context = context
        self.site = site
        self.members: list[Member] = []
        self.unexpected: list[str] = []

    def worker(self, armed: str = "") -> Member:
        return self._start("worker", armed, work)

    def scheduler(self, armed: str = "") -> Member:
        return self._start("scheduler", armed, schedule)

    def feeder(self, shared: Feed, armed: str = "") -> Member:
        return self._start("feeder", armed, feed, shared)

    def feed(self, partners: int) -> Feed:
        return Feed(self._context.Value("i", 0), self._context.Value("i", 0), partners)

    def _start(self, role: str, armed: str, target: Callable[..., None], *arguments: object) -> Member:
        process = self._context.Process(target=target, args=(self.site, armed, *arguments), daemon=True)
        process.start()
        member = Member(role, armed, process)
        self.members.append(member)
        return member

    def ended(self, timeout: float) -> list[tuple[Member, Killed]]:
        """Those that have been killed by their failpoints since last asked; waits at most `timeout` seconds for one.

        Whoever ended in another way is noted in `unexpected`, and is in the answer too.
        """
        gone = set(wait([member.process.sentinel for member in self.members], timeout))
        found = []
        for member in [one for one in self.members if one.process.sentinel in gone]:
            at = time.time()
            member.process.join()
            self.members.remove(member)
            if member.process.exitcode != -signal.SIGKILL or not member.armed:
                self.unexpected.append(f"a {member.role} ended by itself ({member.process.exitcode})")
            found.append((member, Killed(member.role, member.failpoint, at)))
        return found

    def kill(self, member: Member) -> None:
        """Kills it now, wherever it is."""
        member.process.kill()
        member.process.join()
        self.members.remove(member)

    def stop(self, members: Iterable[Member] | None = None) -> None:
        """Asks these, or all, to end in order, and waits for them; who takes longer than it may is noted and killed."""
        leaving = list(self.members if members is None else members)
        for member in leaving:
            member.process.terminate()
        for member in leaving:
            member.process.join(_ENDS_WITHIN)
            if member.process.is_alive():
                self.unexpected.append(f"a {member.role} did not end within {_ENDS_WITHIN} s of SIGTERM")
                member.process.kill()
                member.process.join()
            self.members.remove(member)

    def close(self) -> None:
        for member in list(self.members):
            self.kill(member)
