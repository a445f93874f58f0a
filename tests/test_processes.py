"""The processes of an installation, together and real: from an export to the mailbox, through failures and restarts."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import redis
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engage.pipeline.shelf import LOOK_EVERY
from engage.store.database import Database
from engage.store.tables import deliveries
from engage.workers.tether import Tethered
from tests.providers.servers import HttpServer
from tests.support.command import EngageCommand
from tests.support.installation import Installation, Web, email
from tests.support.unavailable import unavailable
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def web(unused_port: int) -> Web:
    return Web(unused_port)


@pytest.fixture
def installation(run_engage: EngageCommand, database_url: str, valkey_url: str, unused_port: int) -> Installation:
    """Nothing runs yet; two partners are known."""
    made = Installation(run_engage, database_url, redis_url=valkey_url, port=str(unused_port))
    assert made.imports().code == 0
    return made


@pytest.fixture
def running(installation: Installation, web: Web) -> Installation:
    """Web with the mailbox, a worker and a scheduler run."""
    process = installation.start("web", "--with-mailbox")
    installation.start("worker")
    installation.start("scheduler")
    web.wait_until_up(process)
    return installation


def wins(installation: Installation, *deals: str) -> None:
    """The CRM's nightly export says that these referrals were won."""
    installation.deals(*deals)
    done = installation.imports("--live")
    assert done.code == 0, done.err


def descendants(process: Tethered) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_a_change_in_the_export_becomes_a_mail_and_an_edit_is_used_and_a_broken_one_is_not(
    running: Installation, web: Web
) -> None:
    wins(running, "acme")
    web.wait_for_mails(["Acme Ltd signed"])
    wins(running, "acme")

    def edit(path: Path, text: str) -> None:
        path.write_text(text)
        edited = datetime.now(UTC)
        wait_for(lambda: datetime.now(UTC) > edited + LOOK_EVERY, "the worker to look again")

    edit(running.emails / "won.md", email("Thank you for {{ referral.lead_company }}"))
    wins(running, "acme", "birch")
    web.wait_for_mails(["Acme Ltd signed", "Thank you for Birch Ltd"])

    edit(running.emails / "won.md", email("Wrong", "{{ referral.lead_compny }}"))
    (running.campaigns / "won.yaml").write_text("campaign: [referral-won")
    wins(running, "acme", "birch", "cedar")
    web.wait_for_mails(["Acme Ltd signed", "Thank you for Birch Ltd", "Thank you for Cedar Ltd"])
    assert "did you mean 'lead_company'" in running.log("worker")
    assert running.run("lint").code == 1


