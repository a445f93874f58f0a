"""The mailbox's Email Activity API: found by marks and ids, six times a minute, late, or not at all."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from engage.web.mailbox import MailStore, mailbox_app
from tests.web.test_mailbox_api import KEY, NOW, a_request


class Asked:
    """A mailbox with three messages, of deliveries d0, d1 and d2."""

    def __init__(self) -> None:
        self.now = NOW
        self.client = TestClient(mailbox_app(MailStore(), lambda: self.now), headers=KEY)
        self.ids = [
            self.client.post("/v3/mail/send", json=body).headers["X-Message-Id"]
            for body in (a_request(custom_args={"engage_delivery": f"d{n}"}, subject=f"Mail {n}") for n in range(3))
        ]

    def query(self, query: str = "", **parameters: Any) -> Any:
        return self.client.get("/v3/messages", params={"query": query, "limit": 10, **parameters})

    def subjects(self, query: str = "", **parameters: Any) -> list[str]:
        return [row["subject"] for row in self.query(query, **parameters).json()["messages"]]

    def grant(self, **granted: Any) -> None:
        assert self.client.post("/mailbox/activity", json=granted).status_code == 200


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_a_message_is_found_by_the_delivery_that_it_is_marked_with(asked: Asked) -> None:
    assert asked.query("""(unique_args['engage_delivery']="d1")""").json() == {
        "messages": [
            {
                "from_email": "program@example.com",
                "msg_id": f"{asked.ids[1]}.recvd-mailbox-1.0",
                "subject": "Mail 1",
                "to_email": "jane@example.com",
                "status": "delivered",
                "opens_count": 0,
                "clicks_count": 0,
                "last_event_time": "2026-03-02T12:00:00Z",
            }
        ]
    }


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("", ["Mail 0", "Mail 1", "Mail 2"]),
        ("""(unique_args['engage_delivery']="d9")""", []),
        ("""(unique_args['other']="d1")""", []),
        ("""to_email="jane@example.com" AND subject='Mail 2'""", ["Mail 2"]),
        ("""subject LIKE 'Mail%'""", ["Mail 0", "Mail 1", "Mail 2"]),
        ("""subject="Mail%" """, []),
        ("""subject="this AND that" """, []),
    ],
)
def test_what_a_query_finds(asked: Asked, query: str, subjects: list[str]) -> None:
    assert asked.subjects(query) == subjects


def test_a_message_is_found_by_the_id_that_was_answered(asked: Asked) -> None:
    assert asked.subjects(f"msg_id LIKE '{asked.ids[2]}%'") == ["Mail 2"]
    assert asked.subjects(f'msg_id="{asked.ids[2]}.recvd-mailbox-1.0"') == ["Mail 2"]


def test_a_page_has_as_many_as_are_asked_for(asked: Asked) -> None:
    assert asked.subjects(limit=2) == ["Mail 0", "Mail 1"]
    assert [asked.query(limit=limit).status_code for limit in ("0", "1001", "x")] == [400] * 3


def test_what_is_no_query_is_refused(asked: Asked) -> None:
    for query in ("engage_delivery=d1", "status", """delete="x" """):
        assert asked.query(query).status_code == 400


def test_the_seventh_request_of_a_minute_is_one_too_many(asked: Asked) -> None:
    answers = [asked.query() for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["5", "4", "3", "2", "1", "0", "0"]
    reset = int(answers[-1].headers["X-RateLimit-Reset"])
    asked.now += timedelta(seconds=reset - NOW.timestamp())
    assert asked.query().status_code == 200


def test_the_limit_can_be_taken_away(asked: Asked) -> None:
    asked.grant(per_minute=None)
    assert {asked.query().status_code for _ in range(20)} == {200}


def test_what_came_lately_is_not_there_yet(asked: Asked) -> None:
    asked.grant(lag=30)
    assert asked.subjects() == []
    asked.now += timedelta(seconds=30)
    assert len(asked.subjects()) == 3


def test_an_account_without_it_is_told_as_sendgrid_does(asked: Asked) -> None:
    assert "email_activity.read" in asked.client.get("/v3/scopes").json()["scopes"]
    asked.grant(available=False)
    answer = asked.query()
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "authorization required")
    assert "email_activity.read" not in asked.client.get("/v3/scopes").json()["scopes"]


def test_it_goes_wrong_when_told_to(asked: Asked) -> None:
    asked.client.post("/mailbox/faults", json={"answer": 503, "path": "/v3/messages"})
    assert [asked.query().status_code for _ in range(2)] == [503, 200]


def test_nobody_without_a_key_is_told_anything(asked: Asked) -> None:
    assert asked.client.get("/v3/messages", headers={"Authorization": ""}).status_code == 401
