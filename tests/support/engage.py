"""engage in one process for tests: the real services on a real database, a clock to turn, a queue done by hand."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from engage.bootstrap import Services
from engage.domain.messages import Message, Outcome, SendResult
from engage.domain.records import LoginRecord, PartnerRecord, Record, ReferralRecord, StaffRecord
from engage.providers.protocol import DEADLINE
from engage.queueing import Lane
from engage.settings import SendTo, Settings
from engage.store import tables
from engage.store.audit import entries

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # a Monday


class ByHand:
    """A queue that keeps what it is asked for until `Engage.work` does it."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, list[int], Lane]] = deque()

    def enqueue(self, task: str, ids: Sequence[int], lane: Lane) -> None:
        if ids:
            self.waiting.append((task, list(ids), lane))


class Noting:
    """A provider that notes what it is handed and answers as told: `answers` by address, accepted otherwise."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: dict[str, SendResult] = {}

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:  # noqa: ARG002
        self.messages += messages
        return [self.answers.get(m.to.email, SendResult(Outcome.ACCEPTED, f"x-{m.id}", 202)) for m in messages]

    def check(self, deadline: timedelta = DEADLINE) -> str:  # noqa: ARG002
        return "notes what it is handed"

    def close(self) -> None:
        """Has nothing to close."""


class Engage:
    """The services, with `now` to be turned by tests."""

    def __init__(self, database_url: str, folder: Path, campaigns: Path, templates: Path, send_to: str = "") -> None:
        self.now = START
        self.queue = ByHand()
        settings = Settings.load(
            database_url=database_url,
            data_dir=folder,
            allowed_hosts="testserver",
            campaigns_dir=campaigns,
            templates_dir=templates,
            send_to=SendTo.parse(send_to) if send_to else None,
        )
        self.services = Services(settings, self.queue, clock=lambda: self.now)
        self.provider = Noting()
        self.services.provider = self.provider
        self.services.start()
        self.program = next(iter(self.services.library().programs))

    # --- what happens ---------------------------------------------------------------------------------------------

    def takes(self, *records: Record, news: bool = True) -> None:
        taken = self.services.take(self.program, [[record] for record in records], source="test", news=news)
        refused = [row.reason for row in taken.rows if row.reason]
        assert not refused, refused

    def partner(self, name: str = "ann", **fields: object) -> str:
        """A partner who joined a year ago and logged in today, unless `fields` say otherwise."""
        values: dict[str, object] = {
            "email": f"{name}@example.com",
            "first_name": name.title(),
            "status": "active",
            "joined_at": self.now - timedelta(days=365),
        }
        self.takes(PartnerRecord(name, **(values | fields)), news=False)  # type: ignore[arg-type]
        return name

    def salesperson(self, name: str = "sam", manager: str | None = None, email: str | None = "") -> str:
        address = f"{name}@example.com" if email == "" else email
        self.takes(StaffRecord(name, name=name.title(), email=address, manager=manager), news=False)
        return name

    def logs_in(self, partner: str, days_ago: float = 0) -> None:
        self.takes(LoginRecord(partner, self.now - timedelta(days=days_ago)), news=False)

    def refers(self, partner: str, referral: str, days_ago: float = 6, **fields: object) -> None:
        at = self.now - timedelta(days=days_ago)
        record = ReferralRecord(referral, partner, lead_company=f"{referral.title()} Ltd", submitted_at=at)
        self.takes(ReferralRecord(**({f: getattr(record, f) for f in record.__slots__} | fields)), news=False)  # type: ignore[arg-type]

    def becomes(self, partner: str, referral: str, status: str, days_ago: float = 0, **fields: object) -> None:
        at = self.now - timedelta(days=days_ago)
        self.takes(ReferralRecord(referral, partner, status=status, status_at=at, **fields))  # type: ignore[arg-type]

    # --- what engage does -----------------------------------------------------------------------------------------

    def work(self) -> list[Message]:
        """Does all that waits in the queue, and all that comes of it; returns the messages that went out."""
        before = len(self.provider.messages)
        while self.queue.waiting:
            task, ids, lane = self.queue.waiting.popleft()
            match task:
                case "match":
                    self.services.match(ids)
                case "advance":
                    self.services.advance(ids)
                case "contest":
                    self.services.contest()
                case "run":
                    self.services.run(ids)
                case "absorb":
                    self.services.absorb(ids)
                case "reconcile":
                    self.services.reconcile(ids)
                case "reckon":
                    self.services.reckon(ids)
                case "poll":
                    self.services.poll(ids)
                case "deliver":
                    self.services.deliver(ids, lane)
        return self.provider.messages[before:]

    def sweeps(self) -> list[Message]:
        """Does what has come due; returns the messages that went out."""
        self.services.sweep()
        return self.work()

    def after(self, **time: float) -> list[Message]:
        """Turns the clock on by so much, as `timedelta` takes it, and does what has come due by then."""
        self.now += timedelta(**time)
        return self.sweeps()

    def runs(self, campaign: str) -> list[Message]:
        """Carries out the current slot of a schedule and delivers what comes of it."""
        self.services.run_now(self.services.library().find(campaign))
        return self.work()

    # --- what a person would notice -------------------------------------------------------------------------------

    def states(self) -> list[tuple[str, str]]:
        """(recipient, state) of each delivery, in order."""
        d = tables.deliveries.c
        with self.services.database.read() as db:
            return [(r, s) for r, s in db.execute(sa.select(d.recipient, d.state).order_by(d.id))]

    def partner_states(self) -> dict[str, str]:
        """partner -> the state of their last delivery."""
        return {recipient.removeprefix("partner:"): state for recipient, state in self.states()}

    def audited(self) -> list[tuple[str, str, str, str | None]]:
        """(who, did what, with what, why) of the audit log, in order."""
        with self.services.database.read() as db:
            return [(one.actor, one.action, one.object, one.why) for one in reversed(entries(db, 50))]

    def decisions(self) -> list[tuple[str, str | None]]:
        """(decision, reason) of each decision, in order."""
        d = tables.decisions.c
        with self.services.database.read() as db:
            return [(x, y) for x, y in db.execute(sa.select(d.decision, d.reason).order_by(d.id))]

    def count(self, table: sa.Table) -> int:
        with self.services.database.read() as db:
            return db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
