"""SendGrid's records as the client reads them: found by our mark, six times a minute, and whether there are any."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from engage.providers.sendgrid_activity import Found, NotNow, SendGridActivity
from engage.web.mailbox import MailStore, mailbox_app
from tests.providers.contract import NOW
from tests.providers.servers import HttpServer, Script, ScriptedServer, closed_port, http_answers, http_then_reset
from tests.providers.test_sendgrid import answer
from tests.web.test_mailbox_activity import Asked

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Records:
    """The client, with a clock to turn, against the mailbox with deliveries d0, d1 and d2."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.activity = SendGridActivity(url, "SG.key", lambda: self.now)

    def find(self, delivery: str) -> list[Found]:
        return self.activity.find(delivery)

    def not_now(self, delivery: str = "d1") -> NotNow:
        with pytest.raises(NotNow) as caught:
            self.activity.find(delivery)
        return caught.value


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def records(asked: Asked) -> Iterator[Records]:
    with HttpServer(asked.client.app) as server:  # type: ignore[arg-type]
        yield Records(server.url)


def test_a_message_is_found_by_its_delivery_with_the_id_that_was_answered(records: Records, asked: Asked) -> None:
    assert records.find("d1") == [Found(asked.ids[1], "delivered")]
    assert records.find("d9") == []


def test_it_asks_six_times_a_minute_by_itself(records: Records, asked: Asked) -> None:
    asked.grant(per_minute=None)
    for second in range(6):
        records.now = NOW + timedelta(seconds=second)
        records.find("d1")
    assert records.not_now().until == NOW + MINUTE
    records.now = NOW + MINUTE
    assert records.find("d1")
    assert records.not_now().until == NOW + timedelta(seconds=61)


def test_it_waits_when_it_is_asked_to(records: Records, asked: Asked) -> None:
    for _ in range(6):  # somebody else has the same account
        asked.query()
    later = records.not_now()
    assert "429" in later.message
    assert NOW + timedelta(seconds=59) <= later.until <= NOW + timedelta(seconds=62)
    asked.now += 2 * MINUTE
    assert records.not_now().until == later.until, "not asked before"
    records.now = asked.now
    assert records.find("d1")


def test_an_account_that_has_not_bought_it_is_asked_once_an_hour(records: Records, asked: Asked) -> None:
    asked.grant(available=False)
    assert "may not read" in records.not_now().message
    asked.grant(available=True)
    records.now += HOUR - timedelta(seconds=1)
    assert records.not_now().until == NOW + HOUR
    records.now += timedelta(seconds=1)
    assert records.find("d1")


def told(script: Script) -> NotNow:
    with ScriptedServer(script) as server:
        return Records(server.url).not_now()


@pytest.mark.parametrize(
    ("said", "until"),
    [
        (answer("401 Unauthorized", "{}"), NOW + HOUR),
        (answer("403 Forbidden", '{"errors":[{"message":"access forbidden"}]}'), NOW + HOUR),
        (answer("404 Not Found", ""), NOW + HOUR),
        (answer("400 Bad Request", '{"errors":[{"message":"authorization required"}]}'), NOW + HOUR),
        (answer("400 Bad Request", '{"errors":[{"message":"invalid query"}]}'), NOW + MINUTE),
        (answer("429 Too Many Requests", "{}", "Retry-After: 90"), NOW + timedelta(seconds=90)),
        (answer("429 Too Many Requests", "{}"), NOW + MINUTE),
        (answer("500 Internal Server Error"), NOW + MINUTE),
        (answer("200 OK", "<html>"), NOW + HOUR),
        (answer("200 OK", '{"messages": [3]}'), NOW + HOUR),
        (answer("200 OK", "[]"), NOW + HOUR),
        (b"220 mail.example.com ESMTP\r\n", NOW + MINUTE),
    ],
)
def test_what_is_no_answer_puts_the_next_question_off(said: bytes, until: datetime) -> None:
    assert told(http_answers(said)).until == until


def test_nobody_there_puts_the_next_question_off() -> None:
    assert told(http_then_reset).until == NOW + MINUTE
    assert Records(f"http://127.0.0.1:{closed_port()}").not_now().until == NOW + MINUTE


def test_an_account_without_any_messages_has_none() -> None:
    with ScriptedServer(http_answers(answer("200 OK", json.dumps({"messages": None})))) as server:
        assert Records(server.url).find("d1") == []


def test_the_mailbox_answers_its_client_without_a_limit_when_told_so() -> None:
    with HttpServer(mailbox_app(MailStore())) as server:
        assert Records(server.url).find("d1") == []
