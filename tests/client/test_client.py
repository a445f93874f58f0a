"""The client against the real application: what is sent is there, once, whatever happens to the answers."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from engage.client import (
    AsyncClient,
    Busy,
    Client,
    KeyReused,
    NotAllowed,
    NotTaken,
    Partner,
    Refusal,
    Unreachable,
    records,
)
from engage.client.exchange import MOST_BYTES, Manners
from engage.domain.access import KeyScope
from engage.store import tables
from engage.web.app import build_app
from engage.web.v1.models import EVENT_MODELS, Sent
from engage.web.v1.reading import LARGEST_BODY, MOST_RECORDS
from engage.web.v1.resources import LOGINS, UPSERTED
from tests.support.command import ROOT
from tests.support.engage import START, Engage
from tests.support.intake_api import make_keys
from tests.support.shipped import copy_shipped

URL = "http://127.0.0.1:8000"
AT = START - timedelta(hours=1)
Answering = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


class Line(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests to the application; `faults` answer the next ones in its place, or after it."""

    def __init__(self, engage: Engage) -> None:
        self._app = TestClient(build_app(engage.services), base_url=URL)
        self.faults: list[Answering] = []
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)

        def through() -> httpx.Response:
            body = request.read()
            answer = self._app.request(request.method, str(request.url), content=body, headers=dict(request.headers))
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

        return self.faults.pop(0)(request, through) if self.faults else through()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await asyncio.to_thread(self.handle_request, request)

    @property
    def keys(self) -> list[str]:
        """The idempotency key of each request."""
        return [request.headers["idempotency-key"] for request in self.requests]


def lost(request: httpx.Request, through: Callable[[], httpx.Response]) -> httpx.Response:
    """engage takes it, and its answer is lost."""
    assert through().status_code == 202
    raise httpx.ReadError("gone", request=request)


def refused(request: httpx.Request, _: Callable[[], httpx.Response]) -> httpx.Response:
    raise httpx.ConnectError("nobody there", request=request)


def busy(status: int = 503, **headers: str) -> Answering:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, __: httpx.Response(status, headers=said, json={"title": "Too much to do", "status": status})


