"""One delivery with all that is known of it: its attempts, what was reported, what was decided, the mail if it is kept.

Each part is read by an index of its own, and stops at its limit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.store.settling import Tried
from engage.store.tables import (
    addresses,
    attempts,
    campaign_versions,
    decisions,
    deliveries,
    feedback,
    kept_messages,
    partners,
)

MOST = 100
"""How many attempts, reports and decisions are shown of one delivery, the latest."""


@dataclass(frozen=True, slots=True)
class OneDelivery:
    """`version_seen`: when engage first saw the version of the campaign that it was made by. `keeps_mail`: what was
    composed is kept, because ENGAGE_SEND_TO did not let it out.
    """

    id: int
    public_id: str
    program_id: int
    campaign: str
    version_id: int
    version_seen: datetime
    step: str
    template: str
    topic: str
    lane: str
    locale: str | None
    recipient: str
    partner: str | None
    email: str | None
    occasion: str
    enrollment_id: int
    state: DeliveryState
    reason: str | None
    reported: str | None
    provider_id: str | None
    attempts: int
    claims: int
    held_out: bool
    into_id: int | None
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    settled_at: datetime | None
    looked_up_at: datetime | None
    lease_until: datetime | None
    keeps_mail: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: `finished_at` and `tried.outcome` None: no answer was stored."""

    tried: Tried
    subject: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """What the provider reported, or we saw, of it."""

    kind: str
    occurred_at: datetime
    observed_at: datetime
    machine: bool
    reason: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class DecisionKept:
    """A decision of its entry into the campaign, with the values behind it."""

    step: str
    phase: str
    decision: str
    reason: str | None
    until: datetime | None
    values: Mapping[str, Any]
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class KeptMail:
    """What was composed."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    composed_at: datetime


def one_delivery(db: Connection, id_: int, program_ids: Collection[int]) -> OneDelivery | None:
    """The delivery with this id, if it is in one of these programs."""
    d = deliveries.c
    others: dict[str, sa.ColumnElement[Any]] = {
        "version_seen": campaign_versions.c.first_seen,
        "partner": partners.c.external_id,
        "email": addresses.c.email,
        "keeps_mail": kept_messages.c.delivery_id.is_not(None),
    }
    columns = [(others[name] if name in others else d[name]).label(name) for name in OneDelivery.__dataclass_fields__]
    query = (
        sa.select(*columns)
        .select_from(deliveries)
        .join(campaign_versions, campaign_versions.c.id == d.version_id)
        .outerjoin(partners, partners.c.id == d.partner_id)
        .outerjoin(addresses, addresses.c.id == d.address_id)
        .outerjoin(kept_messages, kept_messages.c.delivery_id == d.id)
        .where(d.id == id_, d.program_id.in_(program_ids))
    )
    row = db.execute(query).one_or_none()
    return OneDelivery(**(dict(row._mapping) | {"state": DeliveryState(row.state)})) if row is not None else None


def attempts_of(db: Connection, id_: int) -> list[Attempt]:
    """Its attempts, the last first."""
    a = attempts.c
    query = sa.select(a.number, a.started_at, a.outcome, a.status, a.detail, a.subject, a.finished_at)
    rows = db.execute(query.where(a.delivery_id == id_).order_by(a.number.desc()).limit(MOST))
    return [Attempt(Tried(*row[:5]), row.subject, row.finished_at) for row in rows]


def reports_of(db: Connection, id_: int) -> list[Report]:
    """What was reported of it, the latest first."""
    f = feedback.c
    query = sa.select(f.kind, f.occurred_at, f.observed_at, f.machine, f.reason, f.url).where(f.delivery_id == id_)
    return [Report(*row) for row in db.execute(query.order_by(f.occurred_at.desc(), f.id.desc()).limit(MOST))]


def decisions_of(db: Connection, enrollment_id: int) -> list[DecisionKept]:
    """What was decided of the entry into the campaign that it came of, the latest first."""
    c = decisions.c
    query = sa.select(c.step, c.phase, c.decision, c.reason, c.until, c["values"], c.decided_at)
    rows = db.execute(query.where(c.enrollment_id == enrollment_id).order_by(c.id.desc()).limit(MOST))
    return [DecisionKept(*row) for row in rows]


def kept_mail(db: Connection, id_: int) -> KeptMail | None:
    """What was composed, if it is kept."""
    k = kept_messages.c
    query = sa.select(k.subject, k.html, k.text, k.headers, k.composed_at).where(k.delivery_id == id_)
    row = db.execute(query).one_or_none()
    return KeptMail(*row) if row is not None else None
