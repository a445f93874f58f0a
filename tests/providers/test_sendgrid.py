"""SendGrid's client: the contract against the mailbox, its JSON against the SDK's, and what each answer proves."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers import mail as sdk

from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.gates import UNSAID_WAIT
from engage.domain.messages import Mailbox, Message, Outcome, SendResult
from engage.providers.protocol import Provider
from engage.providers.sendgrid import KEEP_ALIVE, SendGridProvider
from engage.providers.sendgrid_wire import outcome_of, payload, read_answer, retry_time
from engage.web.mailbox import MailStore, mailbox_app
from tests.providers.contract import NOW, SOON, ProviderContract, a_message
from tests.providers.servers import (
    HttpServer,
    Script,
    ScriptedServer,
    http_answers,
    http_by_the_byte,
    http_then_reset,
    read_http,
)

TAKEN = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m-1\r\nContent-Length: 0\r\n\r\n"


def sendgrid(url: str, key: str = "SG.key") -> SendGridProvider:
    return SendGridProvider(url, key, lambda: NOW)


def send_to(script: Script, deadline: timedelta = SOON) -> SendResult:
    with ScriptedServer(script) as server, closing(sendgrid(server.url)) as provider:
        return provider.send([a_message()], deadline)[0]


def answer(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


class TestContract(ProviderContract):
    refused_address = "jane.doe@example"
    takes_then_resets = http_then_reset
    takes_then_drips = http_by_the_byte

    @pytest.fixture(autouse=True)
    def server_port(self) -> Iterator[int]:
        self.store = MailStore()
        with HttpServer(mailbox_app(self.store, lambda: NOW)) as server:
            yield server.port

    def provider_for(self, port: int, host: str = "127.0.0.1", tls: bool = False) -> Provider:
        return sendgrid(f"http{'s' if tls else ''}://{host}:{port}")

    def inbox(self) -> list[str]:
        stored = [json.loads(self.store.read(summary.id)[1]) for chunk in self.store.every() for summary in chunk]
        return [body["custom_args"]["delivery"] for body in stored]


def with_the_sdk(message: Message) -> Any:
    """The JSON that SendGrid's own library writes."""
    built = sdk.Mail(
        from_email=sdk.From(message.sender.email, message.sender.name or None),
        to_emails=sdk.To(message.to.email, message.to.name or None),
        subject=message.subject,
        plain_text_content=message.text or None,
        html_content=message.html or None,
    )
    if message.reply_to:
        built.reply_to = sdk.ReplyTo(message.reply_to)
    for name, value in message.headers.items():
        built.add_header(sdk.Header(name, value))
    for name, value in message.custom_args.items():
        built.add_custom_arg(sdk.CustomArg(name, value))
    if message.category:
        built.add_category(sdk.Category(message.category))
    tracking = sdk.TrackingSettings()
    tracking.click_tracking = sdk.ClickTracking(False, False)
    tracking.open_tracking = sdk.OpenTracking(False)
    tracking.subscription_tracking = sdk.SubscriptionTracking(False)
    built.tracking_settings = tracking
    return built.get()


some_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
some_names = st.dictionaries(st.sampled_from(["X-A", "X-B", "List-Unsubscribe"]), some_text, max_size=3)


@given(
    st.builds(
        Message,
        id=st.just("d-1"),
        sender=st.builds(Mailbox, st.just("program@example.com"), some_text.map(lambda name: name.replace(",", ""))),
        to=st.builds(Mailbox, st.just("jane@example.com"), st.just("") | st.just("Jane Doe")),
        subject=some_text,
        html=some_text,
        text=some_text | st.just(""),
        reply_to=st.just("") | st.just("help@example.com"),
        headers=some_names,
        custom_args=some_names,
        category=st.just("") | some_text,
    )
)
def test_the_payload_is_the_one_of_sendgrids_own_library(message: Message) -> None:
    ours = json.loads(payload(message))
    assert ours == with_the_sdk(message)
    assert [part["type"] for part in ours["content"]] == ["text/plain", "text/html"][-len(ours["content"]) :]


def test_sendgrids_own_tracking_is_off() -> None:
    settings = json.loads(payload(a_message()))["tracking_settings"]
    assert {name: setting["enable"] for name, setting in settings.items()} == {
        "click_tracking": False,
        "open_tracking": False,
        "subscription_tracking": False,
    }


