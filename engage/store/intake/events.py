"""New events of a batch: gathered by natural key, so that the same observation twice is one event."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.histories import Change
from engage.store.intake.entities import Entity, parts
from engage.store.tables import events
from engage.store.upserts import insert_many, one_of


@dataclass(slots=True)
class NewEvent:
    """An event to be written. `news`: it is to be matched with campaigns."""

    kind: EventKind
    key: str
    occurred_at: datetime
    news: bool
    partner: Entity
    referral: Entity | None = None
    reward: Entity | None = None
    sequence: int | None = None
    from_status: str | None = None
    to_status: str | None = None


class Events:
    """The events that a batch knows and adds."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._new: list[NewEvent] = []

    def load(self, db: Connection, program_id: int, keys: Iterable[str]) -> None:
        """Reads which of these keys are stored."""
        for part in parts(sorted(set(keys))):
            query = sa.select(events.c.key).where(events.c.program_id == program_id, one_of(db, events.c.key, part))
            self._known.update(db.execute(query).scalars())

    def add(self, event: NewEvent) -> bool:
        """Adds the event unless it is known; says whether it was new."""
        if event.key in self._known:
            return False
        self._known.add(event.key)
        self._new.append(event)
        return True

    def write(self, db: Connection, program_id: int, observed_at: datetime, source: str) -> dict[int, EventKind]:
        """Inserts the new events; the ids of those that are news with their kinds, in the order of arrival."""
        if not self._new:
            return {}
        rows = [
            {
                "program_id": program_id,
                "kind": event.kind,
                "key": event.key,
                # A referral may have changed hands in the meantime: the event stays with whom it happened to.
                "partner_id": event.partner.id,
                "referral_id": event.referral.id if event.referral else None,
                "reward_id": event.reward.id if event.reward else None,
                "sequence": event.sequence,
                "from_status": event.from_status,
                "to_status": event.to_status,
                "occurred_at": event.occurred_at,
                "observed_at": observed_at,
                "source": source,
                "unmatched": True if event.news else None,
            }
            for event in self._new
        ]
        ids = {row.key: row.id for row in insert_many(db, events, rows, events.c.id, events.c.key)}
        return {ids[event.key]: event.kind for event in self._new if event.news}


def load_changes(db: Connection, referral_ids: Iterable[int]) -> dict[int, list[Change]]:
    """The status changes of each of these referrals, in the order of arrival."""
    changes: dict[int, list[Change]] = {}
    e = events.c
    for part in parts(sorted(referral_ids)):
        query = (
            sa.select(e.referral_id, e.to_status, e.occurred_at, e.sequence, e.observed_at)
            .where(one_of(db, e.referral_id, part), e.kind == EventKind.STATUS_CHANGED)
            .order_by(e.referral_id, e.sequence)
        )
        for referral_id, status, at, sequence, observed_at in db.execute(query):
            changes.setdefault(referral_id, []).append(Change(status, at, sequence, observed_at))
    return changes
