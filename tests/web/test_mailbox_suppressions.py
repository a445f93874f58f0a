"""The mailbox keeps SendGrid's suppression lists: SendGrid's own client fills and reads them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from python_http_client.exceptions import BadRequestsError, NotFoundError
from sendgrid import SendGridAPIClient
from starlette.testclient import TestClient

from engage.web.mailbox import MailStore, mailbox_app
from tests.providers.servers import HttpServer

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


@pytest.fixture
def server() -> Iterator[HttpServer]:
    store = MailStore()
    with HttpServer(mailbox_app(store, lambda: NOW)) as running:
        yield running
    store.close()


@pytest.fixture
def client(server: HttpServer) -> Any:
    return SendGridAPIClient("SG.key", host=server.url).client


def body(answer: Any) -> Any:
    return json.loads(answer.body)


def test_groups_are_made_left_and_listed(client: Any) -> None:
    made = client.asm.groups.post(request_body={"name": "News", "description": "What is new"})
    assert made.status_code == 201
    group = body(made)
    assert group == {"id": group["id"], "name": "News", "description": "What is new", "is_default": False}
    left = client.asm.groups._(group["id"]).suppressions.post(request_body={"recipient_emails": ["Ann@example.com"]})
    assert (left.status_code, body(left)) == (201, {"recipient_emails": ["Ann@example.com"]})
    assert body(client.asm.groups.get()) == [{**group, "last_email_sent_at": None, "unsubscribes": 1}]
    assert body(client.asm.groups._(group["id"]).suppressions.get()) == ["Ann@example.com"]
    assert body(client.asm.suppressions.get()) == [
        {"email": "Ann@example.com", "group_id": group["id"], "group_name": "News", "created_at": SECONDS}
    ]
    with pytest.raises(NotFoundError):
        client.asm.groups._(999).suppressions.get()


def test_who_leaves_everything_or_a_group_that_is_not_there_gets_nothing(client: Any) -> None:
    client.asm.suppressions._("global").post(request_body={"recipient_emails": ["ann@example.com"]})
    client.asm.groups._(999).suppressions.post(request_body={"recipient_emails": ["bob@example.com"]})
    assert body(client.suppression.unsubscribes.get()) == [
        {"created": SECONDS, "email": "ann@example.com"},
        {"created": SECONDS, "email": "bob@example.com"},
    ]


def test_what_sendgrid_finds_out_by_itself_can_be_told_to_the_mailbox() -> None:
    told = TestClient(mailbox_app(MailStore(), lambda: NOW))
    entries = [
        {"list": "bounces", "email": "a@example.com", "created": 5, "reason": "550 no such user", "status": "5.1.1"},
        {"list": "spam_reports", "email": "b@example.com", "ip": "192.0.2.1"},
        {"list": "invalid_emails", "email": "c@", "reason": "Mail domain mentioned in email address is unknown"},
    ]
    assert told.post("/mailbox/suppressions", json=entries).status_code == 204
    key = {"Authorization": "Bearer x"}
    assert told.get("/v3/suppression/bounces", headers=key).json() == [
        {"created": 5, "email": "a@example.com", "reason": "550 no such user", "status": "5.1.1"}
    ]
    assert told.get("/v3/suppression/spam_reports", headers=key).json() == [
        {"created": SECONDS, "email": "b@example.com", "ip": "192.0.2.1"}
    ]
    (invalid,) = told.get("/v3/suppression/invalid_emails", headers=key).json()
    assert (invalid["email"], invalid["created"]) == ("c@", SECONDS)
    for wrong in ({}, [{"list": "blocks", "email": "a@example.com"}], [{"list": "bounces"}], [1]):
        assert told.post("/mailbox/suppressions", json=wrong).status_code == 400
    assert told.post("/mailbox/suppressions", content=b"x", headers={"content-type": "text/plain"}).status_code == 415


def test_lists_come_in_pages_and_by_time(client: Any) -> None:
    for second in range(3):
        client.asm.suppressions._("global").post(request_body={"recipient_emails": [f"{second}@example.com"]})
    pages = [
        body(client.suppression.unsubscribes.get(query_params={"limit": 2, "offset": first})) for first in (0, 2, 4)
    ]
    assert [[one["email"][0] for one in page] for page in pages] == [["0", "1"], ["2"], []]
    assert body(client.suppression.unsubscribes.get(query_params={"end_time": SECONDS - 1})) == []
    assert len(body(client.suppression.unsubscribes.get(query_params={"start_time": SECONDS}))) == 3
    with pytest.raises(BadRequestsError):
        client.suppression.unsubscribes.get(query_params={"limit": "all"})


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/v3/asm/groups", {"name": "", "description": "x"}),
        ("/v3/asm/groups", {"name": "x" * 31, "description": "x"}),
        ("/v3/asm/groups", {"name": "x"}),
        ("/v3/asm/groups", []),
        ("/v3/asm/suppressions/global", {"recipient_emails": "ann@example.com"}),
        ("/v3/asm/suppressions/global", {"recipient_emails": ["nobody"]}),
    ],
)
def test_what_sendgrid_would_refuse_is_refused(path: str, given: Any) -> None:
    told = TestClient(mailbox_app(MailStore(), lambda: NOW), headers={"Authorization": "Bearer x"})
    answer = told.post(path, json=given)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


def test_nothing_is_shown_without_a_key() -> None:
    told = TestClient(mailbox_app(MailStore()))
    for path in ("suppression/bounces", "asm/groups", "asm/groups/1/suppressions", "asm/suppressions"):
        assert told.get(f"/v3/{path}").status_code == 401
    assert told.post("/v3/asm/groups", json={}).status_code == 401


def test_the_lists_are_there_after_a_restart_even_if_the_last_line_was_cut(tmp_path: Path) -> None:
    store = MailStore(tmp_path)
    told = TestClient(mailbox_app(store, lambda: NOW), headers={"Authorization": "Bearer x"})
    told.post("/v3/asm/groups", json={"name": "News", "description": "x"})
    told.post("/v3/asm/groups/101/suppressions", json={"recipient_emails": ["ann@example.com"]})
    store.close()
    with (tmp_path / "suppressions.log").open("ab") as file:
        file.write(b'{"group": 101, "entr')
    store = MailStore(tmp_path)
    again = TestClient(mailbox_app(store, lambda: NOW), headers={"Authorization": "Bearer x"})
    again.post("/v3/asm/groups/101/suppressions", json={"recipient_emails": ["bob@example.com"]})
    store.close()
    store = MailStore(tmp_path)
    third = TestClient(mailbox_app(store, lambda: NOW), headers={"Authorization": "Bearer x"})
    assert third.get("/v3/asm/groups/101/suppressions").json() == ["ann@example.com", "bob@example.com"]
    store.close()
