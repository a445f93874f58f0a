"""The server fetches nothing that a stranger names: URLs in every field of every route open no socket."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.testclient import TestClient

from engage.domain.access import KeyKind, KeyScope, bearer_key
from engage.pipeline.keyring import issue_key
from engage.web.app import build_app
from tests.support.engage import Engage
from tests.support.links import tokens_of
from tests.support.shipped import copy_shipped
from tests.support.strangers import requests_with

OUTWARD = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto")
STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "urllib.Request")

WORDS = (
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "ann@[169.254.169.254]",
)


class Watched:
    """Notes what this process asks of the network; a hook cannot be taken out again, so it is put in once."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] | None = None
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is not None and event in (*OUTWARD, *STARTING):
            self.seen.append((event, arguments[1] if event == "socket.connect" else arguments[0]))

    @contextmanager
    def watching(self) -> Iterator[list[tuple[str, Any]]]:
        self.seen = seen = []
        try:
            yield seen
        finally:
            self.seen = None


@pytest.fixture(scope="module")
def network() -> Watched:
    return Watched()


def test_the_watch_sees_what_it_is_to_see(network: Watched, valkey_url: str) -> None:
    with network.watching() as seen, redis.Redis.from_url(valkey_url) as client:
        client.ping()
    assert [event for event, _ in seen][-1] == "socket.connect"


@pytest.mark.slow
def test_urls_in_every_field_open_no_socket_but_to_redis(
    sqlite_url: str, tmp_path: Path, network: Watched, valkey_url: str
) -> None:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    update = {"redis_url": valkey_url, "page_rate": 1_000_000, "key_rate": 1_000_000}
    engage.services.settings = engage.services.settings.model_copy(update=update)
    app = build_app(engage.services)
    client = TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False, raise_server_exceptions=False)
    tokens, key = tokens_of(engage, "ann"), key_for_all(engage)
    answers: Counter[tuple[int, str]] = Counter()
    with network.watching() as seen, client:
        for word in WORDS:
            for one in requests_with(word, app, tokens, key, lambda path: client.get(path).text):
                answer = client.request(one.method, one.path, headers=dict(one.headers), content=one.content)
                answers[answer.status_code, one.path] += 1
        engage.work()
        engage.after(days=2)
    engage.services.close()
    assert [path for status, path in answers if status in (429, 500, 503)] == []
    assert sum(many for (status, _), many in answers.items() if status == 202) > 20, f"some has to get in: {answers}"
    allowed = {int(valkey_url.rpartition(":")[2].partition("/")[0])}
    outward = [one for one in seen if one[0] != "socket.connect" or one[1][1] not in allowed]
    assert [one for one in outward if one[0] != "socket.getaddrinfo" or one[1] not in ("127.0.0.1", "localhost")] == []


def key_for_all(engage: Engage) -> str:
    with engage.services.database.write() as db:
        program_id = engage.services.library().program_ids[engage.program]
        return bearer_key(*issue_key(db, program_id, "crm", KeyKind.BEARER, frozenset(KeyScope), engage.now))
