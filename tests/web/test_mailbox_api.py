"""The mailbox's API answers as SendGrid's does, held by SendGrid's own client library where it can be."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail
from starlette.testclient import TestClient

from engage.web.mailbox import MailStore, build_router, mailbox_app
from tests.providers.servers import HttpServer

NOW = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
KEY = {"Authorization": "Bearer SG.key"}


@pytest.fixture
def store() -> Iterator[MailStore]:
    store = MailStore()
    yield store
    store.close()


@pytest.fixture
def client(store: MailStore) -> TestClient:
    return TestClient(mailbox_app(store, lambda: NOW), headers=KEY, raise_server_exceptions=True)


def a_request(**changes: Any) -> dict[str, Any]:
    """A request that SendGrid takes; `changes` replace its fields, None removes one."""
    body: dict[str, Any] = {
        "from": {"email": "program@example.com", "name": "Acme Partners"},
        "subject": "Hooli is now an opportunity",
        "personalizations": [{"to": [{"email": "jane@example.com", "name": "Jane Doe"}]}],
        "content": [{"type": "text/plain", "value": "Hello Jane"}, {"type": "text/html", "value": "<p>Hello Jane</p>"}],
        "reply_to": {"email": "help@example.com"},
        "headers": {"List-Unsubscribe": "<https://example.com/u>"},
        "custom_args": {"delivery": "d-1"},
        "categories": ["opportunity"],
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not None}


def test_a_good_request_is_accepted_with_an_empty_body_and_an_id(client: TestClient) -> None:
    answers = [client.post("/v3/mail/send", json=a_request()) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2
    assert len({answer.headers["X-Message-Id"] for answer in answers}) == 2


def test_what_came_is_listed_with_what_a_script_asks_for(client: TestClient) -> None:
    message_id = client.post("/v3/mail/send", json=a_request()).headers["X-Message-Id"]
    assert client.get("/mailbox/messages.json").json() == [
        {
            "id": message_id,
            "received_at": "2026-03-02T12:00:00.123456Z",
            "to": "jane@example.com",
            "subject": "Hooli is now an opportunity",
            "campaign": "opportunity",
            "headers": {
                "From": "Acme Partners <program@example.com>",
                "To": "Jane Doe <jane@example.com>",
                "Subject": "Hooli is now an opportunity",
                "Reply-To": "help@example.com",
                "List-Unsubscribe": "<https://example.com/u>",
            },
            "custom_args": {"delivery": "d-1"},
        }
    ]


def test_the_list_begins_with_the_oldest_and_can_be_filtered(client: TestClient) -> None:
    assert client.get("/mailbox/messages.json").json() == []
    for number in range(5):
        person = {"email": f"p{number}@example.com"}
        campaign = "odd" if number % 2 else "even"
        client.post(
            "/v3/mail/send", json=a_request(personalizations=[{"to": [person]}], categories=[campaign]), headers=KEY
        )
    everyone = [message["to"] for message in client.get("/mailbox/messages.json").json()]
    assert everyone == [f"p{number}@example.com" for number in range(5)]
    odd = client.get("/mailbox/messages.json?campaign=odd").json()
    assert [message["to"] for message in odd] == ["p1@example.com", "p3@example.com"]
    assert len(client.get("/mailbox/messages.json?to=P3@").json()) == 1


def test_the_campaign_is_the_category_or_else_the_custom_arg(client: TestClient) -> None:
    client.post("/v3/mail/send", json=a_request(categories=None, custom_args={"campaign": "tier"}))
    client.post("/v3/mail/send", json=a_request(categories=None, custom_args=None))
    assert [message["campaign"] for message in client.get("/mailbox/messages.json").json()] == ["tier", ""]


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic abc"}])
@pytest.mark.parametrize(("method", "path"), [("POST", "/v3/mail/send"), ("GET", "/v3/scopes")])
def test_without_a_key_nothing_is_taken(store: MailStore, given: dict[str, str], method: str, path: str) -> None:
    client = TestClient(mailbox_app(store), headers=given)
    answer = client.request(method, path, json=a_request())
    assert answer.status_code == 401
    (error,) = answer.json()["errors"]
    assert set(error) == {"message", "field", "help"}
    assert error["field"] is None
    assert len(store) == 0


def test_a_key_may_send(client: TestClient) -> None:
    assert "mail.send" in client.get("/v3/scopes").json()["scopes"]


ONE = {"email": "jane@example.com"}
TEXT = {"type": "text/plain", "value": "x"}
HTML = {"type": "text/html", "value": "<p>x</p>"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"personalizations": None}, "personalizations"),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": [ONE]}] * 1001}, "personalizations"),
        ({"personalizations": [{}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [ONE]}, {"to": []}]}, "personalizations.1.to"),
        ({"personalizations": [{"to": [{"email": "jane"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "ja ne@example.com"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "jane@example"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": "jane..doe@example.com"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [{"email": f"{'x' * 65}@example.com"}]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": ["jane@example.com"]}]}, "personalizations.0.to.0.email"),
        ({"personalizations": [{"to": [ONE], "cc": [{"email": "?"}]}]}, "personalizations.0.cc.0.email"),
        ({"personalizations": [{"to": [ONE], "bcc": [ONE]}]}, "personalizations.0"),
        ({"personalizations": [{"to": [ONE], "cc": 5}]}, "personalizations.0.cc"),
        ({"personalizations": [{"to": [ONE], "subject": 5}]}, "subject"),
        ({"from": None}, "from.email"),
        ({"from": {"name": "Acme"}}, "from.email"),
        ({"from": {"email": "nobody"}}, "from.email"),
        ({"from": {"email": "a@example.com", "name": 5}}, "from.name"),
        ({"reply_to": {"email": "nobody"}}, "reply_to.email"),
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"content": None}, "content"),
        ({"content": []}, "content"),
        ({"content": [HTML, TEXT]}, "content"),
        ({"content": [TEXT, TEXT]}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        ({"content": [{"value": "x"}]}, "content.0.type"),
        ({"custom_args": {"a": "x" * 10_001}}, "custom_args"),
        ({"custom_args": {"a": 5}}, "custom_args"),
        ({"categories": [str(n) for n in range(11)]}, "categories"),
        ({"categories": ["a", "a"]}, "categories"),
        ({"categories": ["x" * 256]}, "categories.0"),
        ({"categories": "a"}, "categories"),
        ({"headers": {"Subject": "x"}}, "headers.Subject"),
        ({"headers": {"X-A": "one\r\nBcc: two"}}, "headers.X-A"),
        ({"headers": {"X-A": 5}}, "headers"),
    ],
)
def test_a_request_that_sendgrid_refuses_is_refused_with_the_field(
    client: TestClient, store: MailStore, changes: dict[str, Any], field: str
) -> None:
    answer = client.post("/v3/mail/send", json=a_request(**changes))
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert all(error["message"] and "help" in error for error in answer.json()["errors"])
    assert len(store) == 0


def test_a_thousand_recipients_are_the_most(client: TestClient) -> None:
    people = [{"email": f"p{n}@example.com"} for n in range(1000)]
    assert client.post("/v3/mail/send", json=a_request(personalizations=[{"to": people}])).status_code == 202
    people.append({"email": "one-more@example.com"})
    answer = client.post("/v3/mail/send", json=a_request(personalizations=[{"to": people}]))
    assert [error["field"] for error in answer.json()["errors"]] == ["personalizations"]


def test_every_fault_is_named_at_once(client: TestClient) -> None:
    answer = client.post("/v3/mail/send", json={})
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"personalizations", "from.email", "subject", "content"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 100_000, b'{"subject": "\\ud800"}', b"\xff"])
def test_what_is_no_json_object_is_a_bad_request(client: TestClient, body: bytes) -> None:
    answer = client.post("/v3/mail/send", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "Bad Request"


def test_another_content_type_is_refused(client: TestClient) -> None:
    assert client.post("/v3/mail/send", data={"to": "jane@example.com"}).status_code == 415


def test_more_than_30_megabytes_are_refused_whether_announced_or_not(client: TestClient, store: MailStore) -> None:
    json_type = {"Content-Type": "application/json"}
    announced = client.post("/v3/mail/send", content=b" " * 30_000_001, headers=json_type)
    streamed = client.post("/v3/mail/send", content=(b" " * 10_000_000 for _ in range(4)), headers=json_type)
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert announced.json()["errors"][0]["message"]
    assert len(store) == 0


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "jane@example.com", "text/plain"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["to", "cc", "email", "name", "type", "value", "subject", "headers", "custom_args"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(list(a_request())), anything, max_size=4))
def test_no_json_breaks_the_mailbox_and_what_it_takes_it_can_show(client: TestClient, changes: dict[str, Any]) -> None:
    answer = client.post("/v3/mail/send", json={**a_request(), **changes})
    assert answer.status_code in (202, 400)
    if answer.status_code == 202:
        message_id = answer.headers["X-Message-Id"]
        for path in (f"/mailbox/{message_id}", f"/mailbox/{message_id}/html", f"/mailbox/{message_id}/raw", "/mailbox"):
            assert client.get(path).status_code == 200


@contextmanager
def files_of_5_kilobytes_at_most() -> Iterator[None]:
    # Around the requests only: the limit is of the whole process, and pytest itself may be writing to a file.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_so_that_the_message_is_tried_again_and_harms_no_other(
    client: TestClient, store: MailStore
) -> None:
    sizes = [10, 10_000, 20]
    with files_of_5_kilobytes_at_most():
        answers = [client.post("/v3/mail/send", json=a_request(subject="x" * size)) for size in sizes]
    assert [answer.status_code for answer in answers] == [202, 503, 202]
    assert "cannot keep the message" in answers[1].json()["errors"][0]["message"]
    assert [len(summary.subject) for chunk in store.every() for summary in chunk] == [10, 20]


def test_what_is_answered_202_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MailStore(tmp_path)
    synced: list[int] = []
    monkeypatch.setattr("os.fdatasync", lambda _: synced.append(len(store)))
    assert TestClient(mailbox_app(store), headers=KEY).post("/v3/mail/send", json=a_request()).status_code == 202
    assert synced == [1]


def test_a_disk_that_cannot_tell_what_it_keeps_is_answered_in_a_way_that_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr("os.fdatasync", fails)
    answer = TestClient(mailbox_app(MailStore(tmp_path)), headers=KEY).post("/v3/mail/send", json=a_request())
    assert answer.status_code == 500


def test_sendgrids_own_library_sends_to_it(store: MailStore) -> None:
    with HttpServer(mailbox_app(store)) as server:
        mail = Mail("program@example.com", "jane@example.com", "Hello", "text", "<p>html</p>")
        answer = SendGridAPIClient("SG.key", host=server.url).send(mail)
    assert answer.status_code == 202
    assert answer.headers["X-Message-Id"]
    assert json.loads(store.read(answer.headers["X-Message-Id"])[1])["subject"] == "Hello"


def test_an_application_can_have_it_among_its_own_pages(store: MailStore) -> None:
    app = FastAPI()
    app.include_router(build_router(store))
    client = TestClient(app, headers=KEY)
    message_id = client.post("/v3/mail/send", json=a_request()).headers["X-Message-Id"]
    assert client.get(f"/mailbox/{message_id}").status_code == 200
    assert "/v3/mail/send" not in app.openapi()["paths"]
