"""Bursts of status changes: how many each source told of lately, and those that wait for an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.store.tables import events, held_changes, source_changes
from engage.store.upserts import BATCH, one_of

HELD, RELEASED, DROPPED = "held", "released", "dropped"


@dataclass(frozen=True, slots=True)
class HeldChanges:
    """One burst. `reason`: what came, from where and beyond which limit, when it began."""

    id: int
    program_id: int
    source: str
    state: str
    reason: str
    held_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What a burst is made of: how many changes lead to each status, the most frequent first, and whom they concern."""

    statuses: dict[str, int]
    referrals: int
    partners: int

    @property
    def changes(self) -> int:
        return sum(self.statuses.values())


_HELD = [held_changes.c[name] for name in HeldChanges.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Lately:
    """What a source told of lately. `held_id`: its burst that is held, of which there is one at the most."""

    held_id: int | None
    changes: int
    first_at: datetime | None


def _lately() -> "sa.Select[Any]":
    h, s = held_changes.c, source_changes.c
    program_id: sa.BindParameter[Any] = sa.bindparam("program_id")
    source: sa.BindParameter[Any] = sa.bindparam("source")
    held = sa.select(h.id).where(h.program_id == program_id, h.source == source, h.state == HELD)
    mine = sa.and_(s.program_id == program_id, s.source == source)
    many = sa.select(sa.func.coalesce(sa.func.sum(s.changes), 0)).where(mine, s.at > sa.bindparam("since"))
    first = sa.select(sa.func.min(s.at, type_=s.at.type)).where(mine)
    return sa.select(held.scalar_subquery(), many.scalar_subquery(), first.scalar_subquery())


_LATELY = _lately()  # made once: to build it takes longer than to run it, and each status change is asked about


def told_lately(db: Connection, program_id: int, source: str, since: datetime) -> Lately:
    """How many status changes of a source were let through after `since`; when the first that is known of came."""
    held_id, changes, first_at = db.execute(_LATELY, {"program_id": program_id, "source": source, "since": since}).one()
    return Lately(held_id, int(changes), first_at)


def note_changes(db: Connection, program_id: int, source: str, changes: int, now: datetime) -> None:
    """Counts a batch that is let through."""
    db.execute(sa.insert(source_changes).values(program_id=program_id, source=source, at=now, changes=changes))


def forget_changes(db: Connection, program_id: int, source: str, until: datetime) -> None:
    """What was let through up to then is counted no more."""
    s = source_changes.c
    db.execute(sa.delete(source_changes).where(s.program_id == program_id, s.source == source, s.at <= until))


def begin_hold(db: Connection, program_id: int, source: str, reason: str, now: datetime) -> int:
    values = {"program_id": program_id, "source": source, "state": HELD, "reason": reason, "held_at": now}
    return int(db.execute(sa.insert(held_changes).values(values).returning(held_changes.c.id)).scalar_one())


def hold_events(db: Connection, held_id: int, event_ids: Sequence[int]) -> None:
    """Events that were to be matched wait for the operator instead."""
    e = events.c
    for start in range(0, len(event_ids), BATCH):
        some = one_of(db, e.id, event_ids[start : start + BATCH])
        db.execute(sa.update(events).where(some).values(unmatched=None, held_id=held_id))


def hold_waiting(db: Connection, program_id: int, source: str, held_id: int) -> None:
    """The source's status changes that no campaign has heard of yet wait for the operator, too.

    Those that an operator has released go on.
    """
    e = events.c
    mine = sa.and_(e.program_id == program_id, e.source == source, e.kind == EventKind.STATUS_CHANGED)
    waiting = sa.update(events).where(e.unmatched, e.held_id.is_(None), mine)
    db.execute(waiting.values(unmatched=None, held_id=held_id))


def held_bursts(db: Connection) -> list[HeldChanges]:
    """The bursts that are held, oldest first."""
    query = sa.select(*_HELD).where(held_changes.c.state == HELD).order_by(held_changes.c.id)
    return [HeldChanges(**row._mapping) for row in db.execute(query)]


def get_burst(db: Connection, held_id: int) -> HeldChanges | None:
    row = db.execute(sa.select(*_HELD).where(held_changes.c.id == held_id)).first()
    return HeldChanges(**row._mapping) if row else None


def decide_burst(db: Connection, burst: HeldChanges, state: str, now: datetime, why: str) -> bool:
    """Releases or drops a burst, and lets its source begin to count anew; False if somebody has decided already.

    Call it under `lock_intake`: a batch must not join a burst that is being decided.
    """
    c = held_changes.c
    held = sa.update(held_changes).where(c.id == burst.id, c.state == HELD)
    if db.execute(held.values(state=state, decided_at=now, why=why)).rowcount != 1:
        return False
    forget_changes(db, burst.program_id, burst.source, now)
    return True


def release_events(db: Connection, held_id: int) -> list[int]:
    """The events of a burst are to be matched after all."""
    e = events.c
    statement = sa.update(events).where(e.held_id == held_id).values(unmatched=True).returning(e.id)
    return sorted(db.execute(statement).scalars())


def tally(db: Connection, held_id: int) -> Tally:
    e = events.c
    many = sa.func.count()
    statuses = (
        sa.select(e.to_status, many)
        .where(e.held_id == held_id)
        .group_by(e.to_status)
        .order_by(many.desc(), e.to_status)
    )
    referrals, partners = db.execute(
        sa.select(sa.func.count(e.referral_id.distinct()), sa.func.count(e.partner_id.distinct())).where(
            e.held_id == held_id
        )
    ).one()
    return Tally({status: count for status, count in db.execute(statuses)}, referrals, partners)


def moments(db: Connection, held_id: int) -> list[tuple[str, datetime]]:
    """(status that it leads to, when it happened) of each change of a burst."""
    e = events.c
    rows: Any = db.execute(sa.select(e.to_status, e.occurred_at).where(e.held_id == held_id).order_by(e.id))
    return [(status, at) for status, at in rows]
