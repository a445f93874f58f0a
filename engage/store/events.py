"""The event history, as matching reads it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import events, referrals, rewards
from engage.store.upserts import one_of

UNMATCHED = sa.text("events.unmatched")
"""As the index of those that wait says it: SQLite does not use it for `unmatched = 1`, which it would be written."""


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """An event with the external ids that its keys are made of. `held_id`: the burst with which it waited."""

    id: int
    program_id: int
    kind: str
    partner_id: int
    referral_id: int | None
    reward_id: int | None
    sequence: int | None
    from_status: str | None
    to_status: str | None
    occurred_at: datetime
    observed_at: datetime
    held_id: int | None
    referral: str | None
    reward: str | None


_EVENT = [events.c[name] for name in HistoryEvent.__dataclass_fields__ if name not in ("referral", "reward")]


def _events() -> "sa.Select[tuple[object, ...]]":
    return (
        sa.select(*_EVENT, referrals.c.external_id.label("referral"), rewards.c.external_id.label("reward"))
        .outerjoin(referrals, referrals.c.id == events.c.referral_id)
        .outerjoin(rewards, rewards.c.id == events.c.reward_id)
        .order_by(events.c.id)
    )


def take_unmatched(db: Connection, ids: Collection[int]) -> list[HistoryEvent]:
    """Those of `ids` that wait to be matched, marked as matched in this transaction. Two workers never take one."""
    e = events.c
    free = sa.select(e.id).where(one_of(db, e.id, ids), e.unmatched).order_by(e.id).with_for_update(skip_locked=True)
    statement = sa.update(events).where(e.id.in_(free.scalar_subquery())).values(unmatched=None).returning(e.id)
    taken = list(db.execute(statement).scalars())
    if not taken:
        return []
    return [HistoryEvent(**row._mapping) for row in db.execute(_events().where(one_of(db, e.id, taken)))]


def unmatched(db: Connection, observed_before: datetime, limit: int) -> list[int]:
    """Events whose hint was lost."""
    e = events.c
    query = sa.select(e.id).where(UNMATCHED, e.observed_at <= observed_before).order_by(e.id).limit(limit)
    return list(db.execute(query).scalars())


def count_unmatched(db: Connection, most: int) -> int:
    """How many events wait to be matched, counted up to `most`."""
    some = sa.select(sa.literal(1)).select_from(events).where(UNMATCHED).limit(most).subquery()
    return int(db.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def events_between(db: Connection, program_id: int, kind: str, after: datetime, until: datetime) -> list[HistoryEvent]:
    """What happened after `after` up to and including `until`."""
    e = events.c
    query = _events().where(e.program_id == program_id, e.kind == kind, e.occurred_at > after, e.occurred_at <= until)
    return [HistoryEvent(**row._mapping) for row in db.execute(query)]
