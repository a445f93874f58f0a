"""One partner's year through the shipped programme: what she and others do, what engage does, and what arrives.

One engage on one database, its clock turned from what is next to what is next: an event of the story, a slot of a
schedule, a step of a journey, a mail that comes due. `Year.received` is every mail to a partner, in order.
"""

import heapq
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engage.domain.deliveries import DeliveryState
from engage.domain.messages import Message, SendResult
from engage.domain.records import (
    HelpRecord,
    LoginRecord,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
)
from engage.providers.protocol import DEADLINE
from engage.sources.sample import names
from engage.store import tables
from engage.store.caps import next_contest
from engage.store.journeys import next_journey
from tests.support.engage import ROOT, Engage, Noting
from tests.support.life import Deal, Life, Person
from tests.support.programme import NEW_YORK

HER = "nora"
BEGINS = datetime(2026, 11, 9, 13, 0, tzinfo=UTC)
ENDS = datetime(2027, 11, 13, 5, 0, tzinfo=UTC)
_GRACE = timedelta(seconds=11)  # after which a sweep takes what is due and has not been hinted at
_AT_LEAST = timedelta(hours=6)  # between two looks, however little there is to be done
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Received:
    """A mail in a partner's inbox: when, and what engage knows of it. `referral`: the one it is about, if any."""

    at: datetime
    partner: str
    message: Message
    template: str
    topic: str
    campaign: str
    referral: str | None

    @property
    def local(self) -> datetime:
        return self.at.astimezone(NEW_YORK)


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened in her life, in words for a reader."""

    at: datetime
    text: str

    @property
    def local(self) -> datetime:
        return self.at.astimezone(NEW_YORK)


def _without_waiting(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


class _Stamping(Noting):
    """Notes when each message was handed over."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[datetime] = []

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        self.times += [self._clock()] * len(messages)
        return super().send(messages, deadline)