@pytest.fixture
def engage(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()


@pytest.fixture
def line(engage: Engage) -> Line:
    return Line(engage)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(engage: Engage, line: Line, waits: list[float]) -> Iterator[Client]:
    key, _ = make_keys(engage, tuple(KeyScope))
    with Client(URL, key, transport=line, sleep=waits.append) as made:
        yield made


def partners_of(engage: Engage) -> dict[str, str | None]:
    """partner -> first name."""
    p = tables.partners.c
    with engage.services.database.read() as db:
        return {name: first for name, first in db.execute(sa.select(p.external_id, p.first_name))}


def some(count: int, first: int = 0) -> list[Partner]:
    return [{"external_id": f"P-{n}", "email": f"p{n}@example.com"} for n in range(first, first + count)]


def test_each_kind_of_record_is_taken(engage: Engage, client: Client) -> None:
    assert client.staff.upsert({"external_id": "S-1", "name": "Sam", "email": "sam@example.com"}).accepted == 1
    joined = AT - timedelta(days=100)
    ann: Partner = {
        "external_id": "P/1 ä?#",
        "first_name": "Ann",
        "joined_at": joined,
        "status": "active",
        "owner": "S-1",
    }
    assert client.partners.upsert(ann).accepted == 1
    assert client.partners.upsert(ann).unchanged == 1
    me = ann["external_id"]
    assert client.companies.upsert({"external_id": "C-1", "name": "Bright", "contact": me}).accepted == 1
    referral = client.referrals.upsert(
        {"external_id": "R-1", "partner": me, "amount": Decimal("12.50"), "submitted_at": AT}
    )
    assert referral.accepted == 1
    assert client.rewards.upsert({"external_id": "W-1", "partner": me, "amount": 3, "earned_at": AT}).accepted == 1
    assert client.logins.send([{"partner": me, "at": AT}]).accepted == 1
    answer = client.events.send([
        {"type": "referral.status_changed", "referral": "R-1", "status": "won", "at": "2026-03-02T14:30:00Z"},
        {"type": "partner.logged_in", "partner": me, "at": AT + timedelta(minutes=1)},
        {"type": "reward.paid", "external_id": "W-1", "partner": me, "amount": "3.00", "at": AT},
        {"type": "referral.help_wanted", "referral": "R-1", "at": AT, "ask": "call them"},
    ])  # fmt: skip
    assert (answer.accepted, answer.problems) == (4, ())
    assert partners_of(engage) == {me: "Ann"}
    r = tables.referrals.c
    with engage.services.database.read() as db:
        assert db.execute(sa.select(r.status, r.amount)).one() == ("won", 1250)


def test_any_number_is_sent_in_as_few_requests_as_engage_takes(engage: Engage, client: Client, line: Line) -> None:
    answer = client.partners.send(iter(some(2_300)))
    assert (answer.accepted, answer.rejected) == (2_300, 0)
    assert [len(json.loads(request.content)["partners"]) for request in line.requests] == [1000, 1000, 300]
    assert len(partners_of(engage)) == 2_300
    line.requests.clear()
    assert client.partners.send([]).accepted == 0
    assert line.requests == []


def test_large_records_make_smaller_requests(client: Client, line: Line) -> None:
    large: list[Partner] = [
        {"external_id": f"P-{n}", "attributes": {f"a{m}": "ä" * 900 for m in range(40)}} for n in range(60)
    ]
    assert client.partners.send(large).accepted == 60
    assert len(line.requests) > 1
    assert max(len(request.content) for request in line.requests) < LARGEST_BODY


def test_what_is_refused_says_which_record_it_was(client: Client) -> None:
    records = some(1_200)
    records[1_100]["email"] = "nobody"
    answer = client.partners.send(records)
    assert (answer.accepted, answer.rejected) == (1_199, 1)
    (problem,) = answer.problems
    assert (problem.index, problem.field) == (1_100, "partners[100].email")
    assert problem.record is records[1_100]
    assert "not valid" in problem.detail


@pytest.mark.parametrize("key", ["", "ek_secret\n", "ek_ secret", "ek_secrét"])
def test_a_key_that_can_be_none_is_refused_at_once_and_not_shown(key: str) -> None:
    for made in (Client, AsyncClient):
        with pytest.raises(ValueError, match="no key of engage") as caught:
            made(URL, key)
        assert "ek_" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://engage.example.com", "ek_the_key"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    for made in (Client, AsyncClient):
        with pytest.raises(ValueError, match="begins with http") as caught:
            made(url, "ek_1_x")
        assert "ek_" not in str(caught.value)


def test_what_cannot_be_a_record_is_refused_before_it_is_sent(client: Client, line: Line) -> None:
    unnamed: Any = {"email": "ann@example.com"}
    alone: Any = {"external_id": "P-1"}
    with pytest.raises(ValueError, match="external_id"):
        client.partners.upsert(unnamed)
    with pytest.raises(TypeError, match="as a list"):
        client.partners.send(alone)
    assert line.requests == []


def test_a_whole_request_that_is_refused_is_an_answer_among_others(client: Client) -> None:
    answer = client.logins.send([{"partner": "P-9", "at": AT}, {"partner": "P-8", "at": AT}])
    assert (answer.accepted, answer.rejected) == (0, 2)
    assert [(problem.index, problem.record["partner"]) for problem in answer.problems] == [(0, "P-9"), (1, "P-8")]


def test_one_that_is_refused_raises_with_its_field(client: Client) -> None:
    with pytest.raises(NotTaken) as caught:
        client.partners.upsert({"external_id": "P-1", "email": "nobody", "zone": "Mars/Phobos"})
    assert caught.value.status == 422
    assert caught.value.problems[0].field == "email"
    assert "nobody" in str(caught.value)


@pytest.mark.parametrize("fault", [lost, refused, busy(), busy(429), busy(502), busy(504)])
def test_it_is_sent_again_with_the_same_key_and_taken_once(
    engage: Engage, client: Client, line: Line, fault: Answering
) -> None:
    line.faults = [fault, fault]
    answer = client.partners.send(some(3))
    assert (answer.accepted, answer.unchanged) == (3, 0), "the answer is the one that was lost"
    assert len(line.keys) == 3
    assert len(set(line.keys)) == 1
    assert len(partners_of(engage)) == 3
    client.partners.send(some(3))
    assert line.keys[3] not in line.keys[:3]


def test_the_pauses_grow_and_heed_what_engage_asks_for(client: Client, line: Line, waits: list[float]) -> None:
    line.faults = [busy(retry_after="7"), busy(429, retry_after="3"), refused]
    client.partners.send(some(1))
    assert 7 <= waits[0] <= 7.5
    assert 3 <= waits[1] <= 4
    assert 0 <= waits[2] <= 2
    longest = [max(Manners().wait(tried, None) or 0 for _ in range(200)) for tried in range(1, 6)]
    assert all(0.25 * 2**n < found <= 0.5 * 2**n for n, found in enumerate(longest))


def test_a_date_may_say_how_long_to_wait(client: Client, line: Line, waits: list[float]) -> None:
    later = (datetime.now(UTC) + timedelta(seconds=20)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    line.faults = [busy(retry_after=later), busy(retry_after="soon"), busy(retry_after="Mon, 02 Mar 2026 15:00:00 GMT")]
    client.partners.send(some(1))
    assert 18 <= waits[0] <= 21
    assert waits[1] <= 1
    assert waits[2] <= 2


def test_it_gives_up_in_the_end_and_says_what_was_taken_before(client: Client, line: Line, waits: list[float]) -> None:
    through: Answering = lambda _, through: through()  # noqa: E731
    line.faults = [through, *[refused] * 6]
    with pytest.raises(Unreachable) as caught:
        client.partners.send(some(1_500))
    assert caught.value.so_far.accepted == 1_000
    assert len(waits) == 5

    line.faults = [busy()] * 6
    with pytest.raises(Busy) as asked:
        client.partners.send(some(1))
    assert (asked.value.status, asked.value.title) == (503, "Too much to do")


def test_a_wait_that_is_too_long_is_the_callers_to_take(client: Client, line: Line, waits: list[float]) -> None:
    line.faults = [busy(429, retry_after="3600")]
    with pytest.raises(Busy) as caught:
        client.partners.send(some(1))
    assert (caught.value.retry_after, waits) == (3600, [])


@pytest.mark.parametrize("status", [400, 408, 413, 415, 500])
def test_what_would_be_refused_again_is_not_sent_again(client: Client, line: Line, status: int) -> None:
    line.faults = [lambda _, __: httpx.Response(status, text="<html>a proxy's page</html>")]
    with pytest.raises(Refusal) as caught:
        client.partners.send(some(1))
    assert caught.value.status == status
    assert len(line.requests) == 1


def test_a_key_that_may_not_is_told_so(engage: Engage, line: Line) -> None:
    key, _ = make_keys(engage, (KeyScope.LOGINS,))
    with Client(URL, key, transport=line) as client, pytest.raises(NotAllowed) as caught:
        client.partners.send(some(1))
    assert caught.value.status == 403
    assert "partners" in str(caught.value)
    with Client(URL, "ek_unknown", transport=line) as client, pytest.raises(NotAllowed) as caught:
        client.partners.send(some(1))
    assert caught.value.status == 401


def test_a_reused_key_is_an_error_of_its_own(client: Client, line: Line) -> None:
    line.faults = [lambda _, __: httpx.Response(409, json={"title": "Another request had this key"})]
    with pytest.raises(KeyReused):
        client.partners.send(some(1))


@pytest.mark.parametrize(
    ("value", "error"),
    [(datetime(2026, 3, 2), ValueError), (object(), TypeError), (float("nan"), ValueError)],  # noqa: DTZ001
)
def test_what_nobody_could_read_is_refused_before_it_is_sent(
    client: Client, line: Line, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.logins.send([{"partner": "P-1", "at": value}])
    assert line.requests == []


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_batch_sends_what_is_named_before_what_names_it(client: Client, line: Line) -> None:
    with client.batch() as batch:
        batch.events.add({"type": "referral.status_changed", "referral": "R-1", "status": "won", "at": AT})
        batch.referrals.add({"external_id": "R-1", "partner": "P-0"})
        batch.companies.add({"external_id": "C-1", "contact": "P-0"})
        batch.partners.add(*some(1))
        assert line.requests == []
    assert (batch.answer.accepted, batch.answer.problems) == (4, ())
    assert [request.url.path for request in line.requests] == [
        f"/v1/{name}" for name in ("partners", "companies", "referrals", "events")
    ]


def test_a_batch_sends_a_full_request_at_once_and_before_it_what_it_names(client: Client, line: Line) -> None:
    with client.batch() as batch:
        batch.partners.add(*some(2))
        for n in range(1_001):
            batch.logins.add({"partner": f"P-{n % 3}", "at": AT + timedelta(seconds=n)})
        assert [request.url.path for request in line.requests] == ["/v1/partners", "/v1/logins"]
    assert (batch.answer.accepted, batch.answer.rejected) == (2 + 668, 333)
    assert [problem.index for problem in batch.answer.problems[:2]] == [2, 5]
    assert all(problem.record["partner"] == "P-2" for problem in batch.answer.problems)


def test_a_batch_that_ends_by_an_error_sends_no_more(engage: Engage, client: Client) -> None:
    batch = client.batch()

    def push() -> None:
        with batch:
            batch.partners.add(*some(1_001))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        push()
    assert (batch.answer.accepted, len(partners_of(engage))) == (1_000, 1_000)


# -- asyncio -----------------------------------------------------------------------------------------------------------


def test_the_twin_for_asyncio_does_the_same(engage: Engage, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("engage.client.clients.anyio.sleep", sleep)
    key, _ = make_keys(engage, tuple(KeyScope))
    line.faults = [lost, busy(retry_after="1")]

    async def push() -> None:
        async with AsyncClient(URL, key, transport=line) as client:
            assert (await client.partners.send(some(2))).accepted == 2
            assert (await client.partners.upsert({"external_id": "P-0", "first_name": "Ann"})).accepted == 1
            async with client.batch() as batch:
                await batch.logins.add({"partner": "P-0", "at": AT}, {"partner": "P-7", "at": AT})
                await batch.partners.add({"external_id": "P-7"})
            assert batch.answer.accepted == 3
            with pytest.raises(NotTaken):
                await client.partners.upsert({"external_id": "P-1", "email": "nobody"})

    asyncio.run(push())
    assert partners_of(engage) == {"P-0": "Ann", "P-1": None, "P-7": None}
    assert len(waits) == 2


# -- what it is --------------------------------------------------------------------------------------------------------


def _hints(record: type) -> tuple[set[str], set[str]]:
    """(all fields, those that must be there) of a record as the client has it."""
    return set(get_type_hints(record)), set(record.__required_keys__)  # type: ignore[attr-defined]


def _fields(model: type[Sent]) -> tuple[set[str], set[str]]:
    return set(model.model_fields), {name for name, field in model.model_fields.items() if field.is_required()}


def test_its_records_have_the_fields_that_engage_takes() -> None:
    for resource in (*UPSERTED, LOGINS):
        (model,) = resource.models
        assert _hints(getattr(records, model.__name__)) == _fields(model), resource.name
    by_type = {kind: one for one in get_args(records.Event) for kind in get_args(get_type_hints(one)["type"])}
    for model in EVENT_MODELS:
        (kind,) = get_args(model.model_fields["type"].annotation)
        assert _hints(by_type.pop(kind)) == _fields(model), kind
    assert by_type == {}


def test_its_requests_are_as_large_as_engage_takes() -> None:
    assert MOST_RECORDS == 1_000
    assert LARGEST_BODY - 50_000 > MOST_BYTES


def test_it_needs_nothing_of_the_rest_of_engage() -> None:
    code = "import sys, engage.client; print([m for m in sys.modules if m.startswith('engage.')])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(name.startswith("engage.client") for name in eval(said))
