"""Many made-up partners with every kind of past, drawn from a seed: for what must hold of whomever."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from engage.domain.records import LoginRecord, PartnerRecord, Record, ReferralRecord, StaffRecord

_KINDS = ("complementary seller", "adviser", "association", "consultant", "reseller")
_STAGES = ("submitted", "accepted", "qualified", "opportunity", "demo", "proposal", "negotiation")


def population(now: datetime, size: int, seed: int = 1) -> Iterator[Record]:
    """Partners `x-0`, `x-1`, …: new and old, busy and quiet, who win all, some or nothing, early, late or all along.

    Some are invited and no partners yet. Who has an owner has Sam.
    """
    chance = Random(seed)
    yield StaffRecord("sam", name="Sam", email="sam@example.com")
    for number in range(size):
        yield from _partner(chance, now, f"x-{number}")


def _partner(chance: Random, now: datetime, name: str) -> Iterator[Record]:
    age = chance.choice([chance.uniform(0, 60), chance.uniform(60, 400), chance.uniform(300, 900)])
    yield PartnerRecord(
        name,
        email=f"{name}@example.com",
        first_name=name.title(),
        status="invited" if chance.random() < 0.05 else "active",
        owner="sam" if chance.random() < 0.8 else None,
        joined_at=now - timedelta(days=age),
        attributes={"kind": chance.choice(_KINDS)} if chance.random() < 0.8 else {},
    )
    if chance.random() < 0.9:
        yield LoginRecord(name, now - timedelta(days=min(age, chance.choice([0.1, 5, 29, 31, 60, 200]))))
    begins, ends = chance.choice([(0, age), (0, min(age, 60)), (max(age - 90, 0), age), (max(age - 365, 0), age)])
    winning = chance.choice([0.0, 0.1, 0.4, 0.9])
    doubtful = chance.choice([0.0, 0.0, 0.0, 0.3])
    for count in range(chance.choice([0, 0, 1, 1, 2, 4, 6, 12, 25, 40])):
        made = now - timedelta(days=age - chance.uniform(begins, ends))
        yield from _referral(chance, now, name, f"{name}-{count}", made, winning, doubtful)


def _referral(
    chance: Random, now: datetime, partner: str, name: str, made: datetime, winning: float, doubtful: float
) -> Iterator[Record]:
    method = chance.choice(("form", "verbal", "email"))
    yield ReferralRecord(name, partner, name, method=method, submitted_at=made, status="submitted", status_at=made)
    if (at := made + timedelta(days=chance.uniform(1, 70))) > now:
        return
    status = "won" if chance.random() < winning else chance.choice(("lost", "lost", *_STAGES[1:]))
    doubt = status == "won" and chance.random() < doubtful
    amount = chance.randrange(100, 5_000_000)
    yield ReferralRecord(
        name, partner, status=status, status_at=at, amount=amount, reversal_pending=True if doubt else None
    )
