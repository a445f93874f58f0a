"""A million waiting enrollments on PostgreSQL: what a tick costs that has nothing to do, and one with 10,000 steps due.

    .venv/bin/python -m benchmarks.journeys

Prints the milliseconds of a look at what is due, and of a tick of the scheduler that sweeps, with nothing due; then how
many statements and seconds the chunks take in which workers take 10,000 steps: a condition, a branch and a mail each.
Exits with 1 when an idle tick takes more than LIMIT_MS, or when chunks do not all take the same number of statements.
"""

import argparse
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from engage.bootstrap import JOURNEYS_AT_ONCE, Services
from engage.domain.facts import Feed
from engage.domain.records import PartnerRecord, Record, ReferralRecord
from engage.queueing import Lane
from engage.settings import Settings
from engage.store.intake import hear
from engage.store.journeys import due_journeys
from engage.store.people import ensure_addresses
from engage.store.tables import enrollments, occasions, partners
from engage.workers.scheduler import SWEEP_EVERY, Scheduler
from tests.support.postgres import PostgresServer
from tests.support.schema import prepare

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
PARTNERS = 10_000
LIMIT_MS = 50.0
LOOKS = 40
CAMPAIGN = """\
campaign: journey
why: The journey of the measurement.
state: live
topic: tips
for: partner
when: {every: "day 09:00"}
again: each slot
stop_when:
  - referrals: {last: 7d, at_least: 50}
goal: win within 60d
steps:
  - send: nudges/no_login_30_days
  - wait: 14d
  - branch:
      if:
        - referrals: {last: 90d, at_least: 1}
      then:
        - send: nudges/many_referrals_no_wins
      else:
        - send: tiers/near_next_tier
  - wait: {until: next weekday 09:00}
  - send: nudges/quarterly_question
"""


