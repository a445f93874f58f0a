"""Refusals that were said elsewhere: taken many at a time, and carried along when a partner's address changes.

A suppression is kept with the earliest instant that was told, a refused topic with the latest, so that the order in
which sources are read does not matter. What has no date was said when it was first told.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.consent import FOLLOWS_THE_PERSON, Refusal, SuppressionReason
from engage.domain.records import Outcome
from engage.store.tables import address_refusals, addresses, consent_changes, partners, subscriptions, suppressions
from engage.store.upserts import insert_many, one_of, update_each

Key = tuple[str, SuppressionReason | None, str | None]
"""A refusal without its time: address, reason, topic."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A refusal as it is stored."""

    id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """A partner of a program has another address than before."""

    partner_id: int
    old_address_id: int
    new_address_id: int


def standing_refusals(db: Connection, program_id: int, emails: Collection[str]) -> dict[Key, Standing]:
    """The suppressions of these (lowercased) addresses, and the topics noted as refused at them, in two statements."""
    s, r, a = suppressions.c, address_refusals.c, addresses.c
    suppressed = sa.select(a.email, s.reason, s.id, s.created_at).join(addresses, a.id == s.address_id)
    refused = sa.select(a.email, r.topic, r.id, r.refused_at).join(addresses, a.id == r.address_id)
    found: dict[Key, Standing] = {}
    for email, reason, id_, at in db.execute(suppressed.where(one_of(db, a.email, emails))):
        found[email, reason, None] = Standing(id_, at)
    for email, topic, id_, at in db.execute(refused.where(one_of(db, a.email, emails), r.program_id == program_id)):
        found[email, None, topic] = Standing(id_, at)
    return found


def weigh(
    refusals: Sequence[Refusal], standing: Mapping[Key, Standing], now: datetime
) -> tuple[list[Outcome], list[Refusal]]:
    """What becomes of each refusal, and those that change something, dated, in their order. Writes nothing.

    A date to come is no date.
    """
    since = {key: known.at for key, known in standing.items()}
    outcomes: list[Outcome] = []
    news: list[Refusal] = []
    for refusal in refusals:
        key = (refusal.email, refusal.reason, refusal.topic)
        told = refusal.at if refusal.at is not None and refusal.at <= now else None
        known = since.get(key)
        if known is not None and (told is None or (told <= known if refusal.topic else told >= known)):
            outcomes.append(Outcome.UNCHANGED)
            continue
        since[key] = told or now
        news.append(replace(refusal, at=since[key]))
        outcomes.append(Outcome.ACCEPTED)
    return outcomes, news


def write_refusals(
    db: Connection,
    program_id: int,
    news: Sequence[Refusal],
    standing: Mapping[Key, Standing],
    address_ids: Mapping[str, int],
    how: str,
) -> None:
    """Stores what `weigh` found to be new, and records each change. The addresses are locked by the caller."""
    last = {(refusal.email, refusal.reason, refusal.topic): refusal.at for refusal in news}
    new_suppressions, new_topics, later, earlier = [], [], [], []
    for (email, reason, topic), at in last.items():
        known = standing.get((email, reason, topic))
        if topic is None:
            if known is None:
                new_suppressions.append({"address_id": address_ids[email], "reason": reason, "created_at": at})
            else:
                earlier.append({"id": known.id, "created_at": at})
        elif known is None:
            row = {"program_id": program_id, "address_id": address_ids[email], "topic": topic}
            new_topics.append({**row, "refused_at": at, "how": how})
        else:
            later.append({"id": known.id, "refused_at": at, "how": how})
    insert_many(db, suppressions, new_suppressions)
    insert_many(db, address_refusals, new_topics)
    update_each(db, suppressions, earlier)
    update_each(db, address_refusals, later)
    changes = [
        _change(program_id, address_ids[one.email], one.topic, one.at, f"{how}: {one.what}", one.source or None)
        for one in news
    ]
    insert_many(db, consent_changes, changes)


def partners_at(db: Connection, address_ids: Iterable[int]) -> list[sa.Row[Any]]:
    """(id, program_id, address_id) of each partner who has one of these addresses, of any program."""
    c = partners.c
    query = sa.select(c.id, c.program_id, c.address_id).where(one_of(db, c.address_id, list(address_ids)))
    return list(db.execute(query))


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
                    how = f"address change: {reason}"
                    changes.append(_change(program_id, move.new_address_id, None, now, how, None, move.partner_id))
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
    query = sa.select(s.partner_id, s.address_id, s.topic, s.id, s.subscribed, s.changed_at)
    words = {(row[0], row[1], row[2]): row for row in db.execute(query.where(one_of(db, s.partner_id, movers)))}
    new, turned, changes = [], [], []
    for move in moves:
        for topic, at in noted.get(move.old_address_id, ()):
            word = words.get((move.partner_id, move.old_address_id, topic))
            if word is not None and (not word.subscribed or word.changed_at > at):
                continue
            wish = {"subscribed": False, "changed_at": at, "how": "address change"}
            if word is None:
                key = {"program_id": program_id, "partner_id": move.partner_id, "address_id": move.old_address_id}
                new.append({**key, "topic": topic, **wish})
            else:
                turned.append({"id": word.id, **wish})
            how = "address change: unsubscribe"
            changes.append(_change(program_id, move.old_address_id, topic, now, how, None, move.partner_id))
    insert_many(db, subscriptions, new, or_ignore=True)
    update_each(db, subscriptions, turned)
    insert_many(db, consent_changes, changes)


def _change(
    program_id: int,
    address_id: int,
    topic: str | None,
    at: datetime | None,
    how: str,
    source: str | None,
    partner_id: int | None = None,
) -> dict[str, Any]:
    return {
        "program_id": program_id,
        "partner_id": partner_id,
        "address_id": address_id,
        "topic": topic,
        "subscribed": False,
        "changed_at": at,
        "how": how,
        "source": source,
    }
