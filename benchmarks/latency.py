"""How long a status change takes to become a request at the provider, and what the installation costs while idle.

    .venv/bin/python -m benchmarks.latency

PostgreSQL (with fsync), Valkey, and `engage web`, `worker` and `scheduler` as processes, with the shipped campaigns and
2,000 partners. 200 changes are taken in one at a time, with pauses in which all is idle; each is measured from the end
of intake's commit to the last byte of the request at the provider. Before that nothing happens for 20 s, and the time
of processors of all these processes is counted. Exits 1 when a promise is not held.
"""

import math
import os
import random
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.support import ROOT, Standing, arrivals, empty, installed, processes, standing, sunk, wait_until
from engage.bootstrap import Services
from engage.domain.records import LoginRecord, PartnerRecord, Record, ReferralRecord
from engage.queueing import Lane, Queue
from engage.workers.broker import RedisQueue, make_broker

MEDIAN_MS, P99_MS, IDLE_PERCENT = 50.0, 250.0, 5.0
CHANGES, WARM_UP = 200, 10
IDLE_SECONDS = 20.0
PARTNERS, REFERRALS = 2_000, 3
PROGRAM = "northwind-partners"
STATUSES = ("accepted", "opportunity", "won")
_ROLES = ("web", "worker", "scheduler")
_AT_ONCE = 500


class StampedQueue:
    """Notes when it is first asked: right after the commit whose work it is told of."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.asked_at = 0.0

    def enqueue(self, task: str, ids: Sequence[int], lane: Lane) -> None:
        self.asked_at = time.time()
        self._queue.enqueue(task, ids, lane)


def main() -> int:
    with standing() as services, installation(services) as built:
        time.sleep(5)  # everything has started and read its files
        idle = idle_percent(IDLE_SECONDS)
        took = latencies(built, services.sink)
    median, p99 = statistics.median(took), sorted(took)[math.ceil(0.99 * len(took)) - 1]
    print(f"median {median:6.1f} ms (at most {MEDIAN_MS:.0f} is promised)")
    print(f"p99    {p99:6.1f} ms (at most {P99_MS:.0f}), longest {max(took):.1f} ms, of {len(took)} changes")
    total = sum(idle.values())
    parts = ", ".join(f"{name} {percent:.1f}" for name, percent in sorted(idle.items()))
    print(f"idle   {total:6.1f} % of a core (at most {IDLE_PERCENT:.0f}): {parts}")
    return 0 if median <= MEDIAN_MS and p99 <= P99_MS and total <= IDLE_PERCENT else 1


@contextmanager
def installation(standing: Standing) -> Iterator[Services]:
    """engage's processes over a database with partners; yields services for taking changes in."""
    with TemporaryDirectory(prefix="engage-benchmark-") as folder, ExitStack() as stack:
        authored = (ROOT / "campaigns", ROOT / "email_templates")
        settings, environment = stack.enter_context(installed(standing, Path(folder), *authored))
        environment["ENGAGE_PORT"] = str(free_port())
        built = Services(settings, StampedQueue(RedisQueue(make_broker(standing.redis))))
        stack.callback(built.close)
        _load(built)
        for role in _ROLES:
            command = [sys.executable, "-m", "engage", role]
            stack.enter_context(processes(1, command, environment, Path(folder) / f"{role}.log"))
        yield built


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _load(built: Services) -> None:
    """Partners with a year behind them, each with referrals that are still where they began."""
    now = datetime.now(UTC)
    rows: list[list[Record]] = []
    for number in range(PARTNERS):
        partner = f"partner-{number}"
        joined = now - timedelta(days=400)
        person = PartnerRecord(partner, email=_email(number), first_name="Ada", status="active", joined_at=joined)
        submitted = now - timedelta(days=number % 300 + 10)
        referrals = [
            ReferralRecord(f"{partner}-{n}", partner, lead_company=f"Lead {n}", submitted_at=submitted)
            for n in range(REFERRALS)
        ]
        rows.append([person, LoginRecord(partner, now - timedelta(days=number % 40)), *referrals])
    for start in range(0, PARTNERS, _AT_ONCE):
        built.take(PROGRAM, rows[start : start + _AT_ONCE], source="benchmark", news=False)
    built.imported(PROGRAM, ())


def _email(number: int) -> str:
    return f"partner{number}@example.com"


def latencies(built: Services, sink: str) -> list[float]:
    """Milliseconds from commit to arrival, of each change; the first ones, which warm up, are left out."""
    queue = built.queue
    assert isinstance(queue, StampedQueue)
    empty(sink)
    chance, committed = random.Random(1), {}
    for number in range(WARM_UP + CHANGES):
        status, now = STATUSES[number % len(STATUSES)], datetime.now(UTC)
        change = ReferralRecord(f"partner-{number}-0", f"partner-{number}", status=status, status_at=now)
        built.take(PROGRAM, [[change]], source="benchmark", news=True)
        committed[_email(number)] = queue.asked_at
        wait_until(lambda: sunk(sink) > number, f"the mail of change {number}", every=0.02)  # noqa: B023
        time.sleep(chance.uniform(0.1, 0.3))
    arrived = {recipient: at for at, recipient, _ in arrivals(sink)}
    took = [(arrived[email] - at) * 1_000 for email, at in committed.items()]
    return took[WARM_UP:]


def idle_percent(seconds: float) -> dict[str, float]:
    """What each part of the installation uses while nothing happens, as a percentage of one core."""
    before, began = _used(), time.monotonic()
    time.sleep(seconds)
    after, lasted = _used(), time.monotonic() - began
    return {name: (used - before.get(name, 0.0)) / lasted * 100 for name, used in after.items()}


def _used() -> dict[str, float]:
    """Seconds of processor that each child of this process has used, with all of its own children."""
    used: dict[str, float] = {}
    for child in psutil.Process().children():
        name = _name(child)
        for process in (child, *child.children(recursive=True)):
            with suppress(psutil.Error):  # it has just ended, and its parent has its time
                used[name] = used.get(name, 0.0) + sum(process.cpu_times()[:4])
    return used


def _name(process: psutil.Process) -> str:
    last = process.cmdline()[-1]
    return last if last in _ROLES else os.path.basename(process.name())


if __name__ == "__main__":
    sys.exit(main())
