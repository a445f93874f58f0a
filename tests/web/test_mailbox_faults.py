"""The mailbox as a provider that goes wrong, met by the real client: what is scripted, what the client makes of it, and
what the mailbox has in the end."""

import json
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engage.domain.messages import Outcome, SendResult
from engage.providers.sendgrid import SendGridProvider
from engage.web.mailbox import MailStore, mailbox_app, read_log
from tests.providers.contract import NOW, SOON, a_message
from tests.providers.servers import HttpServer
from tests.support.waiting import wait_for


class Faulty:
    """A mailbox in a folder, served, with the provider's client to it."""

    def __init__(self, server: HttpServer, folder: Path, provider: SendGridProvider) -> None:
        self.url = server.url
        self.folder = folder
        self.provider = provider

    def script(self, *steps: dict[str, Any]) -> list[dict[str, Any]]:
        left: list[dict[str, Any]] = self.ask("POST", list(steps))
        return left

    def ask(self, method: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/mailbox/faults", data, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def send(self, count: int = 1, deadline: timedelta = SOON, to: str = "") -> list[SendResult]:
        return self.provider.send([a_message(n, to=to) for n in range(1, count + 1)], deadline)

    def taken(self) -> list[str]:
        """The deliveries that the log has, sorted."""
        return sorted(summary.custom_args["delivery"] for summary in read_log(self.folder))


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Faulty]:
    store = MailStore(tmp_path / "mailbox")
    with (
        HttpServer(mailbox_app(store)) as server,
        closing(SendGridProvider(server.url, "SG.key", lambda: NOW)) as provider,
    ):
        yield Faulty(server, tmp_path / "mailbox", provider)
    store.close()


@pytest.mark.parametrize(
    ("step", "outcome", "taken"),
    [
        ({"answer": 429, "retry_after": 2}, Outcome.RETRY, 0),
        ({"answer": 503}, Outcome.RETRY, 0),
        ({"answer": 401}, Outcome.RETRY, 0),
        ({"answer": 400}, Outcome.DEAD, 0),
        ({"answer": 500}, Outcome.UNKNOWN, 0),
        ({"answer": 500, "take": True}, Outcome.UNKNOWN, 1),
        ({"drop": True}, Outcome.UNKNOWN, 0),
        ({"accept_then_drop": True}, Outcome.UNKNOWN, 1),
        ({"drop": True, "take": True}, Outcome.UNKNOWN, 1),
        ({"delay": 0.05}, Outcome.ACCEPTED, 1),
        ({"delay_before": 0.05}, Outcome.ACCEPTED, 1),
        ({"drip": 0.2}, Outcome.ACCEPTED, 1),
    ],
    ids=json.dumps,
)
def test_what_the_client_makes_of_a_fault_and_what_the_mailbox_has(
    mailbox: Faulty, step: dict[str, Any], outcome: Outcome, taken: int
) -> None:
    mailbox.script(step)
    (result,) = mailbox.send()
    assert result.outcome is outcome
    assert result.auth_failed == (step.get("answer") == 401)
    assert len(mailbox.taken()) == taken
    assert mailbox.ask("GET") == []
    assert mailbox.send()[0].outcome is Outcome.ACCEPTED, "a fault is over once it was met"


def test_the_time_of_a_429_is_the_one_to_try_again_at(mailbox: Faulty) -> None:
    mailbox.script({"answer": 429, "retry_after": 90})
    assert mailbox.send()[0].retry_at == NOW + timedelta(seconds=90)


def test_a_drip_past_the_deadline_is_unknown_though_the_message_was_taken(mailbox: Faulty) -> None:
    mailbox.script({"drip": 60})
    begun = time.monotonic()
    (result,) = mailbox.send(deadline=timedelta(seconds=0.6))
    assert result.outcome is Outcome.UNKNOWN
    assert time.monotonic() - begun < 30, "the drip goes on for a minute"
    assert mailbox.taken() == ["d-1"]


def test_an_answer_later_than_the_deadline_is_unknown(mailbox: Faulty) -> None:
    mailbox.script({"delay": 60, "times": 2})
    assert [result.outcome for result in mailbox.send(2, timedelta(seconds=0.6))] == [Outcome.UNKNOWN] * 2
    assert mailbox.taken() == ["d-1", "d-2"]