class Kept:
    """A queue that keeps what workers are asked to do."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Sequence[int]]] = []

    def enqueue(self, task: str, ids: Sequence[int], lane: Lane) -> None:  # noqa: ARG002
        if ids:
            self.asked.append((task, ids))


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures ticks beside a million waiting enrollments.")
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=10_000)
    asked = parser.parse_args()
    with PostgresServer(durable=True) as databases, TemporaryDirectory(prefix="engage-benchmark-") as folder:
        services, queue, clock = _installed(databases.create(), Path(folder))
        begun = time.perf_counter()
        _load(services, asked.waiting)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {asked.waiting:,} wait", end="")
        print(f" (made in {time.perf_counter() - begun:.0f} s)")
        idle = _idle(services, clock)
        chunks = _advanced(services, queue, asked.due)
        services.close()
    return 0 if idle <= LIMIT_MS and len(set(chunks)) == 1 else 1


def _installed(url: str, folder: Path) -> tuple[Services, Kept, Clock]:
    prepare(url)
    copytree(ROOT / "campaigns", folder / "campaigns")
    (folder / "campaigns" / "journey.yaml").write_text(CAMPAIGN)
    settings = Settings.load(
        database_url=url,
        data_dir=folder / "data",
        campaigns_dir=folder / "campaigns",
        templates_dir=ROOT / "email_templates",
    )
    queue = Kept()
    clock = Clock()
    return Services(settings, queue, clock), queue, clock


def _load(services: Services, waiting: int) -> None:
    """Partners, half of them with a referral, and `waiting` enrollments that come due over the next hundred days."""
    library = services.library()
    program, *_ = library.programs
    joined = NOW - timedelta(days=400)
    for start in range(0, PARTNERS, 1000):
        rows: list[list[Record]] = []
        for number in range(start, start + 1000):
            name, at = f"p{number}", NOW - timedelta(days=number % 180, hours=1)
            rows.append([PartnerRecord(name, f"{name}@example.com", "Ann", status="active", joined_at=joined)])
            if number % 2:
                rows.append([ReferralRecord(f"r{number}", name, lead_company="Acme", submitted_at=at)])
        services.take(program, rows, source="benchmark", news=False)
    campaign = library.campaigns[program, "journey"]
    program_id, version_id = library.program_ids[program], library.version_of(campaign)
    common = {"program_id": program_id, "campaign": "journey", "version_id": version_id}
    with services.database.write() as db:
        for feed in Feed:
            hear(db, program_id, feed, NOW)
        ensure_addresses(db, [library.programs[program].default_owner or ""])  # which the first chunk would store
        occasion = sa.insert(occasions).values(**common, key="slot:2026-02-16T09:00", occurred_at=NOW)
        occasion_id = db.execute(occasion.returning(occasions.c.id)).scalar_one()
        series = sa.func.generate_series(0, waiting // PARTNERS - 1)
        numbers = series.table_valued("number", name="numbers").render_derived()
        later = sa.func.make_interval(0, 0, 0, 0, 1, 0, sa.func.random() * 8_640_000)
        row: dict[str, Any] = {
            **common,
            "occasion_id": sa.literal(occasion_id),
            "key": sa.func.concat("slot:", numbers.c.number),
            "partner_id": partners.c.id,
            "entered_at": sa.literal(NOW - timedelta(days=14)),
            "state": "active",
            "step": "wait-1",
            "reached_at": sa.literal(NOW - timedelta(days=14)),
            "due_at": sa.literal(NOW) + later,
        }
        values = [value if isinstance(value, sa.ColumnElement) else sa.literal(value) for value in row.values()]
        filled = sa.select(*values).select_from(partners.join(numbers, sa.true()))
        db.execute(sa.insert(enrollments).from_select(list(row), filled))
    services.imported(program, [])


def _idle(services: Services, clock: Clock) -> float:
    """Milliseconds of a tick that sweeps and finds nothing due: the median, for the machine has other work, too."""
    scheduler = Scheduler(services)
    scheduler.tick()  # the first one reads files and opens runs

    def look() -> None:
        with services.database.read() as db:
            assert due_journeys(db, clock(), 5000) == []

    def tick() -> None:
        clock.now += SWEEP_EVERY
        scheduler.tick()

    median = 0.0
    for name, work in (("a look at what is due", look), ("a tick that sweeps", tick)):
        taken = [_milliseconds(work) for _ in range(LOOKS)]
        median = statistics.median(taken)
        print(f"{name:22} {median:6.2f} ms ({min(taken):.2f} to {max(taken):.2f}; {LIMIT_MS:.0f} allowed)")
    return median


def _milliseconds(work: Callable[[], None]) -> float:
    gc.collect()  # between two, so that no tick pays for what another has left
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def _advanced(services: Services, queue: Kept, due: int) -> list[int]:
    """The number of statements of each chunk in which as many steps are taken as are due."""
    e = enrollments.c
    with services.database.write() as db:
        some = sa.select(e.id).where(e.key == "slot:0").order_by(e.id).limit(due)
        db.execute(sa.update(enrollments).where(e.id.in_(some.scalar_subquery())).values(due_at=services.clock()))
    chunks: list[int] = []
    services.library()
    advanced, seconds = 0, 0.0
    while True:
        queue.asked.clear()
        services.sweep()
        ids = [id_ for task, found in queue.asked if task == "advance" for id_ in found]
        if not ids:
            break
        advanced += len(ids)
        for start in range(0, len(ids), JOURNEYS_AT_ONCE):
            with _counted(services) as statements:
                begun = time.perf_counter()
                services.advance(ids[start : start + JOURNEYS_AT_ONCE])
                seconds += time.perf_counter() - begun
            chunks.append(len(statements))
    print(f"{advanced:,} steps in {len(chunks)} chunks of {JOURNEYS_AT_ONCE:,}: {seconds:.1f} s", end="")
    print(f" ({advanced / seconds:,.0f} a second), {sorted(set(chunks))} statements a chunk")
    return chunks


@contextmanager
def _counted(services: Services) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = services.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


if __name__ == "__main__":
    sys.exit(main())
