"""An operator's drill: what breaks shows on the console and in the metrics within a minute; mended, all goes once."""

import os
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import pytest

from engage.bootstrap import Services
from engage.domain.accounts import Role
from engage.pipeline.shelf import LOOK_EVERY
from engage.queueing import NoQueue
from engage.settings import Settings
from engage.web.console.doors import cookie_name
from tests.faults.servers import NoSmallDisk, SmallDisk
from tests.support.command import EngageCommand
from tests.support.consoles import add_user, begin_session
from tests.support.installation import Installation, Web, email
from tests.support.postgres import PostgresServer
from tests.support.unavailable import unavailable
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-the-drill"
SEEN_WITHIN = 60.0
DEALS = [f"deal-{number}" for number in range(12)]


class Operator:
    """Somebody who looks at the console and the metrics, and does what the runbook says."""

    def __init__(self, installation: Installation, web: Web) -> None:
        self.installation, self.web = installation, web
        own = {name.removeprefix("ENGAGE_").lower(): value for name, value in installation.env.items()}
        services = Services(Settings.load(**own, data_dir=installation.folder / "var"), NoQueue())
        try:
            token = begin_session(services, add_user(services, Role.OPS))
            self._cookies = {cookie_name(services): token}
        finally:
            services.close()

    def console(self) -> httpx.Response:
        return httpx.get(f"{self.web.url}/console", cookies=self._cookies, timeout=30)

    def metric(self, metric: str) -> float | None:
        answer = httpx.get(f"{self.web.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        found = re.search(rf"^{re.escape(metric)} (\S+)$", answer.text, re.M)
        return float(found[1]) if found else None

    def sees(self, said: str, metric: str, value: Callable[[float], bool]) -> None:
        """Waits, for a minute at the most, until console and metrics both say so."""

        def shown() -> bool:
            number = self.metric(metric)
            return number is not None and value(number) and said in self.console().text

        wait_for(shown, f"'{said}' on the console and {metric} in the metrics", SEEN_WITHIN)

    def sees_all_well(self) -> None:
        wait_for(lambda: (self.metric("engage_worst_severity") or 0) < 2, "the console to be calm again")


class Site:
    """One installation, its processes and its operator."""

    def __init__(self, command: EngageCommand, database_url: str, valkey_url: str, port: int) -> None:
        self.web = Web(port)
        self.installation = Installation(
            command, database_url, redis_url=valkey_url, port=str(port), metrics_token=TOKEN
        )
        assert self.installation.run("migrate").code == 0
        assert self.installation.imports().code == 0
        self.operator = Operator(self.installation, self.web)
        self.mailbox = self.installation.start("web", "--with-mailbox")
        self.worker = self.installation.start("worker")
        self.scheduler = self.installation.start("scheduler")
        self.web.wait_until_up(self.mailbox, self.installation.folder / "web.log")

    def faults(self, script: object) -> None:
        request = urllib.request.Request(
            f"{self.web.url}/mailbox/faults", orjson.dumps(script), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def got_each_once(self, deals: list[str]) -> None:
        self.web.wait_for_mails([f"{deal.title()} Ltd signed" for deal in deals])


def workers_read_it() -> None:
    """Waits until every process has looked again whether files have changed."""
    written = datetime.now(UTC)
    wait_for(lambda: datetime.now(UTC) > written + 2 * LOOK_EVERY, "the workers to look again")


@pytest.fixture
def site(run_engage: EngageCommand, sqlite_url: str, valkey_url: str, unused_port: int) -> Site:
    return Site(run_engage, sqlite_url, valkey_url, unused_port)


def test_a_provider_that_refuses(site: Site) -> None:
    site.faults([{"answer": 503, "times": 1_000_000}])
    site.installation.wins(*DEALS)
    provider = f"mailbox 127.0.0.1:{site.web.url.rpartition(':')[2]}"
    site.operator.sees("Provider", f'engage_provider_state{{provider="{provider}",state="broken"}}', lambda n: n == 1)
    assert site.web.mails() == []
    site.faults([])
    site.got_each_once(DEALS)
    site.operator.sees_all_well()


def test_a_worker_that_is_stuck(site: Site) -> None:
    os.kill(site.worker.pid, signal.SIGSTOP)
    try:
        site.installation.wins(*DEALS)
        site.operator.sees("worker", 'engage_problems{kind="no_worker",severity="error"}', lambda n: n >= 1)
        assert site.web.mails() == []
    finally:
        os.kill(site.worker.pid, signal.SIGCONT)
    site.got_each_once(DEALS)
    site.operator.sees_all_well()


def test_a_template_that_is_poison_for_some(site: Site) -> None:
    won = site.installation.emails / "won.md"
    poison = "{% if 'Deal-7' in referral.lead_company %}{{ 1 // 0 }}{% endif %}"
    won.write_text(email("{{ referral.lead_company }} signed", poison))
    workers_read_it()
    assert site.installation.run("lint").code == 0, "nobody can see it before"
    site.installation.wins(*DEALS)
    site.got_each_once([deal for deal in DEALS if deal != "deal-7"])
    site.operator.sees("dead", 'engage_deliveries_waiting{what="dead"}', lambda n: n == 1)
    won.write_text(email("{{ referral.lead_company }} signed"))
    workers_read_it()
    wait_for(lambda: site.installation.run("dead", "retry", "--all", "--why", "mended").code == 0, "the retry")
    site.got_each_once(DEALS)
    site.operator.sees_all_well()


def test_a_database_that_dies(run_engage: EngageCommand, valkey_url: str, unused_port: int) -> None:
    server = PostgresServer(durable=True)
    try:
        site = Site(run_engage, server.url, valkey_url, unused_port)
        site.installation.wins(*DEALS[:4])
        site.got_each_once(DEALS[:4])
        server.crash()
        wait_for(lambda: site.operator.metric("engage_database_up") == 0, "the metrics to say so", SEEN_WITHIN)
        shown = site.operator.console()
        assert shown.status_code == 503
        assert "database" in shown.text
        server.start()
        wait_for(lambda: site.operator.metric("engage_database_up") == 1, "the database to be back", SEEN_WITHIN)
        site.installation.wins(*DEALS)
        site.got_each_once(DEALS)
        site.operator.sees_all_well()
    finally:
        server.stop()


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    try:
        disk = SmallDisk(folder, 24)
    except NoSmallDisk as error:
        unavailable(f"no small disk can be mounted: {error}")
    try:
        yield disk
    finally:
        disk.free()
        disk.unmount()


def test_a_disk_that_is_full(run_engage: EngageCommand, tmp_path: Path, valkey_url: str, unused_port: int) -> None:
    with small_disk(tmp_path / "disk") as disk:
        site = Site(run_engage, f"sqlite:///{disk.folder / 'engage.db'}", valkey_url, unused_port)
        site.installation.wins(*DEALS[:4])
        site.got_each_once(DEALS[:4])
        disk.fill()
        site.operator.sees("worker", 'engage_problems{kind="no_worker",severity="error"}', lambda n: n >= 1)
        disk.free()
        site.installation.wins(*DEALS)
        site.got_each_once(DEALS)
        site.operator.sees_all_well()
