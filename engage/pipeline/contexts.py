"""What a template may speak of, for many deliveries at once: loaded set-based, given as plain values."""

from collections.abc import Collection, Mapping
from datetime import datetime
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.content.wording import month_name
from engage.content.words import PLAIN, Words
from engage.domain.conditions import FactRef
from engage.domain.facts import Subject
from engage.domain.programs import Brand, Program, StatusKind, TierPeriod, address_for
from engage.domain.tiers import Period, tier_period
from engage.facts import Scope, Value, values
from engage.pipeline.sayings import A_LEAD, IN_MONTH, IN_QUARTER, IN_YEAR, SO_FAR, YOUR_REFERRAL
from engage.store.helping import HelpWanted
from engage.store.languages import locale_spoken
from engage.store.referrals import (
    later_rewards,
    previous_statuses,
    recent_referrals,
    referrals_for_mail,
    rewards_for_mail,
)
from engage.store.tables import companies, partners, staff

RECENT = 5
"""How many referrals an alert shows."""

_TIER, _NEXT, _MISSING, _PACE, _PREVIOUS, _KEEP, _DAYS = (
    FactRef("tier"),
    FactRef("next_tier"),
    FactRef("to_next_tier"),
    FactRef("tier_pace"),
    FactRef("previous_tier"),
    FactRef("to_keep_tier"),
    FactRef("days_left_in_tier_period"),
)


