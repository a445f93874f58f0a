"""Starts what the benchmarks stand on (PostgreSQL, Valkey, the sink), as durable as in production, and stops it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from engage.settings import PREFIX, Settings
from engage.workers.embedded import EmbeddedValkey
from engage.workers.tether import Tethered
from tests.support.postgres import Databases, PostgresServer
from tests.support.schema import prepare

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands: a PostgreSQL to make databases on, and the URLs of a Valkey and of a sink."""

    databases: Databases
    redis: str
    sink: str


@contextmanager
def standing() -> Iterator[Standing]:
    """PostgreSQL (of ENGAGE_TEST_POSTGRES_URL, or the wheel's with fsync and all), Valkey (append-only), the sink."""
    with ExitStack() as stack:
        url = os.environ.get("ENGAGE_TEST_POSTGRES_URL")
        databases = Databases(url) if url else stack.enter_context(PostgresServer(durable=True))
        folder = stack.enter_context(TemporaryDirectory(prefix="engage-benchmark-"))
        valkey = stack.enter_context(EmbeddedValkey(Path(folder)))
        sink = stack.enter_context(_sink())
        yield Standing(databases, valkey.url, sink)


@contextmanager
def _sink() -> Iterator[str]:
    with Tethered([sys.executable, "-m", "benchmarks.sink"], cwd=ROOT, output=subprocess.PIPE) as sink:
        assert sink.process.stdout is not None
        yield sink.process.stdout.readline().decode().strip()


@contextmanager
def installed(
    standing: Standing, folder: Path, campaigns: Path, templates: Path
) -> Iterator[tuple[Settings, dict[str, str]]]:
    """An installation that sends to the sink, over a database of its own: its settings, and as processes read them."""
    environment = {
        "ENGAGE_DATA_DIR": str(folder),
        "ENGAGE_DATABASE_URL": standing.databases.create(),
        "ENGAGE_REDIS_URL": standing.redis,
        "ENGAGE_CAMPAIGNS_DIR": str(campaigns),
        "ENGAGE_TEMPLATES_DIR": str(templates),
        "ENGAGE_PROVIDER": "sendgrid",
        "ENGAGE_SENDGRID_HOST": standing.sink,
        "ENGAGE_SENDGRID_API_KEY": "SG.benchmark",
        "ENGAGE_SEND_TO": "everybody",
        "ENGAGE_SECRET_KEY": "measured-not-secret",
    }
    settings = Settings.load(**{name.removeprefix(PREFIX).lower(): value for name, value in environment.items()})
    prepare(settings.database_url)
    try:
        yield settings, environment
    finally:
        standing.databases.drop(settings.database_url)


@contextmanager
def processes(count: int, command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """`command` so many times for as long as the block lasts; what they say goes to `log`."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab"))
        started = [
            stack.enter_context(Tethered(command, cwd=ROOT, env={**os.environ, **environment}, output=output.fileno()))
            for _ in range(count)
        ]
        try:
            yield
        finally:
            for process in started:
                process.ask_to_stop()


@dataclass(slots=True)
class Taken:
    """What a measured block took: seconds on the clock, and of processors together."""

    seconds: float = 0.0
    processor: float = 0.0


@contextmanager
def measured() -> Iterator[Taken]:
    """Measures a block, with all that this process has started."""
    taken, began, busy = Taken(), time.perf_counter(), _busy()
    yield taken
    taken.seconds, taken.processor = time.perf_counter() - began, _busy() - busy


def _busy() -> float:
    seconds = 0.0
    for process in (me := psutil.Process(), *me.children(recursive=True)):
        with suppress(psutil.Error):  # it has just ended
            seconds += sum(process.cpu_times()[:2])
    return seconds


def sunk(sink: str) -> int:
    """How many messages the sink has."""
    return int(json.loads(_ask(sink, "GET", "/count")))


def arrivals(sink: str) -> list[tuple[float, str, int]]:
    """(Unix seconds, recipient, bytes of the body) of each message, in order of arrival."""
    return [(at, to, size) for at, to, size in json.loads(_ask(sink, "GET", "/messages"))]


def empty(sink: str) -> None:
    """Makes the sink forget."""
    _ask(sink, "POST", "/reset")


def _ask(sink: str, method: str, path: str) -> bytes:
    """By the plainest client there is: whoever waits for a measurement to end must not take part in it."""
    connection = HTTPConnection(sink.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    finally:
        connection.close()


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 30.0, every: float = 0.05) -> None:
    """Waits until `holds()` is true; RuntimeError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
