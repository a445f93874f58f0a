"""No log and no answer's header holds what somebody sent: a name, an address, a token, put everywhere it can be put."""

import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from engage.domain.access import KeyKind, KeyScope, bearer_key
from engage.pipeline.keyring import issue_key
from engage.sources.hubspot import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from engage.web.app import build_app
from tests.support.command import EngageCommand
from tests.support.engage import Engage
from tests.support.installation import Web
from tests.support.links import tokens_of
from tests.support.pushing import CLIENT_SECRET, DATA, ENDPOINT_SECRET, SOURCES
from tests.support.shipped import copy_shipped
from tests.support.strangers import requests_with

NAME = "Zebediah Quillfeather"
ADDRESS = "z.quillfeather@canary.example.com"
VISITOR = "198.51.100.77"
TRACES = ("quillfeather", "zebediah", "canary.example", "session-that-nobody-may-see", VISITOR)

TEXT = re.compile(rb'(?<=")[^":,]+(?=")')
CONTENT = re.compile(rb"(?<=>)[^<>\s][^<>]*(?=<)")

pytestmark = pytest.mark.slow


class Canary:
    """A web process as it is in production, all that can be sent to it, and what may never be found in its log."""

    def __init__(self, engage: Engage, web: Web, database: Path, log: Path) -> None:
        self.web, self.database, self._log = web, database, log
        self._app = build_app(engage.services)
        self._tokens = tokens_of(engage, "ann")
        with engage.services.database.write() as db:
            program_id = engage.services.library().program_ids[engage.program]
            made = issue_key(db, program_id, "crm", KeyKind.BEARER, frozenset(KeyScope), engage.now)
        self._key = bearer_key(*made)
        self._secrets = [
            CLIENT_SECRET,
            ENDPOINT_SECRET,
            made[1],
            *(part for token in self._tokens.values() for part in token.split(".")[::2]),
        ]
        self._client = httpx.Client(base_url=web.url, headers={"X-Forwarded-For": VISITOR}, timeout=60)

    def everything(self, word: str) -> list[int]:
        """Sends all of it; returns how it was answered. No header of an answer holds the word."""
        statuses = []
        for one in requests_with(word, self._app, self._tokens, self._key, lambda path: self._client.get(path).text):
            answer = self._client.request(one.method, one.path, headers=dict(one.headers), content=one.content)
            assert found_in(str(answer.headers)) == [], one
            statuses.append(answer.status_code)
        return statuses

    def nonsense(self) -> None:
        """What is no HTTP, and what ends in the middle."""
        for raw in (f"GET /{NAME} HTTP/9.9\r\n\r\n", f"{NAME}\0\r\n\r\n", f"POST /v1/logins?{ADDRESS} HTTP/1.1\r\n"):
            with socket.create_connection(
                ("127.0.0.1", int(self.web.url.rpartition(":")[2])), timeout=10
            ) as raw_client:
                raw_client.sendall(raw.encode())

    def hubspot(self, body: bytes) -> int:
        at = str(int(time.time() * 1000))
        signature = sign(CLIENT_SECRET, f"{self.web.url}/hooks/hubspot", body, at)
        headers = {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: at, "Content-Type": "application/json"}
        return self._client.post("/hooks/hubspot", content=body, headers=headers).status_code

    def salesforce(self, body: bytes) -> int:
        path = f"/hooks/salesforce/{ENDPOINT_SECRET}"
        return self._client.post(path, content=body, headers={"Content-Type": "text/xml"}).status_code

    def log(self) -> str:
        """The log; fails when it holds anything of what was sent."""
        said = self._log.read_text()
        assert '"event": "listening"' in said
        lines = [line for line in said.splitlines() if found_in(line) or any(one in line for one in self._secrets)]
        assert lines == []
        return said

    def close(self) -> None:
        self._client.close()


def found_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text.lower()]


@pytest.fixture
def canary(sqlite_url: str, tmp_path: Path, run_engage: EngageCommand, unused_port: int) -> Iterator[Canary]:
    campaigns, templates = copy_shipped(tmp_path)
    engage = Engage(sqlite_url, tmp_path, campaigns, templates)
    engage.now = datetime.now(UTC)  # as the process has it: links of today
    sources = tmp_path / "sources.yaml"
    sources.write_text(SOURCES)
    env = {
        "ENGAGE_SOURCES": str(sources),
        "HUBSPOT_CLIENT_SECRET": CLIENT_SECRET,
        "SALESFORCE_HOOK_SECRET": ENDPOINT_SECRET,
        "ENGAGE_PORT": str(unused_port),
        "ENGAGE_DATABASE_URL": sqlite_url,
        "ENGAGE_DATA_DIR": str(tmp_path),
        "ENGAGE_CAMPAIGNS_DIR": str(campaigns),
        "ENGAGE_TEMPLATES_DIR": str(templates),
        "ENGAGE_LOG_FORMAT": "json",
    }
    web, log = Web(unused_port), tmp_path / "web.log"
    made = Canary(engage, web, Path(sqlite_url.removeprefix("sqlite:///")), log)
    web.wait_until_up(run_engage.start("web", env=env, log=log), log)
    yield made
    made.close()
    engage.services.close()


def test_nothing_that_was_sent_is_in_the_log_while_all_is_well(canary: Canary) -> None:
    statuses = [*canary.everything(NAME), *canary.everything(ADDRESS)]
    canary.nonsense()
    assert statuses.count(202) > 20, "some of it has to get in"
    assert 500 not in statuses
    canary.log()


def test_nothing_that_hubspot_and_salesforce_push_is_in_the_log(canary: Canary) -> None:
    events = (DATA / "hubspot" / "deal_events.json").read_bytes()
    notification = (DATA / "salesforce" / "opportunity.xml").read_bytes()
    assert (canary.hubspot(events), canary.salesforce(notification)) == (204, 200)
    word = NAME.encode()
    hubspot = {canary.hubspot(events[: at.start()] + word + events[at.end() :]) for at in TEXT.finditer(events)}
    salesforce = {
        canary.salesforce(notification[: at.start()] + word + notification[at.end() :])
        for at in CONTENT.finditer(notification)
    }
    assert hubspot | salesforce <= {200, 204, 400, 403}
    canary.log()


def test_nothing_that_was_sent_is_in_the_log_when_the_database_is_broken(canary: Canary) -> None:
    with sqlite3.connect(canary.database) as broken:
        for table in ("links", "subscriptions", "suppressions"):  # as one that was forgotten in a restore
            broken.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
        for table in ("partners", "companies", "staff", "referrals"):  # as with a bug of ours
            refuse = f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            broken.execute(refuse)
    broken.close()
    statuses = canary.everything(NAME)
    assert {500, 503} <= set(statuses)
    assert "request_failed" in canary.log()
