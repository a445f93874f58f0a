"""A race for the last slots of frequency caps: workers that deliver and decide contests at once, and an umpire.

The umpire counts what the provider was handed, by whose mails they are. It knows the caps as `KINDS` has them and
nothing of how engage keeps them.
"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.domain.messages import Message, SendResult
from engage.policy.caps import window_end
from engage.providers.protocol import DEADLINE
from engage.queueing import Lane
from engage.store.tables import deliveries
from tests.support.caps import QUARTER, Capped
from tests.support.engage import Noting

KINDS = {"partner": 2, "company": 3, "address": 2, "program": 5}
"""How many mails in a week each cap allows: {per: at most}."""

PEOPLE = {
    "ann": ("acme", "desk@example.com"),
    "bob": ("acme", "desk@example.com"),
    "cy": ("acme", "cy@example.com"),
    "dee": (None, "dee@example.com"),
}
CAMPAIGNS = ("gold", "silver", "bronze", "iron")
WEEK = timedelta(days=8)  # so that a trial leaves no slot taken in the next


class Slow(Noting):
    """A provider that takes its time, as a network does, and is asked by many at once."""

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        time.sleep(random.uniform(0, 0.004))
        return super().send(messages, deadline)


@dataclass(slots=True)
class Score:
    """`over`: what was sent beyond a cap, in words; `stumbles`: workers that an error stopped."""

    trials: int = 0
    mails: int = 0
    over: list[str] = field(default_factory=list)
    stumbles: list[str] = field(default_factory=list)
    winners: Counter[tuple[tuple[str, str], ...]] = field(default_factory=Counter)


class Race:
    """`kinds` are the caps that there are, `workers` how many there are, each with services of its own."""

    def __init__(self, url: str, folder: Path, kinds: Sequence[str], workers: int = 8) -> None:
        caps = [f"at_most: {KINDS[per]}, per: {per}, in: 7d" for per in kinds]
        self.engage = Capped(url, folder, *caps, order=CAMPAIGNS)
        self.kinds = kinds
        self.score = Score()
        self._random = random.Random(len(kinds))
        for name in CAMPAIGNS:
            self.engage.campaign(name)
        for name, (company, email) in PEOPLE.items():
            self.engage.partner(name, company=company, email=email)
        self._open = ExitStack()
        self._provider = Slow()
        settings, clock = self.engage.services.settings, lambda: self.engage.now
        self._workers = [Services(settings, self.engage.queue, clock) for _ in range(workers)]
        for worker in self._workers:
            worker.provider = self._provider
            self._open.callback(worker.close)
        self._open.callback(self.engage.services.close)

    def close(self) -> None:
        self._open.close()

    def trial(self, *, contested: bool) -> None:
        """One race; not `contested`: nobody was compared, and only the look in the moment of sending holds caps."""
        self.engage.now += WEEK
        self.engage.enters(*CAMPAIGNS)
        self.engage.now = window_end(self.engage.now, QUARTER) + timedelta(seconds=1)
        database = self.engage.services.database
        with database.write() as db:
            fresh = deliveries.c.state == "pending"
            ids = list(db.execute(sa.select(deliveries.c.id).where(fresh)).scalars())
            if not contested:
                db.execute(sa.update(deliveries).where(fresh).values(contest_at=None))
        before = len(self._provider.messages)
        barrier = threading.Barrier(len(self._workers))
        seeds = [self._random.random() for _ in self._workers]
        threads = [
            threading.Thread(target=self._work, args=(worker, barrier, list(ids), contested, seed))
            for worker, seed in zip(self._workers, seeds, strict=True)
        ]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
        self.engage.queue.waiting.clear()
        self._workers[0].deliver(ids, Lane.BULK)  # what two had in hand at once
        self._count(self._provider.messages[before:], contested=contested)

    def _work(self, worker: Services, barrier: threading.Barrier, ids: list[int], contested: bool, seed: float) -> None:
        chance = random.Random(seed)
        barrier.wait()
        try:
            if contested:
                worker.contest()
            chance.shuffle(ids)
            while ids:
                many = chance.randint(1, 5)
                worker.deliver(ids[:many], Lane.BULK)
                ids = ids[many:]
        except EngageError as error:
            self.score.stumbles.append(str(error))

    def _count(self, mails: Sequence[Message], *, contested: bool) -> None:
        with self.engage.services.database.read() as db:
            rows = db.execute(sa.select(deliveries.c.public_id, deliveries.c.recipient))
            whose = {public_id: recipient.removeprefix("partner:") for public_id, recipient in rows}
        sent: Counter[tuple[str, str]] = Counter()
        for mail in mails:
            name = whose[mail.id]
            company, _ = PEOPLE[name]
            sent["partner", name] += 1
            sent["address", mail.to.email] += 1
            sent["program", "all"] += 1
            if company:
                sent["company", company] += 1
        for (per, key), count in sent.items():
            if per in self.kinds and count > KINDS[per]:
                self.score.over.append(f"{count} to {per} {key}, and {KINDS[per]} are allowed")
        self.score.trials += 1
        self.score.mails += len(mails)
        if contested:
            self.score.winners[tuple(sorted((whose[mail.id], mail.category) for mail in mails))] += 1