def test_a_domain_beyond_ascii_goes_out_in_its_ascii_form() -> None:
    sent = json.loads(payload(a_message(to="jane@bücher.example")))
    assert sent["personalizations"][0]["to"][0]["email"] == "jane@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, Outcome.ACCEPTED),
        (400, Outcome.DEAD),
        (401, Outcome.RETRY),
        (403, Outcome.RETRY),
        (404, Outcome.RETRY),
        (405, Outcome.RETRY),
        (406, Outcome.DEAD),
        (413, Outcome.DEAD),
        (415, Outcome.DEAD),
        (422, Outcome.DEAD),
        (429, Outcome.RETRY),
        (503, Outcome.RETRY),
        (200, Outcome.UNKNOWN),
        (302, Outcome.UNKNOWN),
        (500, Outcome.UNKNOWN),
        (502, Outcome.UNKNOWN),
        (504, Outcome.UNKNOWN),
    ],
)
def test_what_a_status_proves(status: int, outcome: Outcome) -> None:
    assert outcome_of(status) is outcome


@given(st.integers(100, 599), st.binary(max_size=80))
def test_no_answer_is_accepted_but_202_and_only_401_and_403_blame_the_key(status: int, body: bytes) -> None:
    result = read_answer(status, {}, body, NOW)
    assert (result.outcome is Outcome.ACCEPTED) == (status == 202)
    assert result.auth_failed == (status in (401, 403))


def test_a_refusal_says_which_field_and_why_but_not_who() -> None:
    body = {
        "errors": [
            {
                "field": "personalizations.0.to.0.email",
                "message": "Does not contain a valid address: jane.doe@@example.com (Jane Doe)",
                "help": "http://sendgrid.com/docs",
            }
        ]
    }
    result = read_answer(400, {}, json.dumps(body).encode(), NOW, a_message())
    assert result.detail == "400 personalizations.0.to.0.email: Does not contain a valid address: (address) ((address))"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "90"}, NOW + timedelta(seconds=90)),
        ({"Retry-After": "Mon, 02 Mar 2026 12:05:00 GMT"}, NOW + timedelta(minutes=5)),
        ({"Retry-After": "Mon, 02 Mar 2026 11:00:00 GMT"}, NOW),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, NOW + timedelta(seconds=30)),
        ({"Retry-After": "5", "X-RateLimit-Reset": "99999999999"}, NOW + timedelta(seconds=5)),
        ({"Retry-After": "99999999999999999999"}, NOW + timedelta(days=1)),
        ({"X-RateLimit-Reset": "1e300"}, None),
        ({"X-RateLimit-Reset": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_when_the_server_asked_to_be_asked_again(headers: dict[str, str], expected: datetime | None) -> None:
    assert retry_time(headers, NOW) == expected


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_breaks_the_reading_and_no_wait_is_longer_than_a_day(after: str, reset: str) -> None:
    wanted = retry_time({"Retry-After": after, "X-RateLimit-Reset": reset}, NOW)
    assert wanted is None or NOW <= wanted <= NOW + timedelta(days=1)
    assert wanted is None or wanted.tzinfo is not None


def test_a_rate_limit_is_proven_unsent_and_says_when() -> None:
    result = send_to(http_answers(answer("429 Too Many Requests", "{}", "Retry-After: 120")))
    assert result.outcome is Outcome.RETRY
    assert result.status == 429
    assert result.retry_at == NOW.astimezone(UTC) + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("X-RateLimit-Remaining: 0", f"X-RateLimit-Reset: {int(NOW.timestamp()) + 7}"), NOW + timedelta(seconds=7)),
        (("X-RateLimit-Remaining: 0",), NOW + UNSAID_WAIT),
        (("X-RateLimit-Remaining: 1", f"X-RateLimit-Reset: {int(NOW.timestamp()) + 7}"), None),
        ((), None),
    ],
)
def test_the_last_message_of_a_rate_limit_is_accepted_and_says_when_more_is_taken(
    headers: tuple[str, ...], expected: datetime | None
) -> None:
    result = send_to(http_answers(answer("202 Accepted", "", *headers)))
    assert (result.outcome, result.retry_at) == (Outcome.ACCEPTED, expected)


def test_a_refused_key_blames_the_key_and_not_the_message() -> None:
    result = send_to(http_answers(answer("401 Unauthorized", '{"errors":[{"message":"authorization required"}]}')))
    assert result == SendResult(Outcome.RETRY, status=401, detail="401 authorization required", auth_failed=True)


def test_an_answer_that_is_not_http_is_unknown() -> None:
    assert send_to(http_answers(b"220 mail.example.com ESMTP\r\n")).outcome is Outcome.UNKNOWN


