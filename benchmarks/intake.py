"""How many events a second the intake API takes, and what it does under ten times as many as can be processed.

    .venv/bin/python -m benchmarks.intake [rate|overload]

PostgreSQL (with fsync) and Valkey; `engage web` as one process, which is sent events by two connections: half status
changes of known referrals, half logins.

rate: batches of 1,000, beside plain SQL inserts of the same events in the same minute. Promised: 3,000 a second.
overload: `engage worker` and `scheduler` run too. Batches of 100, ten times as many a second as are taken when each
waits for the one before, for 60 s. Promised: everything accepted is matched in the end, 99 of 100 accepted requests are
answered within a second, the web process does not grow, and the rest is answered 503.
Exits 1 when a promise is not held.
"""

import asyncio
import random
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import orjson
import psutil
import psycopg
import sqlalchemy as sa

from benchmarks.latency import PROGRAM, free_port
from benchmarks.support import ROOT, Standing, installed, measured, processes, standing, wait_until
from engage.bootstrap import Services
from engage.domain.access import KeyKind, KeyScope, bearer_key, hash_of
from engage.domain.records import PartnerRecord, Record, ReferralRecord
from engage.queueing import NoQueue
from engage.store.api_keys import add_key
from engage.store.events import count_unmatched
from engage.store.tables import events

PROMISED = 3_000
P99_SECONDS = 1.0
GROWTH_MIB = 48
REFERRALS = 20_000
BATCHES, WARM_UP = 40, 4
OVERLOAD, SECONDS = 10, 60
CONNECTIONS = 128
_BACKLOG = 20_000
_STATUSES = ("accepted", "opportunity", "won", "lost", "reopened")
_SECRET = "s" * 43


@dataclass(slots=True)
class Installation:
    """An engage that listens on `port`; `secret` is a key of its API."""

    services: Services
    port: int
    key: str


def main(parts: list[str]) -> int:
    kept = True
    with standing() as services:
        if "rate" in parts:
            with installation(services, ("web",)) as built:
                kept &= rate(built)
        if "overload" in parts:
            with installation(services, ("web", "worker", "scheduler")) as built:
                kept &= overload(built)
    return 0 if kept else 1


@contextmanager
def installation(standing: Standing, roles: tuple[str, ...]) -> Iterator[Installation]:
    """engage's processes over a database with partners and referrals."""
    with TemporaryDirectory(prefix="engage-benchmark-") as folder, ExitStack() as stack:
        campaigns = Path(folder) / "campaigns"
        copytree(ROOT / "campaigns", campaigns)
        _lift_limit(campaigns / "program.yaml")
        authored = (campaigns, ROOT / "email_templates")
        settings, environment = stack.enter_context(installed(standing, Path(folder), *authored))
        port = free_port()
        # What the intake itself bears is measured, not the limit of a key.
        environment |= {"ENGAGE_KEY_RATE": "1000000"}
        environment |= {"ENGAGE_PORT": str(port), "ENGAGE_INTAKE_BACKLOG": str(_BACKLOG)}
        services = Services(settings, NoQueue())
        stack.callback(services.close)
        key = _key(services)
        _load(services)
        for role in roles:
            command = [sys.executable, "-m", "engage", role]
            stack.enter_context(processes(1, command, environment, Path(folder) / f"{role}.log"))
        wait_until(lambda: _listens(port), "engage web", seconds=60)
        yield Installation(services, port, key)


