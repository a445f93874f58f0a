"""What a replay sent and did not send, by campaign and month, and every mail of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.store.runs import HELD
from engage.store.tables import attempts, companies, decisions, deliveries, enrollments, partners, runs, staff

MONTH = "%Y-%m"


@dataclass(slots=True)
class Tally:
    """Of one campaign: who entered, mails to partners, alerts to staff, and why not, each by the reason.

    `months` has the mails to partners by local month. `failed` are messages that could not be composed or taken;
    `held` are the reasons for which whole runs were held, with how many.
    """

    campaign: str
    entered: int = 0
    sends: int = 0
    alerts: int = 0
    skips: Counter[str] = field(default_factory=Counter)
    defers: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)

    def as_json(self, months: Iterable[str]) -> dict[str, Any]:
        reasons: Mapping[str, Counter[str]] = {
            "skips": self.skips,
            "defers": self.defers,
            "failed": self.failed,
            "held": self.held,
        }
        return {
            "campaign": self.campaign,
            "entered": self.entered,
            "sends": self.sends,
            "alerts": self.alerts,
            **{name: dict(sorted(found.items())) for name, found in reasons.items()},
            "months": {month: self.months[month] for month in months},
        }


@dataclass(frozen=True, slots=True)
class SentMail:
    """One mail of a replay; `day` is local, `at` the instant in UTC, `recipient` a partner's or a salesperson's key,
    `occasion` the key of what it is about, `locale` that of the email it was made from."""

    campaign: str
    step: str
    partner: str
    recipient: str
    occasion: str
    day: str
    at: datetime
    subject: str
    locale: str
    public_id: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """One decision that a mail is not to go out, or not now: of which step to whom, why, until when, and when decided.

    `phase` is where: on entering, in a contest, when sending. `whom` is the external id of the partner, company or
    member of staff whom the entry is about; `occasion` its key.
    """

    campaign: str
    step: str
    whom: str
    occasion: str
    phase: str
    decision: str
    reason: str
    until: datetime | None
    at: datetime


def tally(db: Connection, campaigns: Iterable[str], zone: str) -> list[Tally]:
    """What became of each campaign in a database that a replay has filled, in order of their names; and of the daily
    mails that told of theirs.
    """
    e, d, c, r = enrollments.c, deliveries.c, decisions.c, runs.c
    entered = {name: count for name, count in db.execute(sa.select(e.campaign, sa.func.count()).group_by(e.campaign))}
    found = {name: Tally(name, entered=entered.get(name, 0)) for name in sorted({*campaigns, *entered})}
    decided = (
        sa.select(e.campaign, c.decision, c.reason, sa.func.count())
        .join(enrollments, e.id == c.enrollment_id)
        .where(c.decision.in_(("defer", "skip")))
        .group_by(e.campaign, c.decision, c.reason)
    )
    for name, decision, reason, count in db.execute(decided):
        (found[name].skips if decision == "skip" else found[name].defers)[reason] += count
    failed = (
        sa.select(d.campaign, d.reason, sa.func.count())
        .where(d.state == DeliveryState.DEAD)
        .group_by(d.campaign, d.reason)
    )
    for name, reason, count in db.execute(failed):
        found[name].failed[reason or ""] += count
    held = sa.select(r.campaign, r.reason, sa.func.count()).where(r.state == HELD).group_by(r.campaign, r.reason)
    for name, reason, count in db.execute(held):
        found[name].held[reason or ""] += count
    local = ZoneInfo(zone)
    for name, recipient, at in db.execute(sa.select(d.campaign, d.recipient, d.settled_at).where(_sent())):
        one = found[name]
        if recipient.startswith("staff:"):
            one.alerts += 1
        else:
            one.sends += 1
            one.months[at.astimezone(local).strftime(MONTH)] += 1
    return list(found.values())


def sent_mails(db: Connection, zone: str) -> list[SentMail]:
    """Every mail, in order of time, campaign and recipient."""
    d, a = deliveries.c, attempts.c
    query = (
        sa.select(
            d.campaign,
            d.step,
            partners.c.external_id,
            d.recipient,
            d.occasion,
            d.settled_at,
            a.subject,
            d.locale,
            d.public_id,
        )
        .join(attempts, a.delivery_id == d.id)
        .outerjoin(partners, partners.c.id == d.partner_id)
        .where(_sent())
        .order_by(d.settled_at, d.campaign, d.recipient, d.step, d.public_id)
    )
    local = ZoneInfo(zone)
    return [
        SentMail(
            campaign,
            step,
            partner or "",
            to,
            occasion,
            f"{at.astimezone(local):%Y-%m-%d}",
            at,
            subject,
            locale or "",
            public_id,
        )
        for campaign, step, partner, to, occasion, at, subject, locale, public_id in db.execute(query)
    ]


def not_sent(db: Connection) -> list[NotSent]:
    """Every such decision, in order of time, campaign, whom and step."""
    c, e = decisions.c, enrollments.c
    whom = sa.func.coalesce(partners.c.external_id, companies.c.external_id, staff.c.external_id, "")
    query = (
        sa.select(e.campaign, c.step, whom, e.key, c.phase, c.decision, c.reason, c.until, c.decided_at)
        .join(enrollments, e.id == c.enrollment_id)
        .outerjoin(partners, partners.c.id == e.partner_id)
        .outerjoin(companies, companies.c.id == e.company_id)
        .outerjoin(staff, staff.c.id == e.staff_id)
        .where(c.decision.in_(("defer", "skip")))
        .order_by(c.decided_at, e.campaign, whom, e.key, c.step, c.phase, c.decision, c.reason, c.until)
    )
    return [NotSent(*row) for row in db.execute(query)]


def _sent() -> sa.ColumnElement[bool]:
    return deliveries.c.state == DeliveryState.ACCEPTED
