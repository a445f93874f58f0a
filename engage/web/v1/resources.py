"""What can be pushed: each part of `/v1` by its name, with its shape, its scope, and an example that can be sent."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from engage.domain.access import KeyScope
from engage.domain.facts import Feed
from engage.domain.records import LoginRecord, ReferralRecord, RewardRecord
from engage.web.v1.models import Company, Event, Login, Partner, Referral, Reward, Sent, Staff

FEEDS = {ReferralRecord: Feed.REFERRALS, LoginRecord: Feed.LOGINS, RewardRecord: Feed.REWARDS}
"""The feed of which somebody was heard who sends such a record."""


@dataclass(frozen=True, slots=True)
class Resource:
    """`one`: what one of them is called; `by_id`: each has an external id, and can be put under it."""

    name: str
    one: str
    scope: KeyScope
    adapter: TypeAdapter[Any]
    models: tuple[type[Sent], ...]
    example: dict[str, Any]
    by_id: bool = True


def _of(
    name: str, one: str, scope: KeyScope, model: type[Sent], example: dict[str, Any], by_id: bool = True
) -> Resource:
    return Resource(name, one, scope, TypeAdapter(model), (model,), example, by_id)


COMPANIES = _of(
    "companies",
    "a company",
    KeyScope.COMPANIES,
    Company,
    {"external_id": "C-10", "name": "Bright Roofs Ltd", "manager": "S-7", "attributes": {"segment": "installer"}},
)
STAFF = _of(
    "staff",
    "a member of your staff",
    KeyScope.STAFF,
    Staff,
    {"external_id": "S-7", "name": "Sam Rivera", "email": "sam@example.com", "role": "sales", "region": "north"},
)
PARTNERS = _of(
    "partners",
    "a partner",
    KeyScope.PARTNERS,
    Partner,
    {
        "external_id": "P-1",
        "email": "ann@example.com",
        "first_name": "Ann",
        "company": "C-10",
        "owner": "S-7",
        "status": "active",
        "joined_at": "2026-03-02T09:00:00Z",
    },
)
REFERRALS = _of(
    "referrals",
    "a referral",
    KeyScope.REFERRALS,
    Referral,
    {
        "external_id": "R-1",
        "partner": "P-1",
        "lead_company": "Harbour Hotels",
        "amount": "12000.00",
        "submitted_at": "2026-11-02T08:15:00Z",
    },
)
REWARDS = _of(
    "rewards",
    "a reward",
    KeyScope.REWARDS,
    Reward,
    {
        "external_id": "W-1",
        "partner": "P-1",
        "referral": "R-1",
        "amount": "250.00",
        "earned_at": "2026-11-20T12:00:00Z",
        "due_at": "2026-12-20T12:00:00Z",
    },
)
LOGINS = _of(
    "logins",
    "a login",
    KeyScope.LOGINS,
    Login,
    {"partner": "P-1", "at": "2026-11-03T07:45:00Z"},
    by_id=False,
)
EVENTS = Resource(
    "events",
    "an event",
    KeyScope.EVENTS,
    TypeAdapter(Event),
    (),
    {"type": "referral.status_changed", "referral": "R-1", "status": "won", "at": "2026-11-18T16:20:00+01:00"},
    by_id=False,
)

UPSERTED = (COMPANIES, STAFF, PARTNERS, REFERRALS, REWARDS)
"""What is put under its external id, or sent in batches."""
