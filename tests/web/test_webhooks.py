"""The door for SendGrid's webhooks, as an attacker would try it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from engage.bootstrap import Services, mailbox_webhook_key
from engage.providers.webhook_signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    load_private_key,
    new_private_key,
    shown,
    sign,
)
from engage.queueing import Lane, NoQueue
from engage.settings import Settings, SettingsError
from engage.store.feedback import waiting_webhooks
from engage.store.tables import feedback, webhooks
from engage.web.app import build_app
from engage.web.webhooks import LARGEST_BODY
from tests.providers.test_webhook_example import EXAMPLE, KEYS
from tests.providers.test_webhook_example import NOW as SIGNED_AT
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped
from tests.support.webhooks import PATH, Reporting

BODY = b'[{"event": "delivered", "timestamp": 1772463600, "email": "ann@example.com", "sg_event_id": "a"}]'


@pytest.fixture
def kept_in(database_url: str) -> str:
    return database_url


@pytest.fixture
def here(sqlite_url: str, tmp_path: Path) -> Iterator[Reporting]:
    running = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield Reporting(running)
    running.services.close()


def stored(engage: Engage) -> list[str]:
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(webhooks.c.body)).scalars())


def test_a_signed_request_is_stored_before_it_is_answered_and_absorbed_afterwards(engage: Engage) -> None:
    assert Reporting(engage).post(BODY).status_code == 204
    assert stored(engage) == [BODY.decode()]
    assert list(engage.queue.waiting) == [("absorb", [1], Lane.FEEDBACK)]
    assert engage.count(feedback) == 0
    engage.work()
    assert engage.count(feedback) == 1


def test_a_request_whose_hint_was_lost_is_found_by_the_sweeper(engage: Engage) -> None:
    Reporting(engage).post(BODY)
    engage.queue.waiting.clear()
    engage.services.sweep()
    assert not engage.queue.waiting, "its hint may still be on its way"
    engage.now += timedelta(seconds=11)
    engage.services.sweep()
    engage.work()
    assert engage.count(feedback) == 1
    with engage.services.database.read() as db:
        assert waiting_webhooks(db, engage.now + timedelta(days=1), 10) == []


@pytest.mark.guard("signature check")
def test_an_altered_byte_another_key_or_no_signature_is_not_believed(here: Reporting) -> None:
    good = here.headers(BODY)
    stranger = load_private_key(new_private_key())
    attacks = {
        "an altered byte": (BODY.replace(b"ann", b"bob"), good),
        "one byte more": (BODY + b"\n", good),
        "another key": (BODY, here.headers(BODY, key=stranger)),
        "another time": (BODY, good | {TIMESTAMP_HEADER: str(int(good[TIMESTAMP_HEADER]) - 1)}),
        "no headers": (BODY, {}),
        "no signature": (BODY, {TIMESTAMP_HEADER: good[TIMESTAMP_HEADER]}),
        "no time": (BODY, {SIGNATURE_HEADER: good[SIGNATURE_HEADER]}),
        "no base64": (BODY, good | {SIGNATURE_HEADER: "%%%"}),
        "no DER": (BODY, good | {SIGNATURE_HEADER: "AAAA"}),
        "a long signature": (BODY, good | {SIGNATURE_HEADER: "A" * 10_000}),
        "an endless number": (BODY, good | {TIMESTAMP_HEADER: "1" + "0" * 400}),
        "a negative number": (BODY, good | {TIMESTAMP_HEADER: "-5"}),
        "digits of another script": (BODY, good | {TIMESTAMP_HEADER: "²"}),
    }
    for name, (body, headers) in attacks.items():
        raw = {key: value.encode("latin-1") for key, value in headers.items()}
        assert here.client.post(PATH, content=body, headers=raw).status_code == 403, name
    assert stored(here.engage) == []


@pytest.mark.guard("age check")
def test_an_old_request_sent_again_is_not_believed_and_neither_is_one_of_tomorrow(here: Reporting) -> None:
    headers = here.headers(BODY)
    for days in (2, -2):
        here.engage.now += timedelta(days=days)
        assert here.client.post(PATH, content=BODY, headers=headers).status_code == 403
        here.engage.now -= timedelta(days=days)
    here.engage.now += timedelta(hours=24)  # SendGrid itself goes on trying for a day
    assert here.client.post(PATH, content=BODY, headers=headers).status_code == 204


def test_a_request_sent_again_in_time_changes_nothing(here: Reporting) -> None:
    headers = here.headers(BODY)
    for _ in range(3):
        assert here.client.post(PATH, content=BODY, headers=headers).status_code == 204
        here.engage.work()
    assert here.engage.count(feedback) == 1


def test_a_huge_body_is_cut_off(here: Reporting) -> None:
    huge = b"[" + b" " * LARGEST_BODY + b"]"
    assert here.post(huge).status_code == 413
    chunked = here.client.post(PATH, content=iter([huge[:100_000]] * 60), headers=here.headers(huge))
    assert chunked.status_code == 413
    assert here.post(b"[" + b" " * (LARGEST_BODY - 2) + b"]").status_code == 204


def test_only_posting_is_offered(here: Reporting) -> None:
    assert here.client.get(PATH).status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'"text"',
        b"[",
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 100_000,
        b"[1, null, true, [], {}]",
        b"\xff\xfe[]",
        b'[{"event": "\x00"}]',
        b"[1e999]",
        b"[" + b"9" * 5000 + b"]",
    ],
)
def test_what_is_signed_and_makes_no_sense_is_kept_with_the_reason(engage: Engage, body: bytes) -> None:
    here = Reporting(engage)
    assert here.post(body).status_code == 204
    engage.work()
    with engage.services.database.read() as db:
        row = db.execute(sa.select(webhooks.c.absorbed_at, webhooks.c.problem, webhooks.c.body)).one()
    assert row.absorbed_at is not None
    assert row.problem
    assert engage.count(feedback) == 0
    here.post(BODY)
    engage.work()
    assert engage.count(feedback) == 1


def test_without_a_key_nothing_is_believed_and_the_log_says_what_to_set(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings.load(
        database_url=sqlite_url, data_dir=tmp_path, provider="smtp", smtp_url="smtp://localhost", send_to="nobody"
    )
    services = Services(settings, NoQueue())
    key = load_private_key(new_private_key())
    now = str(int(time.time()))
    with capture_logs() as logs:
        client = TestClient(build_app(services), base_url="http://localhost")
        headers = {TIMESTAMP_HEADER: now, SIGNATURE_HEADER: sign(key, now, BODY)}
        answer = client.post(PATH, content=BODY, headers=headers)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert all("ENGAGE_SENDGRID_WEBHOOK_KEY is not set" in line["why"] for line in logs)
    services.close()


def test_a_key_that_is_set_is_believed_in_the_place_of_the_mailboxs(sqlite_url: str, tmp_path: Path) -> None:
    own = load_private_key(new_private_key())
    mailboxs = load_private_key(mailbox_webhook_key(Settings.load(data_dir=tmp_path)))
    settings = Settings.load(database_url=sqlite_url, data_dir=tmp_path, sendgrid_webhook_key=shown(own))
    services = Services(settings, NoQueue())
    client = TestClient(build_app(services), base_url="http://localhost")
    now = str(int(time.time()))
    answers = [
        client.post(PATH, content=BODY, headers={TIMESTAMP_HEADER: now, SIGNATURE_HEADER: sign(key, now, BODY)})
        for key in (own, mailboxs)
    ]
    assert [answer.status_code for answer in answers] == [204, 403]
    services.close()


def test_bodies_that_arrive_slowly_hold_so_much_together_and_no_more(
    here: Reporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engage.web.webhooks.MOST_IN_MEMORY", 3 * len(BODY) - 3)
    asyncio.run(_crowd(here, BODY[:-1], 2, 503))
    assert len(stored(here.engage)) == 2, "those that were there first"


def test_requests_that_bring_nothing_keep_nobody_out(here: Reporting) -> None:
    asyncio.run(_crowd(here, b"", 100, 204))
    assert len(stored(here.engage)) == 101


async def _crowd(here: Reporting, at_once: bytes, many: int, next_one: int) -> None:
    """So many requests bring `at_once` and hold on; the next one, with all it has, is answered `next_one`."""
    arrive, inside = asyncio.Event(), asyncio.Semaphore(0)

    async def slowly() -> AsyncIterator[bytes]:
        yield at_once
        inside.release()
        await arrive.wait()
        yield BODY[len(at_once) :]

    transport = httpx.ASGITransport(build_app(here.engage.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        send = partial(client.post, PATH, headers=here.headers(BODY))
        waiting = [asyncio.create_task(send(content=slowly())) for _ in range(many)]
        for _ in waiting:
            await inside.acquire()
        assert (await send(content=BODY)).status_code == next_one
        arrive.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {204}


def test_a_stranger_without_the_headers_of_now_is_refused_before_a_byte_is_read(here: Reporting) -> None:
    for headers in ({}, {SIGNATURE_HEADER: "x"}, {SIGNATURE_HEADER: "x", TIMESTAMP_HEADER: "1000000000"}):
        read = list[int]()

        async def body(read: list[int] = read) -> AsyncIterator[bytes]:
            read.append(1)
            yield BODY

        async def ask(headers: dict[str, str] = headers) -> int:
            transport = httpx.ASGITransport(build_app(here.engage.services))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return (await client.post(PATH, headers=headers, content=body())).status_code

        assert (asyncio.run(ask()), read) == (403, [])


def test_a_key_that_is_none_is_told_by_its_name(sqlite_url: str, tmp_path: Path) -> None:
    services = Services(
        Settings.load(database_url=sqlite_url, data_dir=tmp_path, sendgrid_webhook_key="SG.secret"), NoQueue()
    )
    with pytest.raises(SettingsError, match="ENGAGE_SENDGRID_WEBHOOK_KEY: not a public key as SendGrid shows it"):
        build_app(services)
    services.close()


def test_while_the_database_is_away_sendgrid_is_asked_to_come_again(here: Reporting, tmp_path: Path) -> None:
    database = tmp_path / "engage.db"
    database.rename(tmp_path / "away")
    here.engage.services.database.engine.dispose()
    database.mkdir()  # a folder is no database
    answer = here.post(BODY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    here.engage.services.database.engine.dispose()
    database.rmdir()
    (tmp_path / "away").rename(database)
    assert here.post(BODY).status_code == 204
    assert stored(here.engage) == [BODY.decode()]


def test_nothing_of_what_is_said_is_logged(here: Reporting) -> None:
    with capture_logs() as logs:
        here.post(BODY.replace(b"1772463600", b'"ann@example.com"'))
        here.client.post(PATH, content=BODY)
        here.engage.work()
    assert logs
    assert "ann" not in str(logs)


def test_the_example_that_sendgrid_publishes_is_taken_at_the_door(here: Reporting) -> None:
    services = here.engage.services
    services.webhook_keys = KEYS
    here.engage.now = SIGNED_AT + timedelta(seconds=2)
    headers = {SIGNATURE_HEADER: EXAMPLE["signature"], TIMESTAMP_HEADER: EXAMPLE["timestamp"]}
    body = EXAMPLE["payload"].encode()
    assert here.client.post(PATH, content=body.replace(b"dropped", b"dropqed"), headers=headers).status_code == 403
    assert stored(here.engage) == []
    assert here.client.post(PATH, content=body, headers=headers).status_code == 204
    assert stored(here.engage) == [EXAMPLE["payload"]]
