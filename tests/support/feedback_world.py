"""A world of mails, and what SendGrid reports of them: told shuffled, repeated and cut anyhow, it ends the same."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from engage.domain.errors import ServiceUnreachable
from engage.pipeline.absorb import absorb
from engage.pipeline.library import Library
from engage.providers.sendgrid_events import NAME
from engage.store.database import Database
from engage.store.feedback import waiting_webhooks
from engage.store.tables import (
    addresses,
    alarms,
    consent_changes,
    deliveries,
    enrollments,
    feedback,
    occasions,
    partners,
    subscriptions,
    suppressions,
    topic_pauses,
    webhooks,
)
from engage.store.upserts import insert_many
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped, shipped_program

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
TOPICS = ("tips", "newsletter", "recognition", "referral-status")
WAITING = "referral-status"  # of the mails that have not gone out: no group, so that only suppressions cancel them
GROUPS = {"tips": 5, "newsletter": 6, "recognition": 7}
AT_ONCE = 20  # requests in one message of the queue

State = dict[str, list[tuple[Any, ...]]]
Event = dict[str, Any]

_BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
_AFTER = {
    "deliveries": [deliveries.c.public_id, deliveries.c.state, deliveries.c.reported],
    "suppressions": [suppressions.c.address_id, suppressions.c.reason, suppressions.c.created_at],
    "subscriptions": [
        *(subscriptions.c.partner_id, subscriptions.c.address_id, subscriptions.c.topic),
        *(subscriptions.c.subscribed, subscriptions.c.changed_at),
    ],
    "feedback": [
        *(feedback.c.natural_key, feedback.c.kind, feedback.c.occurred_at, feedback.c.delivery_id),
        *(feedback.c.address_id, feedback.c.soft, feedback.c.machine, feedback.c.url, feedback.c.reason),
    ],
    "topic_pauses": [topic_pauses.c.topic],
}
"""What must be the same in the end, by table."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The state in the end, which was the same each time, and how many events were absorbed a second."""

    state: State
    absorbed: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.absorbed / self.seconds

    def count(self, table: str, column: int) -> Counter[Any]:
        return Counter(row[column] for row in self.state[table])


def ends_the_same(
    database_url: str, folder: Path, *, events: int, shuffles: int, copies: int = 3, workers: int = 1, seed: int = 1
) -> Ended:
    """Tells so many events once, in order, and then `shuffles` times each of them `copies` times with changed ids,
    shuffled and cut into requests anyhow. Raises AssertionError unless all of it ends the same.

    `database_url` has engage's schema and nothing in it. With several `workers` they absorb the same requests at once.
    """
    engage = Engage(database_url, folder, *_programme(folder))
    database, library = engage.services.database, engage.services.library()
    chance = random.Random(seed)
    mails = _mails(events)
    told = list(_events(chance, mails, events))
    first: State | None = None
    absorbed, seconds = 0, 0.0
    for number in range(shuffles + 1):
        _begin(database, library, mails)
        lot = told if number == 0 else _again(chance, told, copies)
        _keep(database, chance, lot)
        begun = time.perf_counter()
        _absorb(database, library, workers)
        seconds += time.perf_counter() - begun
        absorbed += len(lot)
        state = _state(database)
        first = first or state
        for table, rows in state.items():
            assert rows == first[table], f"shuffle {number} (seed {seed}): {table} ended otherwise"
    engage.services.close()
    assert first is not None
    return Ended(first, absorbed, seconds)


def _programme(folder: Path) -> tuple[Path, Path]:
    """The small programme, with topics that are groups of SendGrid's."""
    shutil.rmtree(folder / "world", ignore_errors=True)
    campaigns, templates = copy_shipped(folder / "world")
    text = shipped_program()
    for topic, group in GROUPS.items():
        text = text.replace(f"\n      {topic}:\n", f"\n      {topic}:\n        sendgrid_group: {group}\n")
    (campaigns / "program.yaml").write_text(text)
    return campaigns, templates


