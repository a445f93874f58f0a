"""Weeks under frequency caps with a provider that is slow and fails: recounted from the provider's own log.

The recount shares nothing with engage but the numbers of `CAPS`.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.messages import Message, Outcome, SendResult
from engage.providers.protocol import DEADLINE
from engage.store import tables
from engage.store.caps import next_contest
from engage.store.deliveries import next_due
from tests.support.caps import Capped, Timed

CAPS = [
    ("partner", 2, timedelta(days=3), None),
    ("partner", 1, timedelta(hours=20), "tips"),
    ("company", 3, timedelta(days=3), None),
    ("address", 3, timedelta(days=3), None),
    ("program", 5, timedelta(days=1), None),
]
PEOPLE = {
    "ann": ("acme", "desk@example.com"),
    "bob": ("acme", "desk@example.com"),
    "cy": ("acme", "cy@example.com"),
    "dee": ("beta", "dee@example.com"),
    "eve": (None, "eve@example.com"),
}
CAMPAIGNS = {"gold": "tips", "silver": "newsletter", "bronze": "tips", "iron": "recognition", "tin": "tips"}
POLICIES = ["drop", "defer", "fold", "defer", "defer"]
DAYS = 10


class Moody(Timed):
    """Takes up to twenty seconds for each request and fails now and then; `log` has what went out, or may have."""

    def __init__(self, engage: Capped, chance: random.Random) -> None:
        super().__init__(engage)
        self._chance = chance
        self.gone: list[tuple[datetime, str]] = []

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        for one in messages:
            answer = self._chance.choices(
                [None, SendResult(Outcome.UNKNOWN, status=500, detail="500"), _busy(), _refused()], [80, 8, 8, 4]
            )[0]
            self.answers.pop(one.to.email, None)
            if answer is not None:
                self.answers[one.to.email] = answer
        self.engage.now += timedelta(seconds=self._chance.uniform(0, 20))
        results = super().send(messages, deadline)
        gone = [one.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN) for one in results]
        self.gone += [(self.engage.now, one.id) for one, out in zip(messages, gone, strict=True) if out]
        self.engage.now += timedelta(seconds=self._chance.uniform(0, 5))
        return results


def _busy() -> SendResult:
    return SendResult(Outcome.RETRY, status=503, detail="503")


def _refused() -> SendResult:
    return SendResult(Outcome.DEAD, status=400, detail="400")


def until(engage: Capped, end: datetime, chance: random.Random) -> None:
    """Lets whatever comes due until then happen, each time some seconds late."""
    while True:
        with engage.services.database.read() as db:
            coming = [at for at in (next_contest(db), next_due(db)) if at is not None]
        if not coming or min(coming) >= end:
            break
        engage.now = max(engage.now, min(coming)) + timedelta(seconds=chance.uniform(11, 40))
        engage.services.sweep()
        engage.work()
    engage.now = max(engage.now, end)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_stretch_of_the_providers_log_holds_more_than_the_caps_allow(
    sqlite_url: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    written = [
        f"at_most: {most}, per: {per}, in: {int(length.total_seconds() // 3600)}h"
        + (f", topic: {topic}" if topic else "")
        for per, most, length, topic in CAPS
    ]
    engage = Capped(sqlite_url, tmp_path, *written, order=list(CAMPAIGNS))
    provider = engage.provider = engage.services.provider = engage.timed = Moody(engage, chance)
    for (name, topic), policy in zip(CAMPAIGNS.items(), POLICIES, strict=True):
        window = (
            'send_window: {from: "08:00", to: "11:00"}' if name == "tin" else "holdout: 20%" if name == "gold" else ""
        )
        engage.campaign(name, policy, topic=topic, every="day 09:00", more=window, within="2d")
    for name, (company, email) in PEOPLE.items():
        engage.partner(name, company=company, email=email)
    midnight = engage.now.replace(hour=5, minute=0, second=0)
    for day in range(1, DAYS + 1):
        until(engage, midnight + timedelta(days=day, hours=9, seconds=chance.uniform(0, 2000)), chance)
        names = list(CAMPAIGNS)
        chance.shuffle(names)
        engage.enters(*names)
    until(engage, engage.now + timedelta(days=4), chance)
    d, a = tables.deliveries.c, tables.attempts.c
    with engage.services.database.read() as db:
        rows = {row.public_id: row for row in db.execute(sa.select(d.public_id, d.recipient, d.topic, d.held_out))}
        late = db.execute(
            sa.select(sa.func.count())
            .select_from(tables.attempts)
            .join(tables.deliveries, d.id == a.delivery_id)
            .where(a.started_at >= d.expires_at)
        ).scalar_one()
        waiting = db.execute(sa.select(d.state).where(d.state.in_(("pending", "claimed", "sending", "retry")))).all()
    engage.services.close()
    assert _broken([(at, rows[id_].recipient[8:], rows[id_].topic) for at, id_ in provider.gone]) == []
    assert len(provider.gone) > DAYS, "something went out"
    assert late == 0
    assert waiting == []
    assert not any(rows[id_].held_out for _, id_ in provider.gone)


def _broken(log: Sequence[tuple[datetime, str, str]]) -> list[str]:
    """What no cap allows, in words."""
    found = []
    for per, most, length, topic in CAPS:
        mine = [(at, _whose(per, name)) for at, name, about in log if topic in (None, about)]
        for at, whose in mine:
            if whose is None:
                continue
            many = sum(1 for other, of in mine if of == whose and at - length < other <= at)
            if many > most:
                found.append(f"{many} to {per} {whose} in {length} up to {at}, and {most} are allowed")
    return found


def _whose(per: str, name: str) -> str | None:
    company, email = PEOPLE[name]
    return {"partner": name, "company": company, "address": email, "program": "all"}[per]
