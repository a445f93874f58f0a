"""Random worlds, made to be awkward: ties at the edges of windows to the microsecond, dates that nobody knows, gaps."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import METRICS, FactType
from engage.domain.programs import (
    METHODS,
    PARTNER_STATUSES,
    Brand,
    Program,
    Status,
    StatusKind,
    Tier,
    TierPeriod,
    Tiers,
)
from engage.domain.windows import BEGINNING
from engage.store import tables
from tests.facts.brute import (
    AttributeVersion,
    Partner,
    PartnerVersion,
    Referral,
    ReferralVersion,
    Reward,
    World,
)
from tests.facts.conditions import QUESTIONS

_QUALIFIED = (StatusKind.QUALIFIED, StatusKind.OPPORTUNITY, StatusKind.WON)
_START = datetime(2025, 12, 31, 22, 30, tzinfo=UTC)
COMPANIES = ("company-1", "Company-1")
STAFF = ("sales-1", "sales-2")
_MICROSECOND = timedelta(microseconds=1)
_ATTRIBUTES: dict[str, tuple[FactType, Sequence[Any]]] = {
    "sector": (FactType.TEXT, ("retail", "Retail", "", "été", "true")),
    "size": (FactType.NUMBER, (0.0, 0.1, 2.5, 12.0, -3.0, 2.0**40 + 0.5)),
    "certified": (FactType.BOOLEAN, (True, False)),
}


def instant(random: Random) -> datetime:
    """One of few instants a window's length apart, or a microsecond beside it."""
    return (
        _START
        + random.choice((0, 10, 30, 45, 59, 60, 61, 90, 120)) * timedelta(days=1)
        + random.choice((-1, 0, 0, 0, 1)) * _MICROSECOND
    )


def tiers(random: Random, metric: str, period: TierPeriod) -> Tiers:
    thresholds = sorted(random.sample((0, 1, 2, 3, 5) if metric != "revenue" else (0, 100, 250, 999), 3))
    steps = [Tier(name, name, value, "") for name, value in zip(("bronze", "silver", "gold"), thresholds, strict=True)]
    return Tiers(metric, period, tuple(steps))


def _program(seed: int, key: str) -> Program:
    random = Random(seed)
    metric, period = METRICS[seed % len(METRICS)], random.choice(list(TierPeriod))
    return Program(
        key=key,
        brand=Brand("Acme", "Acme", "partners@example.com", "partners@example.com", "", "", ""),
        zone=random.choice(("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")),
        locale="en",
        currency="EUR",
        minor_digits=seed % 4,
        ladder=tuple(Status(f"{kind}-{n}", kind, kind) for kind in StatusKind for n in (1, 2)),
        tiers=tiers(random, metric, period) if seed else None,
        topics={},
        feeds={},
        attributes={name: type_ for name, (type_, _) in _ATTRIBUTES.items()},
    )


PROGRAMS = [_program(seed, "acme") for seed in range(4)]
"""Few, so that statements are built few times; the first has no tiers."""
OTHER = _program(4, "other")


def world(random: Random, program: Program, ids: "count[int]", size: int = 1) -> World:
    """A program's world; `ids` are handed on so that several lie in one database."""
    made = World(program)
    made.companies = {name: next(ids) for name in COMPANIES}
    made.staff = {name: next(ids) for name in STAFF}
    for _ in range(random.randint(0, 5) * size):
        made.partners.append(_partner(random, next(ids)))
    for _ in range(random.randint(0, 9) * size if made.partners else 0):
        made.referrals.append(_referral(random, made, next(ids)))
    for _ in range(random.randint(0, 5) * size if made.partners else 0):
        made.rewards.append(_reward(random, made, next(ids)))
    return made


def _spans(random: Random, most: int, always: float) -> list[tuple[datetime, datetime | None]]:
    """Stretches of time that follow each other, sometimes with a gap or an end."""
    edges = sorted({instant(random) for _ in range(random.randint(1, most))})
    if random.random() < always:
        edges[0] = BEGINNING
    spans: list[tuple[datetime, datetime | None]] = list(pairwise(edges))
    return [*spans, (edges[-1], None)]


def _partner(random: Random, id_: int) -> Partner:
    partner = Partner(id_, random.choice((None, instant(random), instant(random), _START)))
    for start, end in _spans(random, 4, 0.8):
        partner.versions.append(
            PartnerVersion(
                start,
                end,
                random.choice((*PARTNER_STATUSES, "active", "active")),
                random.choice((None, "sales-1", "sales-2")),
                random.choice((None, *COMPANIES)),
                random.choice((None, "north", "North")),
                random.choice((None, "en", "de")),
            )
        )
    for name, (_, options) in _ATTRIBUTES.items():
        spans = _spans(random, 3, 0.7)
        for start, end in random.sample(spans, random.randint(0, len(spans))):
            partner.attributes.append(AttributeVersion(name, start, end, random.choice((None, *options))))
    partner.logins = [instant(random) for _ in range(random.randint(0, 3))]
    asked = {(random.choice(QUESTIONS), instant(random)) for _ in range(random.randint(0, 4))}
    partner.answers = [(question, at, random.choice(("fine", "stuck"))) for question, at in sorted(asked)]
    return partner


