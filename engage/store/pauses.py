"""Pauses: until when a partner takes a rest from marketing mail. The latest word holds, as of any instant."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.store.last_words import last_words, move_words, say
from engage.store.tables import pauses


@dataclass(frozen=True, slots=True)
class Pause:
    """No marketing mail before `until`; None: the pause was ended. Since when that holds, and how it was said."""

    until: datetime | None
    since: datetime
    how: str

    def lasts(self, now: datetime) -> bool:
        return self.until is not None and now < self.until


def pauses_of(db: Connection, partner_ids: Collection[int], as_of: datetime | None = None) -> dict[int, Pause]:
    """What holds for each of these partners, over or not; who never took one is left out. One statement."""
    rows = last_words(db, pauses, partner_ids, as_of)
    return {id_: Pause(row.until, row.changed_at, row.how) for id_, row in rows.items()}


def change_pause(
    db: Connection, program_id: int, partner_id: int, until: datetime | None, now: datetime, how: str, source: str
) -> bool:
    """Stores until when a partner wants no marketing mail (None: they want it again); False if nothing changes.

    The partner is locked by the caller.
    """
    stands = pauses_of(db, [partner_id]).get(partner_id)
    lasting = stands.until if stands is not None and stands.lasts(now) else None
    if lasting == until:
        return False
    say(db, pauses, program_id, partner_id, {"until": until}, now, how, source)
    return True


def move_pauses(db: Connection, merged: int, survivor: int) -> None:
    """A partner who was merged into another said it for that one: of both the later word holds."""
    move_words(db, pauses, merged, survivor)
