"""Limits on requests: in a real Redis, by key, by link and by address."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from engage.domain.access import KeyKind, KeyScope, bearer_key
from engage.pipeline.consent import UnsubscribeLink
from engage.pipeline.keyring import issue_key
from engage.store.people import ensure_addresses, partners_known_as
from engage.web.app import build_app
from engage.web.buckets import Buckets, Rate
from engage.workers.embedded import EmbeddedValkey
from tests.support.command import EngageCommand
from tests.support.engage import Engage
from tests.support.installation import Installation, Web
from tests.support.links import tokens_of
from tests.support.strangers import routes_of
from tests.support.waiting import wait_for

SLOW = Rate(0.01, 1)  # the second comes 100 seconds after the first: no test takes so long
ONE_CLICK = {"List-Unsubscribe": "One-Click"}

Visitor = Callable[..., TestClient]


@pytest.fixture
def visitor(engage: Engage, valkey_url: str) -> Visitor:
    """Makes clients of one application, at an address. Each may ask for five pages, and a key for three."""
    engage.services.settings = engage.services.settings.model_copy(update={"redis_url": valkey_url})
    app = build_app(engage.services)
    app.state.limits._of_pages, app.state.limits._of_keys = Rate(0.001, 5), Rate(0.001, 3)

    def at(address: str = "192.0.2.1") -> TestClient:
        return TestClient(app, base_url="http://127.0.0.1:8000", client=(address, 50000))

    return at


def unsubscribe_path(engage: Engage, name: str) -> str:
    engage.partner(name)
    program_id = engage.services.library().program_ids[engage.program]
    with engage.services.database.write() as db:
        ((_, partner),) = partners_known_as(db, program_id, name)
        address = ensure_addresses(db, [f"{name}@example.com"])[f"{name}@example.com"]
    return "/unsubscribe/" + UnsubscribeLink(program_id, partner, address, "tips").token(engage.services.signer)


def statuses(client: TestClient, times: int, path: str, method: str = "GET", **more: Any) -> list[int]:
    return [client.request(method, path, **more).status_code for _ in range(times)]


# -- buckets -----------------------------------------------------------------------------------------------------------


def test_a_bucket_gives_what_it_holds_and_then_says_how_long_to_wait(valkey_url: str) -> None:
    buckets = Buckets(valkey_url)
    rate = Rate(0.1, 7)
    assert [buckets.take("address", "a", rate) for _ in range(7)] == [0] * 7
    assert 1 <= buckets.take("address", "a", rate) <= 10
    assert buckets.take("address", "b", rate) == 0, "each name has its own"
    assert buckets.take("key", "a", rate) == 0, "and each kind"
    buckets.close()


def test_a_bucket_fills_again_and_is_then_forgotten(valkey_url: str) -> None:
    buckets, rate = Buckets(valkey_url), Rate(1, 1)
    assert buckets.take("address", "a", rate) == 0
    assert buckets.take("address", "a", rate) == 1
    wait_for(lambda: buckets.take("address", "a", rate) == 0, "the bucket to fill")
    with redis.Redis.from_url(valkey_url) as client:
        wait_for(lambda: client.dbsize() == 0, "the bucket to be forgotten")
    buckets.close()


def test_who_asks_too_often_does_not_wait_the_longer_for_it(valkey_url: str) -> None:
    buckets = Buckets(valkey_url)
    assert buckets.take("address", "a", SLOW) == 0
    assert all(0 < buckets.take("address", "a", SLOW) <= 100 for _ in range(90))
    buckets.close()


def test_processes_and_threads_share_a_bucket_and_none_gets_more(valkey_url: str) -> None:
    several = [Buckets(valkey_url) for _ in range(3)]
    through: list[int] = []

    def take(buckets: Buckets) -> None:
        for _ in range(40):
            through.append(buckets.take("key", "1", Rate(0.01, 25)))

    threads = [threading.Thread(target=take, args=[buckets]) for buckets in several for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert through.count(0) == 25
    for buckets in several:
        buckets.close()


def test_redis_gets_no_address_and_no_token(valkey_url: str) -> None:
    buckets = Buckets(valkey_url)
    buckets.take("address", "192.0.2.77", SLOW)
    with redis.Redis.from_url(valkey_url) as client:
        (key,) = client.keys()
        assert b"192.0.2.77" not in key + (client.get(key) or b"")
    buckets.close()


def test_without_redis_nobody_is_limited() -> None:
    buckets = Buckets(None)
    assert [buckets.take("address", "a", SLOW) for _ in range(50)] == [0] * 50
    buckets.close()


def test_redis_that_is_away_lets_everybody_through_and_is_said_once() -> None:
    with EmbeddedValkey() as server:
        url, port = server.url, server.port
        buckets = Buckets(url)
        assert buckets.take("address", "a", SLOW) == 0
        assert buckets.take("address", "a", SLOW) > 0
    with capture_logs() as logs:
        before = time.monotonic()
        assert [buckets.take("address", "a", SLOW) for _ in range(500)] == [0] * 500
        assert time.monotonic() - before < 5
        with EmbeddedValkey(port=port):
            wait_for(lambda: buckets.take("address", "a", SLOW) > 0, "limits that hold again")
    assert [one["event"] for one in logs if one["event"].startswith("limits")] == ["limits_away", "limits_back"]
    buckets.close()


def test_ten_seconds_worth_may_come_at_once_and_one_request_always() -> None:
    assert [Rate.of(a_second).at_once for a_second in (5, 0.25, 0.001)] == [50, 3, 1]


# -- pages -------------------------------------------------------------------------------------------------------------


def test_an_address_that_asks_too_often_gets_a_page_that_says_so(visitor: Visitor) -> None:
    eve = visitor()
    assert statuses(eve, 5, "/unsubscribe/nonsense") == [404] * 5
    refused = eve.get("/unsubscribe/nonsense")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["content-type"].startswith("text/html")
    assert "content-security-policy" in refused.headers
    assert statuses(eve, 2, "/", "HEAD") == [429, 429], "whatever it asks for"
    assert visitor("192.0.2.2").get("/unsubscribe/nonsense").status_code == 404, "others are not concerned"


def test_a_customer_has_one_network_of_ipv6_and_one_limit(visitor: Visitor) -> None:
    for number in range(5):
        assert visitor(f"2001:db8:1:2::{number + 1:x}").get("/").status_code == 200
    assert visitor("2001:db8:1:2:ffff::1").get("/").status_code == 429
    assert visitor("2001:db8:1:3::1").get("/").status_code == 200
    assert statuses(visitor("::ffff:192.0.2.9"), 5, "/") == [200] * 5
    assert visitor("::ffff:192.0.2.9").get("/").status_code == 429
    assert visitor("::ffff:192.0.2.10").get("/").status_code == 200


def test_what_pages_and_probes_need_is_not_limited(visitor: Visitor) -> None:
    eve = visitor()
    statuses(eve, 6, "/")
    assert eve.get("/").status_code == 429
    for path in ("/healthz", "/readyz", "/static/page.css"):
        assert eve.get(path).status_code == 200, path


def test_a_genuine_one_click_is_never_limited_a_forged_one_is(engage: Engage, visitor: Visitor) -> None:
    path, provider = unsubscribe_path(engage, "ann"), visitor()
    assert statuses(provider, 8, path + "x", "POST", data=ONE_CLICK) == [404] * 5 + [429] * 3
    assert statuses(provider, 40, path, "POST", data=ONE_CLICK) == [200] * 40
    assert provider.get("/").status_code == 429, "while the address is limited"


def test_a_genuine_link_has_a_limit_of_its_own_wherever_it_is_asked_from(engage: Engage, visitor: Visitor) -> None:
    ann, bob = unsubscribe_path(engage, "ann"), unsubscribe_path(engage, "bob")
    office = visitor()
    statuses(office, 6, "/")
    assert office.get("/").status_code == 429
    assert statuses(office, 5, ann) == [200] * 5, "an address says little of who has a link"
    assert office.get(ann).status_code == 429
    assert visitor("192.0.2.2").get(ann).status_code == 429
    assert office.get(bob).status_code == 200


@pytest.mark.parametrize("path", ["/", "//", "", "/p", "/p/", "/c//", "/unsubscribe", "/refer/%00", "/o/a/b/c"])
def test_no_path_is_too_strange_to_be_counted(visitor: Visitor, path: str) -> None:
    eve = visitor()
    for _ in range(5):
        assert eve.get(path).status_code < 429
    assert eve.get(path).status_code == 429


def test_every_page_behind_a_link_is_limited_by_its_link(engage: Engage, visitor: Visitor) -> None:
    tokens, office = tokens_of(engage, "ann"), visitor()
    statuses(office, 5, "/")
    behind = {path.partition("{token}")[0] for _, path in routes_of(office.app) if "{token}" in path}  # type: ignore[arg-type]
    assert behind - {"/console/link/"} == set(tokens)  # one-time links of users have a limit of their own
    for begin, token in tokens.items():
        assert office.get(begin + token).status_code != 429, f"{begin} is missing in engage.web.limits"
        assert office.get(begin + token[:-1]).status_code == 429, begin


def test_what_has_no_path_is_counted_too(visitor: Visitor) -> None:
    limits = visitor().app.state.limits  # type: ignore[attr-defined]
    for path in ("*", "", "p"):  # as in OPTIONS * HTTP/1.1
        assert limits.wait_for_page({"path": path, "method": "OPTIONS", "client": None}) == 0


# -- the API -----------------------------------------------------------------------------------------------------------


def make_key(engage: Engage) -> dict[str, str]:
    with engage.services.database.write() as db:
        program_id = engage.services.library().program_ids[engage.program]
        scopes = frozenset({KeyScope.LOGINS})
        key = bearer_key(*issue_key(db, program_id, "portal", KeyKind.BEARER, scopes, engage.now))
    return {"Authorization": f"Bearer {key}"}


def test_a_key_has_its_own_limit_and_is_told_when_to_come_again(engage: Engage, visitor: Visitor) -> None:
    engage.partner("ann")
    one, other = make_key(engage), make_key(engage)
    body = {"logins": [{"partner": "ann", "at": "2026-03-01T12:00:00Z"}]}
    assert [visitor(f"192.0.2.{n}").post("/v1/logins", json=body, headers=one).status_code for n in range(3)] == [
        202
    ] * 3
    refused = visitor("192.0.2.9").post("/v1/logins", json=body, headers=one)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["status"] == 429
    assert visitor().post("/v1/logins", json=body, headers=other).status_code == 202


def test_who_has_no_key_is_limited_by_address_and_keeps_out_nobody_who_has(engage: Engage, visitor: Visitor) -> None:
    engage.partner("ann")
    key, office = make_key(engage), visitor()
    body = {"logins": [{"partner": "ann", "at": "2026-03-01T12:00:00Z"}]}
    forged = {"Authorization": f"Bearer ek_{'0' * 16}_{'x' * 43}"}
    assert statuses(office, 7, "/v1/logins", "POST", json=body, headers=forged) == [401] * 5 + [429] * 2
    assert office.post("/v1/push/0000000000000000", json={}).status_code == 429
    assert office.post("/v1/logins", json=body, headers=key).status_code == 202


# -- whose address it is -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("trusted", "codes"), [("127.0.0.0/8", [404, 404, 404]), ("192.0.2.0/24", [404, 429, 429])])
def test_only_a_trusted_proxy_is_believed_whom_it_passes_on(
    run_engage: EngageCommand, unused_port: int, valkey_url: str, trusted: str, codes: list[int]
) -> None:
    installation = Installation(run_engage)
    env = {
        "ENGAGE_PORT": str(unused_port),
        "ENGAGE_REDIS_URL": valkey_url,
        "ENGAGE_PAGE_RATE": "0.001",
        "ENGAGE_TRUSTED_PROXIES": trusted,
    }
    process = installation.start("web", env=env)
    web = Web(unused_port)
    web.wait_until_up(process)
    said = [
        httpx.get(f"{web.url}/unsubscribe/nonsense", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in range(3)
    ]
    assert said == codes
