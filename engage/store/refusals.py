"""Refusals that were said elsewhere, taken many at a time.

A suppression is kept with the earliest instant that was told, a refused topic with the latest, so that the order in
which sources are read does not matter. What has no date was said when it was first told.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.records import Outcome
from engage.store.consent import recorded
from engage.store.intake.checks import normal_email
from engage.store.tables import address_refusals, addresses, consent_changes, partners, suppressions
from engage.store.upserts import insert_many, one_of, update_each

Key = tuple[str, SuppressionReason | None, str | None]
"""A refusal without its time: address, reason, topic."""

_PLAIN = re.compile(r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,24}", re.ASCII)
"""Most addresses: their one form is seen at a glance, where the whole check takes as long as storing them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A refusal as it is stored."""

    id: int
    at: datetime


def address_key(text: str) -> str:
    """The address as the store keeps it: normalised, in lower case. Raises ValueError with what is wrong."""
    lowered = text.strip().lower()
    if len(lowered) <= 64 and _PLAIN.fullmatch(lowered):
        return lowered
    return normal_email(text.strip()).lower()


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
        recorded(program_id, address_ids[one.email], one.topic, one.at, f"{how}: {one.what}", one.source or None)
        for one in news
    ]
    insert_many(db, consent_changes, changes)


def partners_at(db: Connection, address_ids: Iterable[int]) -> list[sa.Row[Any]]:
    """(id, program_id, address_id) of each partner who has one of these addresses, of any program."""
    c = partners.c
    query = sa.select(c.id, c.program_id, c.address_id).where(one_of(db, c.address_id, list(address_ids)))
    return list(db.execute(query))
