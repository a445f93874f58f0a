"""Carries what a partner said along when their address changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.consent import FOLLOWS_THE_PERSON
from engage.store.consent import MOVED, recorded
from engage.store.tables import address_refusals, consent_changes, subscriptions, suppressions
from engage.store.upserts import insert_many, one_of, update_each


@dataclass(frozen=True, slots=True)
class Move:
    """A partner of a program has another address than before."""

    partner_id: int
    old_address_id: int
    new_address_id: int


def follow(db: Connection, program_id: int, moves: Sequence[Move], now: datetime) -> None:
    """Partners take what they said to their new address; what was said at the old one stays there too.

    Their wish to get nothing and their complaints suppress the new address; a bounce is the old address's own. Topics
    that were noted as refused at the old address become the partner's own refusals, and so hold wherever they go.
    """
    if moves:
        _suppress_new_addresses(db, program_id, moves, now)
        _make_refusals_their_own(db, program_id, moves, now)


def _suppress_new_addresses(db: Connection, program_id: int, moves: Sequence[Move], now: datetime) -> None:
    c = suppressions.c
    held = {move.old_address_id for move in moves} | {move.new_address_id for move in moves}
    query = sa.select(c.address_id, c.reason, c.created_at).where(one_of(db, c.address_id, held))
    stand: dict[int, dict[str, datetime]] = {}
    for address_id, reason, at in db.execute(query):
        stand.setdefault(address_id, {})[reason] = at
    new: dict[tuple[int, str], dict[str, Any]] = {}
    changes = []
    for move in moves:
        for reason, at in stand.get(move.old_address_id, {}).items():
            if reason in FOLLOWS_THE_PERSON and reason not in stand.get(move.new_address_id, {}):
                row = {"address_id": move.new_address_id, "reason": reason, "created_at": at}
                if new.setdefault((move.new_address_id, reason), row) is row:
                    how = f"{MOVED}: {reason}"
                    changes.append(recorded(program_id, move.new_address_id, None, now, how, None, move.partner_id))
    insert_many(db, suppressions, list(new.values()), or_ignore=True)
    insert_many(db, consent_changes, changes)


def _make_refusals_their_own(db: Connection, program_id: int, moves: Sequence[Move], now: datetime) -> None:
    r, s = address_refusals.c, subscriptions.c
    old = {move.old_address_id for move in moves}
    noted: dict[int, list[tuple[str, datetime]]] = {}
    query = sa.select(r.address_id, r.topic, r.refused_at)
    for address_id, topic, at in db.execute(query.where(r.program_id == program_id, one_of(db, r.address_id, old))):
        noted.setdefault(address_id, []).append((topic, at))
    if not noted:
        return
    movers = {move.partner_id for move in moves}
    said = sa.select(s.partner_id, s.address_id, s.topic, s.id, s.subscribed, s.changed_at)
    words: dict[tuple[int, int, str], Any] = {
        (row.partner_id, row.address_id, row.topic): row
        for row in db.execute(said.where(one_of(db, s.partner_id, movers)))
    }
    new, turned, changes = [], [], []
    for move in moves:
        for topic, at in noted.get(move.old_address_id, ()):
            word = words.get((move.partner_id, move.old_address_id, topic))
            if word is not None and (not word.subscribed or word.changed_at > at):
                continue
            wish = {"subscribed": False, "changed_at": at, "how": MOVED}
            if word is None:
                key = {"program_id": program_id, "partner_id": move.partner_id, "address_id": move.old_address_id}
                new.append({**key, "topic": topic, **wish})
            else:
                turned.append({"id": word.id, **wish})
            how = f"{MOVED}: unsubscribe"
            changes.append(recorded(program_id, move.old_address_id, topic, now, how, None, move.partner_id))
    insert_many(db, subscriptions, new, or_ignore=True)
    update_each(db, subscriptions, turned)
    insert_many(db, consent_changes, changes)
