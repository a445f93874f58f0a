"""Alarms reach operators: in the log always, by the second channel once, again and again while it is away."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from engage.pipeline.alarms import send_alarms
from engage.providers.alarm_channel import AlarmChannel
from engage.store.alarms import AT_ONCE, STALE, Alarm, claim_alarms, last_alarms, raise_alarm
from engage.store.database import Database
from tests.providers.servers import HttpServer, closed_port
from tests.providers.test_alarm_channel import Receiver

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def channel(receiver: Receiver) -> Iterator[AlarmChannel]:
    with HttpServer(receiver.app) as server, closing(AlarmChannel(server.url)) as channel:
        yield channel


@pytest.fixture
def nobody() -> Iterator[AlarmChannel]:
    with closing(AlarmChannel(f"http://127.0.0.1:{closed_port()}")) as channel:
        yield channel


def raises(database: Database, *said: str, now: datetime = NOW) -> None:
    with database.write() as db:
        for one in said:
            raise_alarm(db, "sending_paused", one, now)


def alarms(database: Database) -> list[Alarm]:
    with database.read() as db:
        return last_alarms(db, 100)[::-1]


def sends(database: Database, channel: AlarmChannel | None, now: datetime = NOW) -> None:
    send_alarms(database, channel, lambda: now)


def test_an_alarm_is_sent_once(database: Database, receiver: Receiver, channel: AlarmChannel) -> None:
    raises(database, "one", "two")
    for hours in (0, 1, 100):
        sends(database, channel, NOW + hours * 60 * MINUTE)
    assert [body["text"] for body in receiver.taken] == ["one", "two"]
    assert [(alarm.sent_at, alarm.due_at) for alarm in alarms(database)] == [(NOW, None)] * 2


def test_an_alarm_whose_cause_was_rolled_back_was_never_raised(database: Database) -> None:
    with database.write() as db:
        raise_alarm(db, "sending_paused", "one", NOW)
        db.rollback()
    assert alarms(database) == []


def test_of_two_schedulers_one_gets_an_alarm_to_send(database: Database) -> None:
    raises(database, "one", "two")
    with database.write() as db:
        first = claim_alarms(db, NOW)
    with database.write() as db:
        second = claim_alarms(db, NOW)
    assert ([alarm.said for alarm in first], second) == (["one", "two"], [])


def test_what_its_sender_died_with_comes_due_again(
    database: Database, receiver: Receiver, channel: AlarmChannel
) -> None:
    raises(database, "one")
    with database.write() as db:
        claim_alarms(db, NOW)
    sends(database, channel, NOW + MINUTE)
    assert len(receiver.taken) == 1


def test_a_channel_that_is_away_is_tried_with_growing_pauses_up_to_a_day(
    database: Database, nobody: AlarmChannel
) -> None:
    raises(database, "one")
    now, pauses = NOW, []
    while (due := alarms(database)[0].due_at) is not None:
        pauses.append(due - now)
        now = due
        sends(database, nobody, now)
    assert pauses[1:5] == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert max(pauses) == timedelta(days=1)
    assert STALE <= now - NOW < STALE + timedelta(days=1)
    assert alarms(database)[0].sent_at is None


def test_a_channel_that_is_away_is_asked_once_at_a_time(
    database: Database, receiver: Receiver, channel: AlarmChannel
) -> None:
    raises(database, *(str(number) for number in range(AT_ONCE)))
    receiver.status = 500
    sends(database, channel)
    assert len(receiver.taken) == 1
    receiver.status = 200
    sends(database, channel, NOW + MINUTE)
    assert len(receiver.taken) == 1 + AT_ONCE


def test_every_alarm_is_logged_once_whether_it_can_be_sent_or_not(database: Database, nobody: AlarmChannel) -> None:
    raises(database, "one")
    with capture_logs() as logged:
        for minutes in (0, 1, 3):
            sends(database, nobody, NOW + minutes * MINUTE)
    assert [line["event"] for line in logged] == ["alarm", *["alarm_not_sent"] * 3]
    raises(database, "two")
    with capture_logs() as logged:
        sends(database, None)
        sends(database, None, NOW + MINUTE)
    assert [(line["event"], line["said"], line["log_level"]) for line in logged] == [("alarm", "two", "error")]
    assert alarms(database)[1].due_at is None
