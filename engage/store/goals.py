"""Goals: who did what a campaign is for after entering it, out of the history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import Conversion, EventKind
from engage.domain.programs import StatusKind
from engage.store.tables import events, referral_versions
from engage.store.upserts import one_of


def converted(
    db: Connection, conversion: Conversion, entered: Mapping[int, datetime], now: datetime
) -> dict[int, list[tuple[datetime, int]]]:
    """What these partners have done since the earliest of `entered` (by partner) up to `now`: (when, amount), in order.

    The amount, in minor units, is that of a win, otherwise 0. Wins are those that stand as of `now`.
    """
    if not entered:
        return {}
    since = min(entered.values())
    query = _logins if conversion is Conversion.LOGIN else _referrals if conversion is Conversion.REFERRAL else _wins
    found: dict[int, list[tuple[datetime, int]]] = {}
    for row in db.execute(query(db, list(entered), since, now)):
        partner_id, at, amount = row
        found.setdefault(partner_id, []).append((at, amount or 0))
    return found


def _logins(db: Connection, ids: list[int], since: datetime, now: datetime) -> sa.Select[Any]:
    e = events.c
    query = sa.select(e.partner_id, e.occurred_at, sa.literal(0))
    query = query.where(one_of(db, e.partner_id, ids), e.kind == EventKind.LOGGED_IN)
    return query.where(e.occurred_at > since, e.occurred_at <= now).order_by(e.occurred_at)


def _referrals(db: Connection, ids: list[int], since: datetime, now: datetime) -> sa.Select[Any]:
    v = referral_versions.c
    query = sa.select(v.partner_id, v.submitted_at, sa.literal(0)).where(one_of(db, v.partner_id, ids), _stands(now))
    return query.where(v.submitted_at > since, v.submitted_at <= now).order_by(v.submitted_at)


def _wins(db: Connection, ids: list[int], since: datetime, now: datetime) -> sa.Select[Any]:
    v = referral_versions.c
    query = sa.select(v.partner_id, v.since, v.amount).where(one_of(db, v.partner_id, ids), _stands(now))
    query = query.where(v.kind == StatusKind.WON, v.since > since, v.since <= now)
    return query.order_by(v.since)


def _stands(now: datetime) -> sa.ColumnElement[bool]:
    v = referral_versions.c
    return sa.and_(v.valid_from <= now, sa.or_(v.valid_to.is_(None), v.valid_to > now))