def _lift_limit(program: Path) -> None:
    """A burst of changes would wait for an operator."""
    head = f"  {PROGRAM}:\n"
    text = program.read_text()
    assert text.count(head) == 1
    program.write_text(text.replace(head, f"{head}    limits: {{status_changes_per_hour: 100000000}}\n"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _key(services: Services) -> str:
    program_id = services.library().program_ids[PROGRAM]
    with services.database.write() as db:
        add_key(
            db, program_id, "bench", "b" * 16, KeyKind.BEARER, hash_of(_SECRET), [KeyScope.EVENTS], datetime.now(UTC)
        )
    return bearer_key("b" * 16, _SECRET)


def _load(services: Services) -> None:
    """Partners with five referrals each, which are where they began."""
    now = datetime.now(UTC)
    rows: list[list[Record]] = [
        [
            PartnerRecord(f"P-{n}", email=f"p{n}@example.com", status="active", joined_at=now - timedelta(days=400)),
            *(
                ReferralRecord(f"R-{n}-{m}", f"P-{n}", submitted_at=now - timedelta(days=30 + n % 300))
                for m in range(5)
            ),
        ]
        for n in range(REFERRALS // 5)
    ]
    for start in range(0, len(rows), 500):
        services.take(PROGRAM, rows[start : start + 500], source="benchmark", news=False)
    services.imported(PROGRAM, ())


class Bodies:
    """Requests with events that nobody has told of yet."""

    def __init__(self, key: str) -> None:
        self._head = (
            "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: %d\r\n\r\n"
        )
        self._chance = random.Random(1)
        self._made = 0

    def make(self, count: int) -> bytes:
        body = orjson.dumps({"events": [self._event() for _ in range(count)]})
        return (self._head % len(body)).encode() + body

    def _event(self) -> dict[str, str]:
        self._made += 1
        number = self._chance.randrange(REFERRALS)
        at = (datetime.now(UTC) - timedelta(microseconds=self._made % 1000)).isoformat()
        if self._made % 2:
            return {"type": "partner.logged_in", "partner": f"P-{number // 5}", "at": at}
        status = self._chance.choice(_STATUSES)
        referral = f"R-{number // 5}-{number % 5}"
        return {"type": "referral.status_changed", "referral": referral, "status": status, "at": at}


@dataclass(slots=True)
class Answers:
    """What came back: how many of each status, how long the accepted took, how many events they took in."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    events: int = 0

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)]


class Connection:
    """One connection that is kept; opened anew when the server closes it."""

    def __init__(self, port: int, answers: Answers) -> None:
        self._port, self._answers = port, answers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> None:
        began = time.perf_counter()
        if self._streams is None or self._streams[0].at_eof():  # the server closes what is not used for seconds
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].split("\r\n")[0])
            body = await reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError):
            self._answers.statuses[0] += 1
            self.close()
            return
        status = int(head.split()[1])
        self._answers.statuses[status] += 1
        if status == 202:
            self._answers.seconds.append(time.perf_counter() - began)
            said = orjson.loads(body)
            self._answers.events += said["accepted"]
            assert not said["rejected"], said
        if "connection: close" in head:
            self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def rate(built: Installation) -> bool:
    bodies = Bodies(built.key)
    requests = [bodies.make(1_000) for _ in range(WARM_UP + BATCHES)]
    asyncio.run(_closed(built.port, Answers(), requests[:WARM_UP], 2))
    answers = Answers()
    with measured() as effort:
        asyncio.run(_closed(built.port, answers, requests[WARM_UP:], 2))
    taken = answers.events / effort.seconds
    cost = effort.processor / answers.events * 1e6
    plain = _plain_inserts(built.services, answers.events)
    print(f"rate      {taken:8,.0f} events a second in batches of 1,000 (at least {PROMISED:,} are promised)")
    print(f"cost      {cost:8,.0f} µs of processors an event: the web process, PostgreSQL, and who sends")
    print(
        f"plain     {plain:8,.0f} rows of the same events a second as SQL inserts: intake is {taken / plain:.2f} of it"
    )
    return answers.statuses.keys() == {202} and taken >= PROMISED


async def _closed(port: int, answers: Answers, requests: list[bytes], connections: int) -> None:
    """Each connection sends its next request when the one before is answered."""
    waiting = iter(requests)

    async def one() -> None:
        connection = Connection(port, answers)
        for request in waiting:
            await connection.send(request)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))


def _plain_inserts(services: Services, count: int) -> float:
    """Rows a second of the same events, by executemany into a table of the same shape, 1,000 in a transaction."""
    columns = [column.name for column in events.columns if column.name != "id"]
    with services.database.read() as db:
        newest = sa.select(*(events.c[name] for name in columns)).order_by(events.c.id.desc()).limit(count)
        rows = [tuple(row) for row in db.execute(newest)]
    url = services.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE plain (LIKE events INCLUDING ALL)")
        connection.execute("CREATE SEQUENCE plain_ids")
        connection.execute("ALTER TABLE plain ALTER COLUMN id DROP IDENTITY IF EXISTS")
        connection.execute("ALTER TABLE plain ALTER COLUMN id SET DEFAULT nextval('plain_ids')")
        connection.commit()
        insert = f"INSERT INTO plain ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
        began = time.perf_counter()
        for start in range(0, len(rows), 1_000):
            connection.cursor().executemany(insert.encode(), rows[start : start + 1_000])
            connection.commit()
        return len(rows) / (time.perf_counter() - began)


def overload(built: Installation) -> bool:
    bodies = Bodies(built.key)
    asyncio.run(_closed(built.port, Answers(), [bodies.make(100) for _ in range(20)], 2))
    wait_until(lambda: _waiting(built.services) == 0, "the workers to be warm", seconds=300, every=1)
    calm, began = Answers(), time.perf_counter()
    asyncio.run(_closed(built.port, calm, [bodies.make(100) for _ in range(100)], 2))
    each_second = calm.statuses[202] / (time.perf_counter() - began)
    before = _memory()
    answers = Answers()
    asyncio.run(_open(built.port, answers, bodies, each_second * OVERLOAD))
    during = _memory()
    began = time.perf_counter()
    wait_until(lambda: _waiting(built.services) == 0, "everything accepted to be matched", seconds=900, every=1)
    drained, after = time.perf_counter() - began, _memory()
    sent, statuses = answers.statuses.total(), answers.statuses
    p50, p99 = statistics.median(answers.seconds), answers.percentile(0.99)
    print(f"calm      {each_second:8.1f} batches of 100 a second")
    print(
        f"overload  {sent / SECONDS:8.1f} a second for {SECONDS} s: {statuses[202]:,} accepted, {statuses[503]:,} 503"
    )
    print(f"others    { ({s: n for s, n in statuses.items() if s not in (202, 503)}) }")
    print(f"accepted  {answers.events:8,} events; p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    print(f"memory    {before:8.0f} MiB before, {during:.0f} after the overload, {after:.0f} when all was matched")
    print(f"drained   {drained:8.0f} s later")
    honest = statuses.keys() <= {202, 503} and statuses[503] > 0
    return honest and p99 <= P99_SECONDS and during - before <= GROWTH_MIB


async def _open(port: int, answers: Answers, bodies: Bodies, each_second: float) -> None:
    """Sends so many a second, whatever becomes of those before; none when all connections wait."""
    free = [Connection(port, answers) for _ in range(CONNECTIONS)]
    under_way: set[asyncio.Task[None]] = set()
    began = time.perf_counter()

    async def one() -> None:
        connection = free.pop()
        await connection.send(bodies.make(100))
        free.append(connection)

    sent = 0
    while (lasted := time.perf_counter() - began) < SECONDS:
        while sent < lasted * each_second:
            sent += 1
            if free:
                task = asyncio.create_task(one())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        await asyncio.sleep(0.005)
    await asyncio.gather(*under_way)


def _waiting(services: Services) -> int:
    with services.database.read() as db:
        return count_unmatched(db, 1_000_000)


def _memory() -> float:
    """MiB of the web process."""
    web = [child for child in psutil.Process().children(recursive=True) if child.cmdline()[-1:] == ["web"]]
    return sum(process.memory_info().rss for process in web) / 1024 / 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["rate", "overload"]))