def partner_contexts(db: Connection, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """`partner`: who reads the mail, or whom an alert is about. `greeting_name` is empty where there is none."""
    query = (
        sa.select(partners, companies.c.name.label("company_name"), locale_spoken().label("spoken"))
        .outerjoin(companies, companies.c.id == partners.c.company_id)
        .where(partners.c.id.in_(ids))
    )
    return {
        row.id: {
            "external_id": row.external_id,
            "first_name": row.first_name or "",
            "last_name": row.last_name or "",
            "name": " ".join(filter(None, (row.first_name, row.last_name))) or row.company_name or row.external_id,
            "greeting_name": row.first_name or row.company_name or "",
            "email": row.email or "",
            "address_id": row.address_id,
            "phone": row.phone or "",
            "company": row.company_name or "",
            "region": row.region or "",
            "status": row.status,
            "locale": row.spoken,
            "zone": row.zone,
            "joined_at": row.joined_at,
        }
        for row in db.execute(query)
    }


def company_contexts(db: Connection, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """`company`: what a campaign for companies is about, and who stands for it."""
    if not ids:
        return {}
    c, contact, manager = companies.c, partners.alias("contact"), staff.alias("manager")
    query = (
        sa.select(c.id, c.external_id, c.name, contact.c.first_name, contact.c.last_name)
        .add_columns(manager.c.name.label("manager_name"))
        .outerjoin(contact, contact.c.id == c.contact_id)
        .outerjoin(manager, manager.c.id == c.manager_id)
        .where(c.id.in_(ids))
    )
    return {
        row.id: {
            "external_id": row.external_id,
            "name": row.name or row.external_id,
            "contact_name": " ".join(filter(None, (row.first_name, row.last_name))),
            "manager_name": row.manager_name or "",
        }
        for row in db.execute(query)
    }


def referral_contexts(
    db: Connection, program: Program, ids: Collection[int], words: Words
) -> dict[int, dict[str, Any]]:
    """`referral`: which one, where it stands on the ladder and what comes next."""
    if not ids:
        return {}
    before = previous_statuses(db, ids)
    return {id_: _referral(program, row, before.get(id_), words) for id_, row in referrals_for_mail(db, ids).items()}


def _referral(program: Program, row: Any, previous: str | None, words: Words) -> dict[str, Any]:
    status = program.status(row.status)
    return {
        "external_id": row.external_id,
        "lead_company": row.lead_company or row.lead_name or words(YOUR_REFERRAL),
        "lead_name": row.lead_name or "",
        "method": row.method or "",
        "product": row.product or "",
        "amount": row.amount,
        "submitted_at": row.submitted_at,
        "status": row.status,
        "status_label": words(status.label),
        "status_next": words(status.next),
        "status_at": row.status_at,
        "previous_status": previous,
        "loss_reason": row.loss_reason or "",
        "salesperson_name": row.salesperson_name or "",
        "ladder": ladder(program, row.status, words),
    }


def ladder(program: Program, current: str, words: Words = PLAIN) -> list[dict[str, str]]:
    """The rungs a reader sees: the way to a win, or, for one that was lost, the way it went."""
    kind = program.status(current).kind
    hidden = {StatusKind.LOST, StatusKind.REOPENED} - {kind}
    if kind is StatusKind.LOST:
        hidden.add(StatusKind.WON)
    rungs = [status for status in program.ladder if status.kind not in hidden]
    at = next(i for i, status in enumerate(rungs) if status.key == current)
    states = ["done" if i < at else "current" if i == at else "ahead" for i in range(len(rungs))]
    return [
        {"key": status.key, "label": words(status.label), "state": state}
        for status, state in zip(rungs, states, strict=True)
    ]


def reward_contexts(
    db: Connection, ids: Collection[int], referrals: Mapping[int, Mapping[str, Any]], now: datetime
) -> dict[int, dict[str, Any]]:
    """`reward`: what was earned, by which of `referrals`, when it is due, and what the referral may bring later."""
    if not ids:
        return {}
    fields = ("external_id", "amount", "earned_at", "due_at", "paid_at")
    rows = rewards_for_mail(db, ids)
    later = later_rewards(db, {row._mapping["referral_id"] for row in rows.values()} - {None}, now)
    return {
        id_: {
            **{name: row._mapping[name] for name in fields},
            "label": row._mapping["label"] or "",
            "stage": row._mapping["stage"] or "",
            **dict(
                zip(("later_amount", "later_at"), later.get(row._mapping["referral_id"], (None, None)), strict=True)
            ),
            "lead_company": referrals.get(row._mapping["referral_id"], {}).get("lead_company", ""),
        }
        for id_, row in rows.items()
    }


def help_context(wanted: HelpWanted | None) -> dict[str, str] | None:
    """`help`: what a salesperson asks for."""
    return {"ask": wanted.ask, "by_name": wanted.by} if wanted else None


def tier_contexts(
    db: Connection, scope: Scope, ids: Collection[int], now: datetime, words: Words
) -> dict[int, dict[str, Any] | None]:
    """`tier`: the partner's standing in the current period; None where the program has no tiers."""
    tiers = scope.program.tiers
    if tiers is None:
        return dict.fromkeys(ids)
    steps = {step.key: step for step in tiers.steps}
    period = tier_period(tiers.period, scope.program.zone, now)
    label = period_label(tiers.period, period, scope.program.zone, words)
    refs = [_TIER, _NEXT, _MISSING, _PACE, _PREVIOUS, _KEEP, _DAYS]
    found = values(db, scope, Subject.PARTNER, refs, now, ids)
    contexts: dict[int, dict[str, Any] | None] = {}
    for id_ in ids:
        facts = found[id_]
        reached, upper = steps.get(str(facts[_TIER])), steps.get(str(facts[_NEXT]))
        previous = steps.get(str(facts[_PREVIOUS]))
        value = upper.threshold - int(facts[_MISSING] or 0) if upper else None
        contexts[id_] = {
            "metric": tiers.metric,
            "value": value,
            "reached": words(reached.label) if reached else None,
            "benefit": words(reached.benefit) if reached else "",
            "next": words(upper.label) if upper else None,
            "next_benefit": words(upper.benefit) if upper else "",
            "threshold": upper.threshold if upper else None,
            "to_next": facts[_MISSING],
            "pace": _coming(facts[_PACE], facts[_MISSING]),
            "previous": words(previous.label) if previous else None,
            "keep": facts[_KEEP],
            "days_left": facts[_DAYS],
            "period_label": label,
            "share": value / upper.threshold if upper and value is not None else 1.0,
        }
    return contexts


def _coming(pace: Value, missing: Value) -> int | None:
    """What the rest of the period brings at this pace, rounded down: what is missing, as often as the pace says."""
    if not isinstance(pace, float) or not isinstance(missing, int):
        return None
    return max(floor(pace * missing + 1e-6), 0)  # a hair above, where the product of the two falls a hair short


def period_label(kind: TierPeriod, period: Period, zone: str, words: Words) -> str:
    """A period of tiers as a sentence takes it: `in 2026`, `in November 2026`, `so far`."""
    if period.end is None:  # nor is there a first day on anybody's calendar
        return words(SO_FAR)
    first = period.start.astimezone(ZoneInfo(zone)).date()
    match kind:
        case TierPeriod.YEAR:
            return words(IN_YEAR, year=first.year)
        case TierPeriod.QUARTER:
            return words(IN_QUARTER, quarter=(first.month + 2) // 3, year=first.year)
        case _:
            return words(IN_MONTH, month=month_name(first, words.locale))


def recent_contexts(
    db: Connection, program: Program, ids: Collection[int], words: Words
) -> dict[int, list[dict[str, Any]]]:
    """`recent_referrals`, for alerts."""
    return {
        id_: [
            {
                "lead_company": row._mapping["lead_company"] or row._mapping["lead_name"] or words(A_LEAD),
                "status_label": words(program.status(row._mapping["status"]).label),
                "submitted_at": row._mapping["submitted_at"],
                "amount": row._mapping["amount"],
            }
            for row in rows
        ]
        for id_, rows in recent_referrals(db, ids, RECENT).items()
    }


def link_context(brand: Brand, partner: str | None, referral: str | None) -> dict[str, str | None]:
    """`links` that lead to the portal, by external ids; those that lead to engage itself are not known here."""
    return {
        "portal": brand.portal_url,
        "refer": brand.refer_url,
        "referral": brand.referral_url(referral) if referral else None,
        "register": address_for(brand.register_url, partner),
        "share": address_for(brand.share_url, partner),
        "refer_form": None,
        "page": None,
        "unsubscribe": None,
        "preferences": None,
    }


def program_context(program: Program) -> Mapping[str, Any]:
    brand = program.brand
    return {
        "key": program.key,
        "name": brand.name,
        "from_name": brand.from_name,
        "portal_url": brand.portal_url,
        "refer_url": brand.refer_url,
        "postal_address": brand.postal_address,
        "logo": brand.logo,
        "color": brand.color,
        "accent": brand.accent,
        "mark": brand.mark,
        "ally": brand.ally,
        "ally_mark": brand.ally_mark,
        "currency": program.currency,
        "minor_digits": program.minor_digits,
    }
