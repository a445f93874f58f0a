"""The intake API, as a CRM pushes into it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from engage.domain.access import KeyScope
from engage.store.tables import events, feed_readings, idempotent_answers, partners, referrals, rewards, staff
from engage.web.app import build_app
from engage.web.v1.reading import LARGEST_BODY, MOST_RECORDS
from engage.web.v1.resources import EVENTS, LOGINS, UPSERTED
from tests.support.engage import Engage
from tests.support.intake_api import Pusher
from tests.support.shipped import copy_shipped


@pytest.fixture
def crm(database_url: str, tmp_path: Path) -> Iterator[Pusher]:
    engage = Engage(database_url, tmp_path, *copy_shipped(tmp_path))
    yield Pusher(engage)
    engage.services.close()


@pytest.fixture
def here(sqlite_url: str, tmp_path: Path) -> Iterator[Pusher]:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield Pusher(engage)
    engage.services.close()


def taken(accepted: int = 0, unchanged: int = 0, rejected: int = 0, problems: Any = ()) -> dict[str, Any]:
    return {"accepted": accepted, "unchanged": unchanged, "rejected": rejected, "problems": list(problems)}


def rows(crm: Pusher, *columns: sa.Column[Any]) -> list[tuple[Any, ...]]:
    with crm.engage.services.database.read() as db:
        return [tuple(row) for row in db.execute(sa.select(*columns).order_by(columns[0]))]


def change(status: str, at: datetime, referral: str = "R-1", **more: Any) -> dict[str, Any]:
    return {
        "type": "referral.status_changed",
        "referral": referral,
        "status": status,
        "at": at.isoformat(),
        **more,
    }


def test_what_the_documentation_shows_is_taken_and_the_second_time_changes_nothing(crm: Pusher) -> None:
    for resource in UPSERTED:
        assert crm.post(f"/v1/{resource.name}", {resource.name: [resource.example]}).json() == taken(accepted=1)
        fields = {name: value for name, value in resource.example.items() if name != "external_id"}
        again = crm.put(f"/v1/{resource.name}/{resource.example['external_id']}", fields)
        assert (again.status_code, again.json()) == (202, taken(unchanged=1))
    assert crm.post("/v1/logins", {"logins": [LOGINS.example]}).json() == taken(accepted=1)
    assert crm.post("/v1/events", EVENTS.example).json() == taken(accepted=1)
    assert crm.post("/v1/events", {"events": [EVENTS.example] * 2}).json() == taken(unchanged=2)
    assert rows(crm, events.c.kind, events.c.source, events.c.unmatched) == [
        ("partner.logged_in", "api:crm", True),
        ("partner.registered", "api:crm", True),
        ("referral.status_changed", "api:crm", True),
        ("referral.status_changed", "api:crm", True),
        ("reward.earned", "api:crm", True),
    ]
    assert rows(crm, rewards.c.external_id, rewards.c.amount) == [("W-1", 25000)]
    assert rows(crm, staff.c.external_id, staff.c.name) == [("S-7", "Sam Rivera")]
    assert len(crm.engage.queue.waiting) > 0


def test_every_kind_of_event_is_taken(crm: Pusher) -> None:
    engage = crm.engage
    engage.partner("ann")
    engage.refers("ann", "R-1")
    at = engage.now.isoformat()
    reward = {"external_id": "W-1", "partner": "ann", "amount": 99.5}
    sent = [
        change("accepted", engage.now),
        {"type": "partner.logged_in", "partner": "ann", "at": at},
        {"type": "reward.earned", **reward, "at": at},
        {"type": "reward.paid", **reward, "at": at},
        {"type": "reward.reversed", **reward, "at": at},
        {"type": "referral.help_wanted", "referral": "R-1", "at": at, "ask": "Introduce us to the buyer"},
    ]
    assert crm.post("/v1/events", {"events": sent}).json() == taken(accepted=6)
    assert {kind for kind, source in rows(crm, events.c.kind, events.c.source) if source == "api:crm"} == {
        one["type"] for one in sent
    }
    assert rows(crm, rewards.c.amount, rewards.c.earned_at, rewards.c.paid_at, rewards.c.reversed_at) == [
        (9950, engage.now, engage.now, engage.now)
    ]


def test_in_a_batch_the_good_are_taken_and_the_bad_answered_one_by_one(crm: Pusher) -> None:
    engage = crm.engage
    engage.partner("ann")
    engage.refers("ann", "R-1")
    sent: list[Any] = [
        change("accepted", engage.now),
        change("accepted", engage.now, referral="R-9"),
        change("elsewhere", engage.now),
        change("won", engage.now) | {"at": "2026-11-02T09:30:00"},
        change("won", engage.now) | {"colour": "red"},
        {"type": "referral.lost"},
        "nonsense",
        {"type": "partner.logged_in", "partner": "bob", "at": engage.now.isoformat()},
        {"type": "reward.paid", "external_id": "W", "partner": "ann", "amount": "1.234", "at": engage.now.isoformat()},
        {"type": "partner.logged_in", "partner": "ann"},
    ]
    answer = crm.post("/v1/events", {"events": sent})
    assert answer.status_code == 202
    said = answer.json()
    problems = said.pop("problems")
    assert said == {"accepted": 1, "unchanged": 0, "rejected": 9}
    assert [(one["index"], one["field"]) for one in problems] == [
        (1, "events[1].partner"),
        (2, "events[2].status"),
        (3, "events[3].at"),
        (4, "events[4].colour"),
        (5, "events[5].type"),
        (6, "events[6]"),
        (7, "events[7].partner"),
        (8, "events[8].amount"),
        (9, "events[9].at"),
    ]
    assert problems[6]["detail"] == "partner 'bob' is not known"
    assert problems[2]["detail"] == "is no instant with an offset such as 2026-11-02T09:30:00Z"


def test_a_request_of_which_nothing_can_be_taken_is_a_problem_and_stores_nothing(crm: Pusher) -> None:
    before = crm.counts()
    at = crm.engage.now.isoformat()
    for document in (
        {"type": "partner.logged_in", "partner": "bob", "at": at},
        {"events": [{"type": "partner.logged_in", "partner": "bob", "at": at}]},
        {"events": [{}]},
        {"events": []},
        {"events": [], "more": 1},
        [],
        None,
    ):
        answer = crm.post("/v1/events", document)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == "urn:engage:not-taken"
        assert problem["status"] == 422
        assert problem["errors"][0]["detail"]
    assert crm.put("/v1/partners/ann", {"external_id": "bob"}).json()["errors"] == [
        {"field": "external_id", "detail": "is said by the address already: leave it out"}
    ]
    assert crm.counts() == before


def test_errors_are_said_in_words_of_the_api_and_each_once(here: Pusher) -> None:
    def said(fields: dict[str, Any]) -> list[tuple[str, str]]:
        return [(one["field"], one["detail"]) for one in here.put("/v1/partners/ann", fields).json()["errors"]]

    plain = "is no text, no number, and neither true nor false"
    many = {f"a{n}": None for n in range(9)}
    assert said({"attributes": many}) == [(f"attributes.{name}", plain) for name in many]
    assert said({"int": 5}) == [("int", "is no field of this")]
    assert said({"first_name": "a" * 1001}) == [("first_name", "may have at most 1000 characters")]
    errors = here.post("/v1/events", {"type": "referral.won"}).json()["errors"]
    assert [one["field"] for one in errors] == ["type"]
    assert errors[0]["detail"].startswith("is none of referral.status_changed, ")


def test_bodies_that_are_none_are_refused_for_what_they_are(here: Pusher) -> None:
    before = here.counts()

    def status(body: bytes, **headers: str) -> int:
        answer = here.send("POST", "/v1/partners", body, headers)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        return answer.status_code

    assert status(b"") == 400
    assert status(b"{") == 400
    assert status(b'{"partners": [{"external_id": "\xff"}]}') == 400
    assert status(b"{}", Content_Type="text/plain") == 415
    assert status(b"{}", Content_Encoding="gzip") == 415
    assert status(b" " * (LARGEST_BODY + 1)) == 413
    assert status(json.dumps({"partners": [{"external_id": "x"}] * (MOST_RECORDS + 1)}).encode()) == 413
    assert status(b"[" * 9 + b"]" * 9) == 422
    assert status(b"[" * 900 + b"]" * 900) == 422
    assert status(b"[" * 100_000 + b"]" * 100_000) == 400
    assert status(b"{}", Idempotency_Key="") == 400
    assert status(b"{}", Idempotency_Key="x" * 256) == 400
    assert status(b"{}", Idempotency_Key="a b") == 400
    assert status(b"{}", Authorization="Bearer nonsense") == 401
    assert here.counts() == before


def test_a_key_opens_what_its_scopes_name(sqlite_url: str, tmp_path: Path) -> None:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    crm = Pusher(engage, [KeyScope.LOGINS])
    assert crm.post("/v1/logins", {"logins": [{}]}).status_code == 422
    refused = crm.post("/v1/partners", {"partners": [{"external_id": "P-1"}]})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert "'partners'" in refused.json()["detail"]
    assert crm.counts()["partners"] == 0
    engage.services.close()


def test_the_same_request_under_one_key_is_answered_as_it_was(crm: Pusher) -> None:
    engage = crm.engage
    engage.partner("ann")
    login = {"logins": [{"partner": "ann", "at": (engage.now - timedelta(hours=1)).isoformat()}, {"partner": "bob"}]}
    first = crm.post("/v1/logins", login, Idempotency_Key='"one"')
    assert first.json()["accepted"] == 1
    before = crm.counts()
    again = crm.post("/v1/logins", login, Idempotency_Key="one")
    assert (again.status_code, again.json(), again.headers["content-type"]) == (
        first.status_code,
        first.json(),
        first.headers["content-type"],
    )
    other = crm.post(
        "/v1/logins", {"logins": [{"partner": "ann", "at": engage.now.isoformat()}]}, Idempotency_Key="one"
    )
    assert (other.status_code, other.json()["type"]) == (409, "urn:engage:key-reused")
    assert crm.counts() == before
    refused = crm.post("/v1/events", change("won", engage.now), Idempotency_Key="two")
    assert crm.post("/v1/events", change("won", engage.now), Idempotency_Key="two").json() == refused.json()
    assert refused.status_code == 422
    assert len(rows(crm, idempotent_answers.c.id)) == 2


def test_the_same_request_several_times_at_once_is_taken_once_and_answered_alike(crm: Pusher) -> None:
    new = {"partners": [{"external_id": f"P-{number}"} for number in range(50)]}

    async def story() -> list[httpx.Response]:
        transport = httpx.ASGITransport(build_app(crm.engage.services))
        headers = {"Authorization": f"Bearer {crm.key}", "Idempotency-Key": "one"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers) as client:
            return await asyncio.gather(*(client.post("/v1/partners", json=new) for _ in range(5)))

    answers = asyncio.run(story())
    assert [answer.json() for answer in answers] == [taken(accepted=50)] * 5
    assert len(rows(crm, partners.c.id)) == 50
    assert len(rows(crm, idempotent_answers.c.id)) == 1


def test_answers_are_kept_for_a_day(here: Pusher) -> None:
    here.post("/v1/partners", {"partners": [{"external_id": "P-1"}]}, Idempotency_Key="one")
    here.engage.after(hours=23)
    assert len(rows(here, idempotent_answers.c.id)) == 1
    here.engage.after(hours=2)
    assert rows(here, idempotent_answers.c.id) == []


def test_who_pushes_is_heard_on_its_feeds_now_and_then(here: Pusher) -> None:
    here.engage.partner("ann")
    for minutes in (0, 1, 2, 6):
        at = here.engage.now + timedelta(minutes=minutes)
        here.engage.now = at
        assert here.post("/v1/logins", {"logins": [{"partner": "ann", "at": at.isoformat()}]}).status_code == 202
    assert [feed for _, feed in rows(here, feed_readings.c.id, feed_readings.c.feed)] == ["logins", "logins"]


def test_a_system_that_signs_pushes_events(crm: Pusher) -> None:
    engage = crm.engage
    engage.partner("ann")
    engage.refers("ann", "R-1")

    def push(document: Any, message: str) -> Any:
        body = json.dumps(document)
        headers = {
            "webhook-id": message,
            "webhook-timestamp": str(int(engage.now.timestamp())),
            "webhook-signature": Webhook(crm.secret).sign(message, engage.now.replace(microsecond=0), body),
        }
        return crm.send("POST", f"/v1/push/{crm.public_id}", body.encode(), headers)

    at = engage.now.isoformat()
    wrapped = {"type": "referral.status_changed", "timestamp": at, "data": {"referral": "R-1", "status": "accepted"}}
    assert push(wrapped, "m-1").json() == taken(accepted=1)
    assert push(wrapped, "m-1").json() == taken(accepted=1), "the same message is answered as it was"
    assert push(wrapped, "m-2").json() == taken(unchanged=1)
    plain = change("won", engage.now)
    assert push({"events": [wrapped, plain]}, "m-3").json() == taken(accepted=1, unchanged=1)
    assert push({"type": "referral.status_changed", "timestamp": at, "data": 1}, "m-4").status_code == 422
    body = b'{"type": "partner.logged_in"}'
    assert crm.send("POST", f"/v1/push/{crm.public_id}", body).status_code == 401


def test_ids_may_hold_anything_that_an_address_can(here: Pusher) -> None:
    for name, path in (("A/1", "A%2F1"), ("ä b", "%C3%A4%20b"), ("x.y", "x.y")):
        assert here.put(f"/v1/partners/{path}", {}).json() == taken(accepted=1)
        assert (name,) in rows(here, partners.c.external_id)
    assert here.put("/v1/partners/", {}).status_code in (404, 405, 422)
    assert here.put("/v1/partners/%20", {}).status_code == 422
    assert here.put("/v1/partners/%00", {}).status_code == 422


def test_fields_that_are_left_out_or_null_stay_as_they_are(here: Pusher) -> None:
    here.put("/v1/partners/P-1", {"first_name": "Ann", "region": "north", "attributes": {"seats": 3, "vip": True}})
    here.put("/v1/partners/P-1", {"region": "south", "first_name": None})
    assert rows(here, partners.c.first_name, partners.c.region, partners.c.attributes) == [
        ("Ann", "south", {"seats": 3, "vip": True})
    ]


def test_a_burst_of_changes_waits_for_an_operator(here: Pusher) -> None:
    engage = here.engage
    engage.partner("ann")
    for lot in range(2):
        new = [{"external_id": f"R-{lot}-{n}", "partner": "ann"} for n in range(600)]
        assert here.post("/v1/referrals", {"referrals": new}).json() == taken(accepted=600)
        won = [change("won", engage.now, referral=one["external_id"]) for one in new]
        assert here.post("/v1/events", {"events": won}).json() == taken(accepted=600)
    assert [hold.of for hold in engage.services.held()] == ["api:crm"]


def test_instants_are_those_of_rfc_3339(here: Pusher) -> None:
    here.engage.partner("ann")

    def status(at: object) -> int:
        return here.post("/v1/logins", {"logins": [{"partner": "ann", "at": at}]}).status_code

    for good in ("2026-02-28T23:59:59Z", "2026-02-28t10:00:00.123456z", "2026-02-28T10:00:00-08:00"):
        assert status(good) == 202
    bad = ("2026-02-28", "2026-02-28T10:00:00", "2026-02-30T10:00:00Z", "2026-W01-1T10:00:00Z", 1772000000, None)
    for wrong in (
        *bad,
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2026-02-28T10:00:60Z",
        "٢026-02-28T10:00:00Z",
    ):
        assert status(wrong) == 422
    newest = max(at for at, _ in rows(here, events.c.occurred_at, events.c.id))
    assert newest == datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)


def test_the_database_away_is_an_honest_503(here: Pusher) -> None:
    assert here.put("/v1/partners/P-1", {}).status_code == 202
    before = rows(here, referrals.c.id)
    here.engage.services.database.engine.dispose()
    path = here.engage.services.database.url.database
    assert path
    Path(path).rename(f"{path}.away")
    Path(path).mkdir()
    answer = here.put("/v1/partners/P-2", {})
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["type"]) == (503, "10", "urn:engage:busy")
    Path(path).rmdir()
    Path(f"{path}.away").rename(path)
    assert rows(here, referrals.c.id) == before