class Year(Engage):
    """The programme, with a diary of things to happen and the life that has been lived so far."""

    def __init__(self, database_url: str, folder: Path) -> None:
        campaigns, templates = folder / "campaigns", folder / "email_templates"
        shutil.copytree(ROOT / "campaigns", campaigns, ignore=shutil.ignore_patterns("programs"))  # one brand is enough
        shutil.copytree(ROOT / "email_templates", templates)
        super().__init__(database_url, folder, campaigns, templates)
        self.now = BEGINS
        # Nobody pulls the plug: half of the time would go into waiting for the disk.
        sa.event.listen(self.services.database.engine, "connect", _without_waiting)
        self.services.database.engine.dispose()
        self.provider: _Stamping = _Stamping(lambda: self.now)
        self.services.provider = self.provider
        self.life = Life(self.services.library().programs[self.program])
        self.happenings: list[Happening] = []
        self._ids, self._order = count(1), count()
        self._diary: list[tuple[datetime, int, Callable[[], None]]] = []
        self._past: list[Record] = []

    # --- what happens -------------------------------------------------------------------------------------------------

    def on(self, local: str, act: Callable[[], None], says: str = "") -> None:
        """Puts an act into the diary, at a local time of Boston; `says` is what a reader is told of it."""
        self.at(datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).astimezone(UTC), act, says)

    def at(self, instant: datetime, act: Callable[[], None], says: str = "") -> None:
        def acts() -> None:
            if says:
                self.happenings.append(Happening(self.now, says))
            act()

        heapq.heappush(self._diary, (instant, next(self._order), acts))

    def tells(self, *records: Record, past: bool = False) -> None:
        if past:
            self._past += records
        else:
            self.takes(*records)

    def joins(self, name: str, at: datetime | None = None, **fields: object) -> None:
        """They register now, or have been there since `at`."""
        joined = at or self.now
        person = self.life.people.setdefault(name, Person(name, next(self._ids), []))
        person.joined_at = joined
        person.stands.append((joined, "active"))
        self._introduced(person, joined_at=joined, status="active", past=at is not None, **fields)

    def is_invited(self, name: str, **fields: object) -> None:
        person = self.life.people.setdefault(name, Person(name, next(self._ids), []))
        person.stands.append((self.now, "invited"))
        self._introduced(person, status="invited", **fields)

    def _introduced(self, person: Person, past: bool = False, **fields: object) -> None:
        values: dict[str, object] = {"email": f"{person.name}@example.com", "first_name": person.name.title()} | fields
        person.zone = str(values.get("zone", person.zone))
        self.tells(PartnerRecord(person.name, **values), past=past)  # type: ignore[arg-type]

    def comes_to_the_portal(self, name: str, at: datetime | None = None) -> None:
        self.life.people[name].logins.append(at or self.now)
        self.tells(LoginRecord(name, at or self.now), past=at is not None)

    def hands_in(self, name: str, **attributes: bool) -> None:
        self.tells(PartnerRecord(name, attributes=attributes))

    def names_a_lead(
        self, name: str, referral: str, company: str, at: datetime | None = None, **fields: object
    ) -> None:
        record = ReferralRecord(referral, name, lead_company=company, submitted_at=at or self.now, **fields)  # type: ignore[arg-type]
        self.life.deals[referral] = Deal(record, next(self._ids), name, [(at or self.now, "submitted")])
        self.tells(record, past=at is not None)

    def moves(self, referral: str, status: str, at: datetime | None = None, **fields: object) -> None:
        """A referral reaches a status; `fields` are what else is told of it, such as its amount."""
        deal = self.life.deals[referral]
        deal.record = replace(deal.record, **fields)  # type: ignore[arg-type]
        deal.way.append((at or self.now, status))
        told = ReferralRecord(referral, deal.partner, status=status, status_at=at or self.now, **fields)  # type: ignore[arg-type]
        self.tells(told, past=at is not None)

    def is_doubted(self, referral: str, doubt: bool) -> None:
        deal = self.life.deals[referral]
        deal.doubts.append((self.now, doubt))
        self.tells(ReferralRecord(referral, deal.partner, reversal_pending=doubt))

    def earns(self, referral: str, later: timedelta, rate: float = 0.1) -> None:
        """A quarter of the reward, at so much of the deal; the source says when the rest is expected: `later`."""
        deal = self.life.deals[referral]
        whole = round((deal.record.amount or 0) * rate)
        amount = round(whole / 4)
        pays = (self.now + 20 * _DAY).replace(hour=17, minute=0, second=0, microsecond=0)
        earned = RewardRecord(f"{referral}-win", deal.partner, amount, referral, names.REWARD, self.now, pays)
        self._rewards(replace(earned, stage="win"))
        promised = RewardRecord(f"{referral}-retention", deal.partner, whole - amount, referral, names.REWARD)
        self._rewards(replace(promised, stage="retention", expected_at=self.now + later))

    def is_paid(self, reward: str) -> None:
        self._rewards(replace(self.life.rewards[reward], paid_at=self.now))

    def stays(self, referral: str) -> None:
        """The customer is still there: the rest of the reward is earned."""
        pays = (self.now + 20 * _DAY).replace(hour=17, minute=0, second=0, microsecond=0)
        self._rewards(replace(self.life.rewards[f"{referral}-retention"], earned_at=self.now, due_at=pays))

    def is_asked_for_help(self, referral: str, ask: str, by: str) -> None:
        self.tells(HelpRecord(referral, self.now, ask, by))

    def _rewards(self, record: RewardRecord) -> None:
        self.life.rewards[record.external_id] = record
        self.tells(record)

    # --- what engage does ---------------------------------------------------------------------------------------------

    def lives(self, until: datetime = ENDS) -> None:
        """Turns the clock on from what is next to what is next."""
        self.takes(*self._past, news=False)
        self._past.clear()
        while self.now < until:
            while self._diary and self._diary[0][0] <= self.now:
                heapq.heappop(self._diary)[2]()
            next_slot = self.services.open_runs()
            self.work()
            self.services.look_after_editions()
            self.sweeps()
            self.now = min(until, self._next(next_slot))

    def _next(self, slot: datetime | None) -> datetime:
        d = tables.deliveries.c
        with self.services.database.read() as db:
            waiting = (DeliveryState.PENDING, DeliveryState.RETRY)
            due = sa.select(sa.func.min(d.due_at, type_=d.due_at.type)).where(
                d.state.in_(waiting), d.due_at > self.now - _GRACE
            )
            delivery: datetime | None = db.execute(due).scalar()
            instants = [slot, next_journey(db), next_contest(db), delivery + _GRACE if delivery else None]
        instants += [self._diary[0][0] if self._diary else None, self.now + _AT_LEAST]
        return min(at for at in instants if at is not None and at > self.now)

    # --- what arrives -------------------------------------------------------------------------------------------------

    def received(self, partner: str | None = None) -> list[Received]:
        """Every mail to partners, or to this one, in order."""
        d, e, r = tables.deliveries, tables.enrollments, tables.referrals
        query = sa.select(d.c.public_id, d.c.template, d.c.topic, d.c.campaign, d.c.recipient, r.c.external_id)
        joined = d.join(e, e.c.id == d.c.enrollment_id).outerjoin(r, r.c.id == e.c.referral_id)
        with self.services.database.read() as db:
            rows = {row.public_id: row for row in db.execute(query.select_from(joined))}
        found = []
        for at, message in zip(self.provider.times, self.provider.messages, strict=True):
            row = rows[message.id]
            kind, _, name = row.recipient.partition(":")
            if kind == "partner" and partner in (None, name):
                found.append(Received(at, name, message, row.template, row.topic, row.campaign, row.external_id))
        return found