def test_while_nobody_listens_messages_are_proven_unsent_and_afterwards_they_go(mailbox: Faulty) -> None:
    assert mailbox.script({"refuse": 0.7}, {"answer": 503}) == [{"answer": 503, "times": 1}]
    refused = mailbox.send(8)
    assert {result.outcome for result in refused} == {Outcome.RETRY}
    assert {result.status for result in refused} == {None}
    wait_for(lambda: mailbox.send()[0].status is not None, "the mailbox to listen again")
    assert mailbox.send()[0].outcome is Outcome.ACCEPTED


def test_it_may_refuse_after_other_steps(mailbox: Faulty) -> None:
    mailbox.script({"answer": 503}, {"refuse": True})
    assert mailbox.send()[0].status == 503
    assert mailbox.send()[0].status is None


def test_steps_come_one_after_the_other(mailbox: Faulty) -> None:
    mailbox.script({"answer": 429, "times": 2}, {"answer": 500})
    assert [mailbox.send()[0].status for _ in range(2)] == [429, 429]
    assert mailbox.ask("GET") == [{"answer": 500, "times": 1}]
    assert [mailbox.send()[0].status for _ in range(2)] == [500, 202]


def test_thirty_two_at_once_share_the_steps(mailbox: Faulty) -> None:
    mailbox.script({"accept_then_drop": True, "times": 20}, {"answer": 503, "times": 5})
    outcomes = Counter(result.outcome for result in mailbox.send(32))
    assert outcomes == {Outcome.UNKNOWN: 20, Outcome.RETRY: 5, Outcome.ACCEPTED: 7}
    assert len(mailbox.taken()) == 27


def test_a_fault_may_be_for_some_recipients_only(mailbox: Faulty) -> None:
    mailbox.script({"answer": 500, "to": "*@Slow.example.com", "times": 2})
    assert mailbox.send()[0].status == 202
    assert mailbox.send(to="ann@slow.example.com")[0].status == 500
    assert mailbox.ask("GET")[0]["times"] == 1


def test_a_share_of_the_messages_goes_wrong_the_same_one_each_time_until_it_is_cleared(mailbox: Faulty) -> None:
    def round_of_64() -> list[int | None]:
        mailbox.script({"answer": 503, "share": 0.25, "seed": 7})
        return [mailbox.send()[0].status for _ in range(64)]

    first = round_of_64()
    assert 8 <= first.count(503) <= 24
    assert round_of_64() == first
    mailbox.ask("DELETE")
    assert {result.status for result in mailbox.send(8)} == {202}


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"answer": 202}, "answer"),
        ({"anser": 500}, "anser"),
        ({"times": 0}, "times"),
        ({"share": 2}, "share"),
        ({"drip": "slowly"}, "drip"),
        ({"answer": 500, "drop": True}, "only one of"),
    ],
    ids=json.dumps,
)
def test_a_script_that_makes_no_sense_is_refused_with_the_field(step: dict[str, Any], field: str) -> None:
    client = TestClient(mailbox_app(MailStore()))
    answer = client.post("/mailbox/faults", json=[step])
    assert answer.status_code == 400
    assert field in answer.text
    assert client.get("/mailbox/faults").json() == []


def test_a_server_that_cannot_lose_connections_says_so() -> None:
    client = TestClient(mailbox_app(MailStore()))
    for step in ({"drop": True}, {"drip": 1}, {"refuse": 1}):
        answer = client.post("/mailbox/faults", json=step)
        assert answer.status_code == 501
        assert "engage mailbox" in answer.text
    assert client.post("/mailbox/faults", json={"answer": 503}).status_code == 200


def test_half_a_request_is_nothing_and_no_trouble(mailbox: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", int(mailbox.url.rpartition(":")[2]))) as half:
        head = (
            b"POST /v3/mail/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\n"
        )
        half.sendall(head + b"Content-Length: 1000\r\n\r\n{")
    assert mailbox.send()[0].outcome is Outcome.ACCEPTED
    assert mailbox.taken() == ["d-1"]
    assert "Exception" not in caplog.text