def test_an_explanation_that_never_ends_does_not_change_what_the_status_said() -> None:
    cut = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\n\r\n{"
    assert send_to(http_answers(cut)).outcome is Outcome.DEAD


def test_a_redirect_is_not_followed() -> None:
    with ScriptedServer(http_answers(answer("307 Temporary Redirect", "", "Location: /elsewhere"))) as server:
        with closing(sendgrid(server.url)) as provider:
            (result,) = provider.send([a_message()], SOON)
        assert result.outcome is Outcome.UNKNOWN
        assert len(server.requests) == 1


def test_a_server_too_busy_to_take_a_connection_proves_the_message_unsent() -> None:
    def never_answers(connection: Any, server: ScriptedServer) -> None:
        read_http(connection, server)
        server.stopped.wait()

    with ScriptedServer(never_answers) as server, closing(sendgrid(server.url)) as provider:
        results = provider.send([a_message(n) for n in range(40)], timedelta(seconds=6))
    outcomes = [result.outcome for result in results]
    assert outcomes == [Outcome.UNKNOWN] * 32 + [Outcome.RETRY] * 8


def test_messages_share_connections_that_stay_open() -> None:
    with ScriptedServer(http_answers(*[TAKEN] * 6)) as server, closing(sendgrid(server.url)) as provider:
        for number in range(6):
            assert provider.send([a_message(number)])[0].outcome is Outcome.ACCEPTED
        assert server.connections == 1


def test_a_kept_connection_lost_while_sending_is_unknown_and_never_sent_again() -> None:
    def takes_one_then_resets(connection: Any, server: ScriptedServer) -> None:
        read_http(connection, server)
        connection.sendall(TAKEN)
        http_then_reset(connection, server)

    with ScriptedServer(takes_one_then_resets) as server, closing(sendgrid(server.url)) as provider:
        outcomes = [provider.send([a_message(n)], SOON)[0].outcome for n in (1, 2)]
        assert outcomes == [Outcome.ACCEPTED, Outcome.UNKNOWN]
        assert len(server.requests) == 2
        assert server.connections == 1


def test_a_connection_that_the_server_closed_while_idle_is_not_used_again() -> None:
    noticed = threading.Semaphore(0)

    def answers_and_leaves(connection: socket.socket, server: ScriptedServer) -> None:
        read_http(connection, server)
        connection.sendall(TAKEN)
        connection.shutdown(socket.SHUT_WR)
        if not connection.recv(1):  # the client has closed too
            noticed.release()

    with ScriptedServer(answers_and_leaves) as server, closing(sendgrid(server.url)) as provider:
        outcomes = []
        for number in range(10):
            outcomes.append(provider.send([a_message(number)], SOON)[0].outcome)
            assert noticed.acquire(timeout=30)
        assert outcomes == [Outcome.ACCEPTED] * 10
        assert server.connections == 10


def test_connections_are_given_up_before_the_server_does() -> None:
    assert uvicorn.Config(mailbox_app(MailStore())).timeout_keep_alive > KEEP_ALIVE


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (answer("403 Forbidden"), "permission Mail Send"),
        (answer("200 OK", '{"scopes": ["stats.read"]}'), "permission Mail Send"),
        (answer("200 OK", "<html>"), "see that ENGAGE_SENDGRID_HOST"),
        (answer("404 Not Found"), "see that ENGAGE_SENDGRID_HOST"),
    ],
)
def test_a_check_tells_a_wrong_key_from_a_wrong_host(said: bytes, hint: str) -> None:
    with (
        ScriptedServer(http_answers(said)) as server,
        closing(sendgrid(server.url)) as provider,
        pytest.raises(ServiceUnreachable, match=hint),
    ):
        provider.check(SOON)


@pytest.mark.parametrize("host", ["", "api.sendgrid.com", "ftp://api.sendgrid.com", "https://", "http://[::1"])
def test_a_host_that_is_no_url_is_refused_at_once(host: str) -> None:
    with pytest.raises(InputError, match="write it as https://"):
        sendgrid(host)


@pytest.mark.parametrize("key", ["", "SG.with space", "SG.with\nline", "SG.ключ"])
def test_a_key_that_cannot_be_one_is_refused_at_once_and_not_shown(key: str) -> None:
    with pytest.raises(InputError) as caught:
        sendgrid("https://api.sendgrid.com", key)
    assert not key or key not in str(caught.value)
