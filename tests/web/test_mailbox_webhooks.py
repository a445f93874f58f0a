"""The mailbox reports as SendGrid does: events in its shape, signed, in batches, again when they are not taken."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from engage.domain.feedback import FeedbackKind
from engage.providers.sendgrid_events import read_events
from engage.providers.webhook_signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Checked,
    check,
    load_private_key,
    new_private_key,
    public_keys,
    shown,
)
from engage.web.mailbox import MailStore, Webhooks, mailbox_app
from tests.providers.servers import HttpServer, closed_port
from tests.web.test_mailbox_api import KEY, NOW, a_request

PRIVATE = load_private_key(new_private_key())
PUBLIC = public_keys(shown(PRIVATE))


class Listener:
    """Takes webhooks, answers as told (204 when nothing more is told), and keeps what came."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.app = Starlette(routes=[Route("/webhooks/sendgrid", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        self.came.append((dict(request.headers), await request.body()))
        return Response(status_code=self.answers.pop(0) if self.answers else 204)

    def batches(self) -> list[list[dict[str, Any]]]:
        return [json.loads(body) for _, body in self.came]

    def events(self) -> list[dict[str, Any]]:
        return [event for batch in self.batches() for event in batch]


class Mailbox:
    """A mailbox that reports to a listener."""

    def __init__(self, url: str, store: MailStore) -> None:
        self.now = NOW
        self.client = TestClient(mailbox_app(store, lambda: self.now, Webhooks(url, PRIVATE)), headers=KEY)

    def takes(self, *deliveries: str, to: str = "jane@example.com") -> list[str]:
        """Takes a message of each delivery; returns their ids."""
        bodies = [
            a_request(custom_args={"engage_delivery": d, "engage_attempt": "1"}, personalizations=[{"to": people(to)}])
            for d in deliveries
        ]
        return [self.client.post("/v3/mail/send", json=body).headers["X-Message-Id"] for body in bodies]

    def reports(self, **recipe: Any) -> dict[str, Any]:
        answer = self.client.post("/mailbox/webhooks", json=recipe)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


def people(to: str) -> list[dict[str, str]]:
    return [{"email": address} for address in to.split(",")]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def mailbox(listener: Listener) -> Iterator[Mailbox]:
    store = MailStore()
    with HttpServer(listener.app) as server:
        yield Mailbox(f"{server.url}/webhooks/sendgrid", store)
    store.close()


def test_what_was_taken_is_reported_as_processed_and_delivered(mailbox: Mailbox, listener: Listener) -> None:
    (message_id,) = mailbox.takes("d1")
    told = mailbox.reports()
    assert told == {"events": 2, "requests": 1, "failed": 0, "answers": {"204": 1}}
    processed, delivered = listener.events()
    assert processed == {
        "email": "jane@example.com",
        "timestamp": int(NOW.timestamp()),
        "smtp-id": f"<{message_id}@mailbox.invalid>",
        "event": "processed",
        "sg_event_id": processed["sg_event_id"],
        "sg_message_id": f"{message_id}.recvd-mailbox-1.0",
        "category": ["opportunity"],
        "engage_delivery": "d1",
        "engage_attempt": "1",
    }
    assert (delivered["event"], delivered["response"]) == ("delivered", "250 2.0.0 OK")
    assert delivered["sg_event_id"] != processed["sg_event_id"]


