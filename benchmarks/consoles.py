"""Every page of the consoles on 10,000,000 deliveries in PostgreSQL: none may cost more as history grows.

    .venv/bin/python -m benchmarks.consoles

Fills a database with two years of history (some minutes, some 20 GB), counts it by the hour as the scheduler does, and
asks for each page as an admin, again and again. Prints the slowest and the usual time of each; exits 1 when the usual
time of one is more than ALLOWED. `--deliveries` makes it smaller.
"""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engage.bootstrap import Services
from engage.queueing import NoQueue
from engage.settings import Settings
from engage.web.app import build_app
from tests.support.console_pages import PAGES, known
from tests.support.consoles import Console, add_user, begin_session
from tests.support.history import fill
from tests.support.postgres import PostgresServer
from tests.support.schema import prepare

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = 0.300
TIMES = 7
YEARS = timedelta(days=730)
PROGRAM = "northwind-partners"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures every page of the consoles on much history.")
    parser.add_argument("--deliveries", type=int, default=10_000_000)
    asked = parser.parse_args()
    with PostgresServer() as databases, tempfile.TemporaryDirectory(prefix="engage-benchmark-") as folder:
        url = databases.create()
        prepare(url)
        services = _services(url, Path(folder))
        try:
            _make_history(services, asked.deliveries)
            return _measure(services)
        finally:
            services.close()


def _services(url: str, folder: Path) -> Services:
    settings = Settings.load(
        database_url=url,
        data_dir=folder,
        allowed_hosts="testserver",
        campaigns_dir=ROOT / "campaigns",
        templates_dir=ROOT / "email_templates",
        page_rate=1000,
    )
    return Services(settings, NoQueue())


def _make_history(services: Services, many: int) -> None:
    program_id = services.library().program_ids[PROGRAM]
    began = time.monotonic()
    fill(services.database, program_id, many, datetime.now(UTC), YEARS, partners=max(many // 100, 1_000))
    print(f"{many:,} deliveries of two years in {time.monotonic() - began:,.0f} s")
    began = time.monotonic()
    while services.count_deliveries():
        pass
    print(f"counted by the hour in {time.monotonic() - began:,.0f} s")
    began = time.monotonic()
    services.count_deliveries()
    print(f"a minute's counting takes {(time.monotonic() - began) * 1000:,.0f} ms", flush=True)


def _measure(services: Services) -> int:
    user = add_user(services)
    console = Console(build_app(services), services, user, begin_session(services, user))
    slow = 0
    names = known(services, PROGRAM)
    for path in (page.format(**names) for page in PAGES):
        taken = []
        for _ in range(TIMES):
            began = time.perf_counter()
            answer = console.get(path)
            taken.append(time.perf_counter() - began)
        usual = statistics.median(taken)
        verdict = "" if usual <= ALLOWED else "TOO SLOW"
        slow += bool(verdict) or answer.status_code not in (200, 303)
        print(f"{answer.status_code} {usual * 1000:7.0f} ms, slowest {max(taken) * 1000:7.0f} ms  {path} {verdict}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