# --- the mails --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mail:
    """One in five deliveries of a world is unknown, some wait: evidence settles, suppressions cancel."""

    number: int
    person: int
    topic: str
    state: str
    made_at: datetime

    @property
    def id(self) -> str:
        return f"mail{self.number:06}"

    @property
    def email(self) -> str:
        return f"person{self.person}@example.com"


def _mails(events: int) -> list[_Mail]:
    count = max(events // 4, 20)
    people = max(count // 8, 5)
    mails = []
    for number in range(count):
        person = number % people
        topic = TOPICS[(number // people) % len(TOPICS)]
        state = ("accepted", "accepted", "unknown", "accepted", "sending")[number % 5]
        if number >= count - people:  # the last mail of each person has not gone out
            state, topic = "pending", WAITING
        made_at = NOW - timedelta(days=25 - (number // people) * 3)
        mails.append(_Mail(number, person, topic, state, made_at))
    return mails


def _begin(database: Database, library: Library, mails: Sequence[_Mail]) -> None:
    """The world as it was before anything was reported."""
    program_id = min(library.program_ids.values())
    version_id = min(library.version_ids.values())
    with database.write() as db:
        for table in (feedback, webhooks, suppressions, subscriptions, consent_changes, topic_pauses, alarms):
            db.execute(sa.delete(table))
        for table in (deliveries, enrollments, occasions, partners, addresses):
            db.execute(sa.delete(table))
        own = {"program_id": program_id}
        people = sorted({mail.person for mail in mails})
        insert_many(db, addresses, [{"id": n + 1, "email": f"person{n}@example.com"} for n in people])
        person = {**own, "status": "active", "attributes": {}}
        rows = [{"id": n + 1, "external_id": f"p{n}", "address_id": n + 1, **person} for n in people]
        insert_many(db, partners, rows)
        came = {**own, "campaign": "c", "version_id": version_id}
        db.execute(sa.insert(occasions), {"id": 1, "key": "o", "occurred_at": NOW, **came})
        entered = {**came, "occasion_id": 1, "entered_at": NOW}
        insert_many(db, enrollments, [{"id": n + 1, "key": "k", "partner_id": n + 1, **entered} for n in people])
        insert_many(db, deliveries, [_delivery(mail, came) for mail in mails])


def _delivery(mail: _Mail, came: dict[str, Any]) -> dict[str, Any]:
    return {
        **came,
        "id": mail.number + 1,
        "public_id": mail.id,
        "step": "s",
        "recipient": f"partner:p{mail.person}",
        "occasion": str(mail.number),
        "enrollment_id": mail.person + 1,
        "partner_id": mail.person + 1,
        "address_id": mail.person + 1,
        "template": "t",
        "topic": mail.topic,
        "lane": "bulk",
        "state": mail.state,
        "due_at": mail.made_at,
        "expires_at": mail.made_at + timedelta(days=90),
        "attempts": 1,
        "created_at": mail.made_at,
    }


# --- what is reported of them -----------------------------------------------------------------------------------------


def _events(chance: random.Random, mails: Sequence[_Mail], count: int) -> Iterator[Event]:
    """So many different events, in the order in which they happened to each mail."""
    sent = [mail for mail in mails if mail.state != "pending"]
    made = 0
    while made < count:
        for mail in sent:
            for event in _story(chance, mail, made):
                yield event
                made += 1
                if made == count:
                    return


def _story(chance: random.Random, mail: _Mail, serial: int) -> list[Event]:
    """What became of one mail. A person's fate depends on their number, so that there is some of everything."""
    at = mail.made_at.timestamp() + chance.randrange(5, 3600)
    fate = mail.person % 40
    if fate == 0:  # a mailbox that is full
        rest = [("bounce", 3, {"type": "blocked", "status": "4.2.2", "reason": f"full {serial}"})]
    elif fate == 1:
        rest = [("bounce", 3, {"type": "bounce", "status": "5.1.1", "reason": "no such user"})]
    elif fate == 2:
        rest = [("dropped", 1, {"reason": chance.choice(("Bounced Address", "Unsubscribed Address", "Invalid"))})]
    elif fate == 3 and mail.topic == "newsletter":
        rest = [("delivered", 2, {}), ("spamreport", 500, {})]
    elif fate in (4, 5, 6) and mail.topic in GROUPS:  # leaves and comes back, some of them in the same second
        group = {"asm_group_id": GROUPS[mail.topic]}
        back = ("group_resubscribe", chance.choice((99, 100, 101)), group)
        rest = [("delivered", 2, {}), ("group_unsubscribe", 100, group), *[back] * (fate != 4)]
    elif fate == 7:
        rest = [("delivered", 2, {}), ("unsubscribe", 60, {})]
    elif fate < 20:
        url = f"https://example.com/{serial}"
        rest = [
            ("delivered", 2, {}),
            ("open", 2, {"sg_machine_open": chance.random() < 0.5}),
            ("click", chance.choice((4, 8, 400)), {"url": url}),
            ("click", chance.choice((9, 10, 400, 401, 900)), {"url": chance.choice((url, f"{url}/other"))}),
        ]
    elif fate < 30:
        rest = [("deferred", 1, {"response": "450", "attempt": "1"}), ("delivered", 600, {"response": "250"})]
    else:
        rest = [("delivered", 2, {}), (chance.choice(("open", "something_new")), 900, {})]
    return [_event(mail, at, kind, after, more, serial) for kind, after, more in [("processed", 0, {}), *rest]]


def _event(mail: _Mail, at: float, kind: str, after: int, more: Event, serial: int) -> Event:
    return {
        "event": kind,
        "email": mail.email,
        "timestamp": int(at) + after,
        "sg_event_id": f"{serial}-{kind}-{after}",
        "sg_message_id": f"sg-{mail.number}.filter0001.{serial}.0",
        "smtp-id": f"<{mail.number}@geopod-ismtpd-1>",
        "category": ["c"],
        "ip": "192.0.2.1",
        "useragent": _BROWSER,
        "engage_delivery": mail.id,
        "engage_attempt": "1",
        **more,
    }


def _again(chance: random.Random, told: Sequence[Event], copies: int) -> list[Event]:
    """Each event so many times, with changed ids, in any order."""
    events = [one | {"sg_event_id": f"{one['sg_event_id']}-{copy}"} for copy in range(copies) for one in told]
    chance.shuffle(events)
    return events


# --- telling, and looking ---------------------------------------------------------------------------------------------


def _keep(database: Database, chance: random.Random, events: Sequence[Event]) -> None:
    rows, start = [], 0
    while start < len(events):
        size = chance.choice((1, 10, 100, 400, 1000, 1500))
        body = orjson.dumps(events[start : start + size]).decode()
        rows.append({"provider": NAME, "received_at": NOW, "body": body})
        start += size
    with database.write() as db:
        insert_many(db, webhooks, rows)


def _absorb(database: Database, library: Library, workers: int) -> None:
    """As workers do: some requests at a time, and again what the sweeper finds."""
    while True:
        with database.read() as db:
            waiting = waiting_webhooks(db, NOW, 100_000)
        if not waiting:
            return
        lots = [waiting[start : start + AT_ONCE] for start in range(0, len(waiting), AT_ONCE)]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda lot: _absorb_some(database, library, lot), lots * workers))


def _absorb_some(database: Database, library: Library, ids: Sequence[int]) -> None:
    try:
        absorb(database, library, ids, NOW)
    except ServiceUnreachable:  # two workers in each other's way: the sweeper finds what is left
        return


def _state(database: Database) -> State:
    with database.read() as db:
        return {
            table: sorted((tuple(row) for row in db.execute(sa.select(*columns))), key=repr)
            for table, columns in _AFTER.items()
        }
