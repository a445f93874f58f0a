"""engage's side of `bulk.py`: real worker processes (`engage worker`), a campaign a send, every delivery a durable row.

`Engage.send(n)` gives a campaign to n partners who have had none and puts its run on the queue, as the scheduler does
when a slot has come: from there on everything is done by the workers. The time ends when the last delivery is settled.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from benchmarks.newsletter import Reader, readers
from benchmarks.support import Standing, Taken, empty, installed, measured, processes, sunk, wait_until
from engage.bootstrap import Services
from engage.domain.deliveries import DeliveryState
from engage.domain.keys import slot_key
from engage.domain.records import CompanyRecord, PartnerRecord, Record, ReferralRecord
from engage.queueing import Lane
from engage.store.runs import begin_run
from engage.store.tables import deliveries
from engage.workers.broker import RedisQueue, make_broker

WORKERS = 2
_WORKER = [sys.executable, "-m", "engage", "worker"]
PROGRAM = "northwind-partners"
_AUTHORED = Path(__file__).parent / "newsletter_engage"
_CAMPAIGN = """\
campaign: newsletter-{wave}
why: The newsletter of the measurement.
state: live
topic: newsletter
for: partner
when: {{every: "1st 09:00"}}
again: each slot
where:
  - region: {{is: wave-{wave}}}
steps:
  - send: newsletter
"""
_ROWS_AT_ONCE = 1_000


@contextmanager
def engage(standing: Standing) -> Iterator["Engage"]:
    """Workers that are up and warm, over a database of their own on the same PostgreSQL."""
    with TemporaryDirectory(prefix="engage-benchmark-") as folder, ExitStack() as stack:
        authored = copytree(_AUTHORED, Path(folder) / "authored")
        settings, environment = stack.enter_context(
            installed(standing, Path(folder), authored / "campaigns", authored / "templates")
        )
        built = Services(settings, RedisQueue(make_broker(standing.redis)))
        stack.callback(built.close)
        stack.enter_context(processes(WORKERS, _WORKER, environment, Path(folder) / "log"))
        yield Engage(built, standing.sink, authored / "campaigns")


class Engage:
    """Sends newsletters through the workers that `engage` started."""

    def __init__(self, services: Services, sink: str, campaigns: Path) -> None:
        self._services = services
        self._sink = sink
        self._campaigns = campaigns
        self._wave = 0
        self._known = 0
        self.send(200)  # opens connections and compiles templates, as in a worker that has run for a while

    def send(self, count: int) -> Taken:
        """Mails `count` new partners; what it took from the run on the queue to the last delivery settled."""
        self._wave += 1
        name = f"newsletter-{self._wave}"
        (self._campaigns / f"{name}.yaml").write_text(_CAMPAIGN.format(wave=self._wave))
        self._load(count)
        time.sleep(2)  # the workers read the new campaign
        empty(self._sink)

        with measured() as taken:
            self._begin(name)
            wait_until(lambda: sunk(self._sink) >= count, "engage's emails", seconds=600)
            wait_until(lambda: self._settled(name) == count, "engage's deliveries", seconds=60)
        return taken

    def _load(self, count: int) -> None:
        """Imports partners of this wave, with the referrals behind their numbers."""
        now = datetime.now(UTC)
        rows = [_records(reader, f"wave-{self._wave}", now) for reader in readers(self._known + 1, count)]
        self._known += count
        for start in range(0, count, _ROWS_AT_ONCE):
            self._services.take(PROGRAM, rows[start : start + _ROWS_AT_ONCE], source="benchmark", news=False)
        with self._services.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")

    def _begin(self, name: str) -> None:
        """Opens the run, as the scheduler does when its slot has come."""
        services, now = self._services, datetime.now(UTC)
        library = services.library()
        campaign = library.find(name)
        with services.database.write() as db:
            scope = library.scope_of(campaign)
            slot = slot_key(now)
            run, _ = begin_run(db, scope.program_id, name, library.version_of(campaign), slot, now)
        services.queue.enqueue("run", [run.id], Lane.UPKEEP)

    def _settled(self, name: str) -> int:
        done = sa.select(sa.func.count()).where(
            deliveries.c.campaign == name, deliveries.c.state == DeliveryState.ACCEPTED
        )
        with self._services.database.read() as db:
            return db.execute(done).scalar_one()


def _records(reader: Reader, wave: str, now: datetime) -> list[Record]:
    company, partner = f"company-{reader.number}", f"partner-{reader.number}"
    records: list[Record] = [
        CompanyRecord(company, name=reader.company),
        PartnerRecord(
            partner,
            email=reader.email,
            first_name=reader.first_name,
            company=company,
            region=wave,
            status="active",
            joined_at=now - timedelta(days=400),
        ),
    ]
    for count in range(reader.referrals):
        status, at = (
            ("won", now - timedelta(days=20)) if count < reader.wins else ("submitted", now - timedelta(days=9))
        )
        records.append(
            ReferralRecord(
                f"referral-{reader.number}-{count}",
                partner,
                lead_company=f"Lead {count} of {reader.number}",
                submitted_at=now - timedelta(days=30),
                status=status,
                status_at=at,
            )
        )
    return records
