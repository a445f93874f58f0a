"""Unknown deliveries are looked for in the provider's records, here the mailbox's: found is proof, not found is not."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from engage.providers.sendgrid import SendGridProvider
from engage.providers.sendgrid_activity import SendGridActivity
from engage.store import tables
from engage.web.mailbox import MailStore, mailbox_app
from engage.workers.scheduler import Scheduler
from tests.providers.servers import HttpServer
from tests.support.engage import Engage

MINUTE = timedelta(minutes=1)


class Provider:
    """engage, sending to a mailbox that can be told to go wrong, whose records it may ask."""

    def __init__(self, engage: Engage, url: str) -> None:
        self.engage = engage
        self.url = url

    def ask(self, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/mailbox/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10):
            pass

    def wins(self, name: str, *faults: dict[str, Any]) -> None:
        """The partner has just won a referral, and the mailbox goes wrong with their mail."""
        self.ask("faults", list(faults))
        self.engage.refers(self.engage.partner(name), f"{name}-deal")
        self.engage.becomes(name, f"{name}-deal", "won")
        self.engage.work()

    def looks(self, after: timedelta = MINUTE) -> None:
        """Time passes, and the scheduler has its minute."""
        self.engage.now += after
        self.engage.services.look_up_due()
        self.engage.work()

    def rows(self) -> dict[str, Any]:
        d = tables.deliveries
        with self.engage.services.database.read() as db:
            found = db.execute(sa.select(d).order_by(d.c.id))
            return {row.recipient.removeprefix("partner:"): row for row in found}

    def state(self, name: str) -> str:
        found: str = self.rows()[name].state
        return found

    def looked_up_at(self, name: str) -> datetime | None:
        found: datetime | None = self.rows()[name].looked_up_at
        return found


@pytest.fixture
def provider(engage: Engage) -> Iterator[Provider]:
    store = MailStore()
    with (
        HttpServer(mailbox_app(store, lambda: engage.now)) as server,
        closing(SendGridProvider(server.url, "key", lambda: engage.now)) as client,
    ):
        engage.services.provider = client
        engage.services.records = SendGridActivity(server.url, "key", lambda: engage.now)
        yield Provider(engage, server.url)
    store.close()


LOST = {"accept_then_drop": True}
NEVER_TAKEN = {"drop": True}


def test_a_mail_that_the_provider_has_is_accepted_with_its_id(provider: Provider) -> None:
    provider.wins("ann", LOST)
    assert provider.state("ann") == "unknown"
    provider.looks()
    row = provider.rows()["ann"]
    assert (row.state, row.reason, row.settled_at) == ("accepted", None, provider.engage.now)
    assert row.provider_id
    a = tables.attempts.c
    with provider.engage.services.database.read() as db:
        assert list(db.execute(sa.select(a.outcome)).scalars()) == ["accepted"]


def test_a_mail_that_is_not_found_stays_unknown_and_is_not_sent_again(provider: Provider) -> None:
    provider.wins("ann", NEVER_TAKEN)
    provider.looks()
    assert provider.state("ann") == "unknown"
    assert provider.looked_up_at("ann") == provider.engage.now


def test_records_lag_so_nobody_asks_for_a_minute_and_later_asks_again(provider: Provider) -> None:
    provider.ask("activity", {"lag": 150})
    provider.wins("ann", LOST)
    provider.looks(after=timedelta(seconds=59))
    assert provider.looked_up_at("ann") is None
    provider.looks(after=timedelta(seconds=1))
    assert provider.state("ann") == "unknown"
    provider.looks()
    provider.looks()
    assert provider.state("ann") == "accepted"


def test_pauses_grow_and_after_three_days_nobody_asks_any_more(provider: Provider) -> None:
    provider.wins("ann", NEVER_TAKEN)
    begun = provider.engage.now
    looks = []
    while provider.engage.now - begun < timedelta(days=4):
        before = provider.looked_up_at("ann")
        provider.looks(after=timedelta(seconds=30) if not looks else max(MINUTE, (provider.engage.now - begun) / 10))
        if provider.looked_up_at("ann") != before:
            looks.append(provider.engage.now - begun)
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert looks[0] == MINUTE
    assert 10 < len(looks) < 40
    assert pauses[0] < timedelta(minutes=3)
    assert pauses[-1] >= timedelta(hours=6)
    assert looks[-1] <= timedelta(days=3)


def test_six_are_asked_for_a_minute_and_those_never_looked_for_come_first(provider: Provider) -> None:
    names = [f"p{n}" for n in range(8)]
    for name in names:
        provider.wins(name, NEVER_TAKEN)
        if name == "p3":
            provider.wins("reached")  # else the breaker opens
    provider.looks()
    assert [name for name in names if provider.looked_up_at(name)] == names[:6]
    provider.looks()
    assert [name for name in names if provider.looked_up_at(name) == provider.engage.now] == [*names[:4], *names[6:]]


def test_a_look_that_could_not_be_is_none(provider: Provider) -> None:
    provider.ask("activity", {"available": False})
    provider.wins("ann", LOST)
    provider.looks()
    assert (provider.state("ann"), provider.looked_up_at("ann")) == ("unknown", None)
    provider.ask("activity", {"available": True})
    provider.looks(after=timedelta(minutes=59))
    assert provider.looked_up_at("ann") is None
    provider.looks()
    assert provider.state("ann") == "accepted"


def test_two_workers_do_not_ask_for_the_same_one(provider: Provider) -> None:
    provider.wins("ann", NEVER_TAKEN)
    provider.engage.now += MINUTE
    for _ in range(2):
        provider.engage.services.look_up_due()
    assert [task for task, _, _ in provider.engage.queue.waiting] == ["reconcile"] * 2
    asked: list[str] = []
    records = provider.engage.services.records
    assert records is not None
    find = records.find
    records.find = lambda delivery: asked.append(delivery) or find(delivery)  # type: ignore[method-assign, func-returns-value]
    provider.engage.work()
    assert len(asked) == 1


def test_one_that_was_settled_meanwhile_is_left_alone(provider: Provider) -> None:
    provider.wins("ann", LOST)
    provider.engage.now += MINUTE
    provider.engage.services.look_up_due()
    d = tables.deliveries
    with provider.engage.services.database.write() as db:
        db.execute(sa.update(d).values(state="cancelled", reason="operator: not sent: it is too late"))
    provider.engage.work()
    assert provider.state("ann") == "cancelled"
    assert provider.looked_up_at("ann") is None


def test_the_scheduler_has_them_looked_for_once_a_minute(provider: Provider) -> None:
    scheduler = Scheduler(provider.engage.services)
    provider.wins("ann", NEVER_TAKEN)
    scheduler.tick()
    for seconds in (30, 30, 30):
        provider.engage.now += timedelta(seconds=seconds)
        scheduler.tick()
        provider.engage.work()
    assert provider.looked_up_at("ann") == provider.engage.now - timedelta(seconds=30)


def test_a_provider_without_records_is_not_asked(provider: Provider) -> None:
    provider.wins("ann", LOST)
    provider.engage.services.records = None
    provider.looks()
    assert provider.state("ann") == "unknown"