def test_each_request_is_signed_over_its_raw_body_at_its_time(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    mailbox.reports()
    ((headers, body),) = listener.came
    signed = (headers[SIGNATURE_HEADER.lower()], headers[TIMESTAMP_HEADER.lower()])
    assert check(PUBLIC, *signed, body, NOW, timedelta(minutes=1)) is Checked.GENUINE
    assert check(PUBLIC, *signed, body + b" ", NOW, timedelta(minutes=1)) is Checked.FORGED


def test_engage_understands_every_event(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    kinds = (
        *("processed", "deferred", "dropped", "delivered", "bounce", "blocked", "machine_open", "scanner_click"),
        *("open", "click", "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe"),
    )
    mailbox.reports(events=list(kinds))
    read = read_events(listener.came[0][1].decode())
    assert read.problems == ()
    found = dict(zip(kinds, read.events, strict=True))
    assert {event.kind for event in found.values()} == set(FeedbackKind) - {FeedbackKind.UNKNOWN}
    assert {(event.delivery, event.attempt) for event in found.values()} == {("d1", 1)}
    assert (found["bounce"].soft, found["blocked"].soft) == (False, True)
    assert (found["open"].machine, found["machine_open"].machine) == (False, True)
    assert len({event.natural_key for event in found.values()}) == len(kinds)


def test_an_event_that_nobody_knows_can_be_made(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    mailbox.reports(events=[{"event": "processed", "fields": {"event": "teleported", "speed": 3}}])
    (event,) = listener.events()
    assert (event["event"], event["speed"]) == ("teleported", 3)


def test_duplicates_with_changed_ids_are_the_same_events_to_engage(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1", "d2", "d3")
    mailbox.reports(duplicate=3, change_ids=True, shuffle=7)
    events = listener.events()
    assert len(events) == 18
    assert len({event["sg_event_id"] for event in events}) == 18
    keys = Counter(event.natural_key for event in read_events(json.dumps(events)).events)
    assert list(keys.values()) == [3] * 6


def test_duplicates_keep_their_ids_unless_told_otherwise(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    mailbox.reports(events=["delivered"], duplicate=2)
    first, second = listener.events()
    assert first == second


def test_a_shuffle_is_another_order_of_the_same_events_and_the_same_each_time(
    mailbox: Mailbox, listener: Listener
) -> None:
    mailbox.takes(*(f"d{n}" for n in range(10)))
    for shuffle in (None, 1, 1, 2):
        mailbox.reports(shuffle=shuffle)
    in_order, *shuffled = listener.batches()
    assert all(sorted(batch, key=str) == sorted(in_order, key=str) for batch in shuffled)
    assert shuffled[0] == shuffled[1]
    assert in_order != shuffled[0] != shuffled[2]


def test_events_come_in_batches(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes(*(f"d{n}" for n in range(5)))
    assert mailbox.reports(batch=4)["requests"] == 3
    assert [len(batch) for batch in listener.batches()] == [4, 4, 2]


def test_a_share_of_the_messages_meets_an_event_the_same_ones_each_time(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes(*(f"d{n}" for n in range(60)))
    for _ in range(2):
        mailbox.reports(events=["processed", {"event": "bounce", "share": 0.2}], batch=1000)
    first, second = listener.batches()
    assert first == second
    assert 4 <= Counter(event["event"] for event in first)["bounce"] <= 24


def test_only_some_messages_are_reported_of(mailbox: Mailbox, listener: Listener) -> None:
    ids = mailbox.takes("d1", "d2")
    mailbox.now += timedelta(hours=1)
    mailbox.takes("d3")
    for chosen in ({"ids": ids[:1]}, {"deliveries": ["d2"]}, {"since": mailbox.now.isoformat()}, "all"):
        mailbox.reports(**{"for": chosen, "events": ["processed"]})
    assert [[event["engage_delivery"] for event in batch] for batch in listener.batches()] == [
        ["d1"],
        ["d2"],
        ["d3"],
        ["d1", "d2", "d3"],
    ]


def test_each_recipient_of_a_message_has_events_of_their_own(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1", to="ann@example.com,bob@example.com")
    mailbox.reports(events=["delivered"])
    ann, bob = listener.events()
    assert (ann["email"], bob["email"]) == ("ann@example.com", "bob@example.com")
    assert ann["sg_message_id"] != bob["sg_message_id"]


def test_what_is_not_taken_is_posted_again(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    listener.answers = [500, 503, 429]
    told = mailbox.reports()
    assert told["answers"] == {"500": 1, "503": 1, "429": 1, "204": 1}
    assert len({body for _, body in listener.came}) == 1


def test_what_is_refused_is_not_posted_again_and_said(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    listener.answers = [403]
    answer = mailbox.client.post("/mailbox/webhooks", json={})
    assert (answer.status_code, answer.json()["failed"], len(listener.came)) == (502, 1, 1)


@contextmanager
def _another_listener() -> Iterator[tuple[Listener, str]]:
    listener = Listener()
    with HttpServer(listener.app) as server:
        yield listener, f"{server.url}/webhooks/sendgrid"


def test_it_may_report_to_another_place_on_this_machine(mailbox: Mailbox) -> None:
    mailbox.takes("d1")
    with _another_listener() as (listener, url):
        mailbox.reports(url=url)
        assert len(listener.events()) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://example.com/hook",
        "file:///etc/passwd",
        "http://[::1",
        "ftp://127.0.0.1",
    ],
)
def test_it_reports_nowhere_else(mailbox: Mailbox, url: str) -> None:
    answer = mailbox.client.post("/mailbox/webhooks", json={"url": url})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "url"


def test_it_may_report_to_the_installation_wherever_that_is() -> None:
    webhooks = Webhooks(f"http://localhost:{closed_port()}/webhooks/sendgrid", PRIVATE)
    client = TestClient(mailbox_app(MailStore(), lambda: NOW, webhooks))
    assert client.post("/mailbox/webhooks", json={}).json() == {
        "events": 0,
        "requests": 0,
        "failed": 0,
        "answers": {},
    }


@pytest.mark.parametrize("recipe", [{"events": ["arrived"]}, {"duplicate": 0}, {"for": {"who": "all"}}, {"copies": 2}])
def test_a_recipe_that_makes_no_sense_is_refused(mailbox: Mailbox, recipe: dict[str, Any]) -> None:
    answer = mailbox.client.post("/mailbox/webhooks", json=recipe)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


def test_without_a_key_it_says_that_it_cannot_sign() -> None:
    answer = TestClient(mailbox_app(MailStore())).post("/mailbox/webhooks", json={})
    assert answer.status_code == 501


def test_times_are_those_of_a_mail_that_is_delivered_and_then_read(mailbox: Mailbox, listener: Listener) -> None:
    mailbox.takes("d1")
    mailbox.reports(events=["processed", "delivered", "open", "click"])
    seconds = [event["timestamp"] - int(NOW.timestamp()) for event in listener.events()]
    assert seconds == sorted(seconds)
    assert datetime.fromtimestamp(listener.events()[0]["timestamp"], NOW.tzinfo) == NOW.replace(microsecond=0)