def test_one_click_in_the_mails_header_unsubscribes_once_and_again(running: Installation, web: Web) -> None:
    assert running.run("run", "monthly").code == 0
    web.wait_for_mails(["Tips for Ann", "Tips for Bob"])
    (mail,) = (mail for mail in web.mails() if mail["to"] == "ann@example.com")
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    (link,) = re.findall(r"<(http[^>]*)>", mail["headers"]["List-Unsubscribe"])

    plan = running.run("plan", "monthly", "--json").json()
    assert {one["reason"] for one in plan["decisions"]} == {"already_enrolled"}
    next_month = (datetime.now(UTC) + timedelta(days=32)).isoformat()
    with urllib.request.urlopen(link, timeout=30) as page:
        assert page.status == 200
    assert decisions(running, next_month)["ann"] == ("send", None), "looking at the page changes nothing"
    for body in ("-d", "-F", "-d"):  # urlencoded or multipart: RFC 8058 allows both
        assert curl("-X", "POST", body, "List-Unsubscribe=One-Click", link) == "200 no redirect, no cookie"
    assert decisions(running, next_month) == {"ann": ("skip", "unsubscribed"), "bob": ("send", None)}

    forged = urllib.request.Request(link[:-3], b"", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(forged, timeout=30)


def curl(*arguments: str) -> str:
    """The status of what a real client gets, where it is sent on to, and what it is to keep."""
    program = shutil.which("curl") or unavailable("there is no curl")
    command = [program, "-sS", "--max-time", "30", "-o", os.devnull, "-D", "-", "-w", "%{http_code}", *arguments]
    *headers, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {line.partition(":")[0].lower() for line in headers}
    return f"{status} {'a' if 'location' in names else 'no'} redirect, {'a' if 'set-cookie' in names else 'no'} cookie"


def decisions(installation: Installation, as_of: str) -> dict[str, tuple[str, str | None]]:
    done = installation.run("plan", "monthly", "--as-of", as_of, "--json")
    return {one["partner"]: (one["decision"], one["reason"]) for one in done.json()["decisions"]}


def test_redis_flushed_with_work_queued_or_away_during_an_import_loses_nothing(
    installation: Installation, web: Web, valkey_url: str
) -> None:
    wins(installation, "acme")
    assert installation.run("run", "monthly").code == 0
    with redis.Redis.from_url(valkey_url) as client:
        assert client.dbsize() > 0, "work was queued"
        client.flushall()
    installation.deals("acme", "birch")
    assert installation.imports("--live", env={"ENGAGE_REDIS_URL": "redis://127.0.0.1:1/0"}).code == 0
    process = installation.start("web", "--with-mailbox")
    web.wait_until_up(process)
    installation.start("worker")
    installation.start("scheduler")
    web.wait_for_mails(["Acme Ltd signed", "Birch Ltd signed", "Tips for Ann", "Tips for Bob"])


# -- a worker that is killed -------------------------------------------------------------------------------------------


class SlowProvider:
    """Takes mail as SendGrid does, one after the other, some 100 a second; knows who got how many."""

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()
        self._pause = threading.Event()
        self._turn = threading.Lock()
        self.app = Starlette(routes=[Route("/v3/mail/send", self._send, methods=["POST"])])

    async def _send(self, request: Request) -> Response:
        body = await request.json()
        self.got[body["personalizations"][0]["to"][0]["email"]] += 1
        self._pause.wait(0.01)
        return Response(status_code=202, headers={"X-Message-Id": f"slow-{self.got.total()}"})


@pytest.fixture
def slow_provider() -> Iterator[tuple[SlowProvider, str]]:
    provider = SlowProvider()
    with HttpServer(provider.app) as server:
        yield provider, server.url


@pytest.fixture
def sending(
    run_engage: EngageCommand, database_url: str, valkey_url: str, slow_provider: tuple[SlowProvider, str]
) -> tuple[Installation, SlowProvider, Tethered]:
    """A worker is sending a newsletter to 300 partners through a slow provider."""
    provider, url = slow_provider
    installation = Installation(
        run_engage,
        database_url,
        redis_url=valkey_url,
        provider="sendgrid",
        sendgrid_host=url,
        sendgrid_api_key="SG.test",
        send_to="everybody",
    )
    names = [f"p{number}" for number in range(300)]
    installation.partners(*names)
    assert installation.imports().code == 0
    worker = installation.start("worker")
    assert installation.run("run", "monthly").code == 0
    wait_for(lambda: provider.got.total() > 60, "the newsletter to be on its way")
    return installation, provider, worker


def test_a_worker_told_to_end_amid_a_newsletter_gives_back_what_it_has_not_sent(
    sending: tuple[Installation, SlowProvider, Tethered], database_url: str
) -> None:
    installation, provider, worker = sending
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 15
    assert provider.got.total() < 300, "the worker ended in the middle"
    database = Database(database_url)
    assert set(states(database)) == {"accepted", "pending"}, "nothing waits for a lease"
    assert states(database)["accepted"] == provider.got.total()

    installation.start("worker")
    installation.start("scheduler")
    wait_for(lambda: set(states(database)) == {"accepted"}, "every delivery to be settled")
    database.close()
    assert set(provider.got.values()) == {1}
    assert len(provider.got) == 300


def test_a_worker_killed_amid_a_newsletter_sends_nothing_twice_and_leaves_nothing_behind(
    sending: tuple[Installation, SlowProvider, Tethered], database_url: str
) -> None:
    installation, provider, worker = sending
    os.kill(worker.pid, signal.SIGKILL)
    worker.process.wait()
    assert provider.got.total() < 300, "the worker was killed in the middle"

    database = Database(database_url)
    let_leases_end(database)
    installation.start("worker")
    installation.start("scheduler")
    wait_for(lambda: set(states(database)) <= {"accepted", "unknown"}, "every delivery to be settled")
    found = states(database)
    database.close()
    assert found.total() == 300
    assert found["unknown"] <= 32, "what a kill leaves unknown is bounded"
    assert set(provider.got.values()) == {1}, "nobody got two"
    assert found["accepted"] <= len(provider.got)


def let_leases_end(database: Database) -> None:
    """As if two minutes had gone by since the worker died."""
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    with database.write() as db:
        held = sa.update(deliveries).where(deliveries.c.lease.is_not(None))
        assert db.execute(held.values(lease_until=long_ago)).rowcount > 0


def states(database: Database) -> Counter[str]:
    with database.read() as db:
        return Counter(db.execute(sa.select(deliveries.c.state)).scalars())


# -- everything on one machine -----------------------------------------------------------------------------------------


def gone(processes: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


def test_up_runs_everything_keeps_its_data_and_ends_everything(
    run_engage: EngageCommand, web: Web, unused_port: int
) -> None:
    installation = Installation(run_engage, port=str(unused_port))
    up = installation.start("up")
    web.wait_until_up(up)
    assert installation.imports().code == 0
    wins(installation, "acme")
    web.wait_for_mails(["Acme Ltd signed"])
    assert f"Open {web.url}/mailbox" in installation.log("up")
    busy = installation.run("up")
    assert busy.code == 1
    assert f"port {unused_port} on 127.0.0.1 cannot be used" in busy.err
    assert "ENGAGE_PORT" in busy.err

    started = descendants(up)
    assert "valkey-server" in {process.name() for process in started}
    assert up.stop() == 0, installation.log("up")
    wait_for(gone(started), "every process to be gone", 10)
    assert "Traceback" not in installation.log("up")

    up = installation.start("up")
    web.wait_until_up(up)
    wins(installation, "acme", "birch")
    web.wait_for_mails(["Acme Ltd signed", "Birch Ltd signed"])
    started = descendants(up)
    up.process.kill()
    up.stop()  # ends the tether of this test
    wait_for(gone(started), "the processes of a killed parent to end", 40)


@pytest.mark.parametrize("ends", ["scheduler", "valkey-server"])
def test_up_ends_when_one_of_its_processes_does(
    run_engage: EngageCommand, web: Web, unused_port: int, ends: str
) -> None:
    installation = Installation(run_engage, port=str(unused_port))
    up = installation.start("up")
    web.wait_until_up(up)
    started = descendants(up)
    (one,) = (one for one in started if one.name() != "sh" and ends in (one.cmdline()[-1], one.name()))
    one.kill()
    assert up.process.wait(40) == 1
    up.stop()
    wait_for(gone(started), "every process to be gone", 10)


def test_the_demo_shows_mails_of_four_campaigns_and_starts_afresh_the_next_time(
    run_engage: EngageCommand, web: Web, unused_port: int
) -> None:
    env = {"ENGAGE_PORT": str(unused_port)}
    log = run_engage.folder / "demo.log"
    first_seen: set[str] = set()
    for _run in range(2):
        demo = run_engage.start("demo", env=env, log=log)
        web.wait_until_up(demo)
        wait_for(lambda: len({mail["campaign"] for mail in web.mails()}) >= 4, "mails of four campaigns")
        seen = {mail["id"] for mail in web.mails()}
        assert not seen & first_seen, "a demo starts afresh"
        first_seen = seen
        *_, link = re.findall(r"http\S+/console/link/\S+", log.read_text())
        assert "admin@example.com" in httpx.get(link).text, "the consoles let in once"
        count = len(web.mails())
        wait_for(lambda before=count: len(web.mails()) > before, "changes to keep coming in")
        busy = run_engage("demo", env=env)
        assert (busy.code, "cannot be used" in busy.err) == (1, True)
        started = descendants(demo)
        assert "valkey-server" in {process.name() for process in started}
        assert demo.stop() == 0, log.read_text()
        wait_for(gone(started), "every process to be gone", 10)
    assert f"Open {web.url}/mailbox" in log.read_text()
    assert "News of referrals and rewards comes at any hour." in log.read_text()
    assert "Traceback" not in log.read_text()