def _referral(random: Random, world: World, id_: int) -> Referral:
    partner = random.choice(world.partners)
    # Sometimes the day that the partner joined, or to the microsecond the end of the first days.
    around = [at for at in (partner.joined_at,) if at is not None]
    submitted_at = random.choice((None, instant(random), instant(random), *around))
    referral = Referral(id_, partner.id)
    qualified, qualified_at = False, None
    fixed = random.choice((None, *METHODS)), random.choice((None, "one", "two"))
    for start, end in _spans(random, 5, 0.3):
        status = random.choice(
            [f"{kind}-{n}" for kind in (*StatusKind, StatusKind.WON, StatusKind.LOST) for n in (1, 2)]
        )
        kind = StatusKind(status[:-2])
        since = None if start == BEGINNING or random.random() < 0.15 else start
        if kind in _QUALIFIED:
            qualified_at = qualified_at if qualified else since
            qualified = True
        amount = random.choice((None, 0, 1, 100, 250, 999, 1000, -100, 10**15))
        referral.versions.append(
            ReferralVersion(
                *(start, end, status, kind, since, qualified, qualified_at, submitted_at, amount, *fixed),
                random.choice((None, *STAFF)),
                random.random() < 0.3,
            )
        )
    referral.asked_at = sorted({instant(random) for _ in range(random.choice((0, 0, 1, 2)))})
    return referral


def _reward(random: Random, world: World, id_: int) -> Reward:
    referral = random.choice((None, *(one.id for one in world.referrals)))
    reversed_at = random.choice((None, None, instant(random)))
    partner = random.choice(world.partners).id
    return Reward(
        id_,
        partner,
        referral,
        random.choice((0, 100, 12345)),
        random.choice((None, instant(random), instant(random))),
        reversed_at,
        random.choice((None, "win", "retention")),
    )


def store(db: Connection, program_id: int, world: World, ids: "count[int]") -> None:
    """Writes the world into the tables, as rows of the program with this id."""
    db.execute(tables.programs.insert(), [{"id": program_id, "key": world.program.key}])
    staff = world.staff or {name: next(ids) for name in STAFF}
    companies = world.companies or {name: next(ids) for name in COMPANIES}
    named = {"program_id": program_id}
    _insert(db, tables.staff, [{**named, "id": id_, "external_id": name} for name, id_ in staff.items()])
    _insert(
        db,
        tables.companies,
        [{**named, "id": id_, "external_id": name, "attributes": {}} for name, id_ in companies.items()],
    )
    for partner in world.partners:
        _store_partner(db, named, partner, staff, companies)
    for referral in world.referrals:
        _store_referral(db, named, referral, staff)
    _insert(
        db,
        tables.rewards,
        [
            {
                **named,
                "id": reward.id,
                "external_id": str(reward.id),
                "partner_id": reward.partner,
                "referral_id": reward.referral,
                "amount": reward.amount,
                "earned_at": reward.earned_at,
                "reversed_at": reward.reversed_at,
                "stage": reward.stage,
            }
            for reward in world.rewards
        ],
    )


def _store_partner(
    db: Connection, named: dict[str, Any], partner: Partner, staff: dict[str, int], companies: dict[str, int]
) -> None:
    last = partner.versions[-1]
    row = {**named, "id": partner.id, "external_id": str(partner.id), "attributes": {}}
    _insert(db, tables.partners, [{**row, "status": last.status, "joined_at": partner.joined_at}])
    named = {**named, "partner_id": partner.id}
    _insert(
        db,
        tables.partner_versions,
        [
            {
                **named,
                "valid_from": version.start,
                "valid_to": version.end,
                "status": version.status,
                "owner_id": version.owner and staff[version.owner],
                "company_id": version.company and companies[version.company],
                "region": version.region,
                "locale": version.locale,
            }
            for version in partner.versions
        ],
    )
    _insert(
        db,
        tables.partner_attributes,
        [
            {
                **named,
                "name": version.name,
                "valid_from": version.start,
                "valid_to": version.end,
                "text": None
                if version.value is None
                else str(version.value).lower()
                if isinstance(version.value, bool)
                else str(version.value),
                "number": version.value if isinstance(version.value, float) else None,
            }
            for version in partner.attributes
        ],
    )
    _insert(
        db,
        tables.answers,
        [{**named, "question": asked, "answered_at": at, "answer": text} for asked, at, text in partner.answers],
    )
    happened = [("partner.logged_in", at) for at in partner.logins]
    # Not a login: facts must look at the kind.
    happened.append(("partner.registered", _START + timedelta(days=60)))
    _insert(
        db,
        tables.events,
        [
            {
                **named,
                "kind": kind,
                "key": f"{partner.id}:{n}",
                "occurred_at": at,
                "observed_at": at,
                "source": "test",
            }
            for n, (kind, at) in enumerate(happened)
        ],
    )


def _store_referral(db: Connection, named: dict[str, Any], referral: Referral, staff: dict[str, int]) -> None:
    named = {**named, "partner_id": referral.partner}
    row = {**named, "id": referral.id, "external_id": str(referral.id), "last_sequence": 0}
    _insert(db, tables.referrals, [{**row, "status": referral.versions[-1].status}])
    _insert(
        db,
        tables.referral_versions,
        [
            {
                **named,
                "referral_id": referral.id,
                "valid_from": version.start,
                "valid_to": version.end,
                "status": version.status,
                "kind": version.kind,
                "since": version.since,
                "qualified": version.qualified,
                "qualified_at": version.qualified_at,
                "submitted_at": version.submitted_at,
                "amount": version.amount,
                "method": version.method,
                "product": version.product,
                "salesperson_id": version.salesperson and staff[version.salesperson],
                "in_doubt": version.in_doubt,
            }
            for version in referral.versions
        ],
    )

    _insert(
        db,
        tables.help_requests,
        [
            {"program_id": named["program_id"], "referral_id": referral.id, "asked_at": at, "ask": "who signs?"}
            for at in referral.asked_at
        ],
    )


def _insert(db: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        db.execute(table.insert(), rows)
