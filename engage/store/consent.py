"""Subscriptions: what a person said of a topic at an address, the record of each change, and which word counts."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import address_refusals, addresses, consent_changes, partners, subscriptions
from engage.store.upserts import insert_new, one_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partner is mailed: in which program, and at which address."""

    program_id: int
    address_id: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded change: of a topic, or of everything (None). `partner` is the id of whose it was, if of one's."""

    at: datetime
    email: str
    partner: str | None
    topic: str | None
    subscribed: bool
    how: str
    source: str


def change_subscription(
    db: Connection,
    program_id: int,
    partner_id: int,
    address_id: int,
    topic: str,
    *,
    subscribed: bool,
    now: datetime,
    how: str,
    source: str,
) -> bool:
    """Stores the wish and, if it changes anything, records the change; says whether it did.

    A partner or address that is no longer there changes nothing.
    """
    if db.execute(sa.select(partners.c.id).where(partners.c.id == partner_id)).first() is None:
        return False
    c = subscriptions.c
    key = {"program_id": program_id, "partner_id": partner_id, "address_id": address_id, "topic": topic}
    wish = {"subscribed": subscribed, "changed_at": now, "how": how}
    changed = insert_new(db, subscriptions, key | wish)
    if not changed:
        statement = (
            sa.update(subscriptions)
            .where(c.partner_id == partner_id, c.address_id == address_id, c.topic == topic)
            .where(c.subscribed.is_(not subscribed))
            .values(wish)
        )
        changed = db.execute(statement).rowcount == 1
    if changed:
        db.execute(sa.insert(consent_changes), {**key, **wish, "source": source})
    return changed


def recorded(
    program_id: int,
    address_id: int,
    topic: str | None,
    at: datetime | None,
    how: str,
    source: str | None,
    partner_id: int | None = None,
) -> dict[str, Any]:
    """The row of `consent_changes` for a no: to a topic, or to everything (None)."""
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


def is_subscribed(db: Connection, partner_id: int, address_id: int, topic: str) -> bool:
    """Whether this person has not ended the topic at this address."""
    c = subscriptions.c
    query = sa.select(c.subscribed).where(c.partner_id == partner_id, c.address_id == address_id, c.topic == topic)
    return db.execute(query).scalar() is not False


def refused_topics(
    db: Connection, places: Mapping[int, Place], as_of: datetime | None = None
) -> dict[int, dict[str, datetime]]:
    """The topics that each partner (by id) may not be mailed at their place, with the instant of the no that counts.

    One rule. The noes that concern a partner at an address are those that the partner said at any address, those that
    anybody of the program said at this address, and those that were noted for this address before engage came. The
    topic is refused if there is one, unless the partner said yes at this very address later than the last of them: a
    no goes with the person and stays with the address, a yes is meant for the address where it is said.
    """
    by_person: dict[int, dict[str, datetime]] = {}
    by_address: dict[tuple[int, int], dict[str, datetime]] = {}
    yes: dict[tuple[int, int], dict[str, datetime]] = {}
    for word in _words(db, places, as_of):
        if word.subscribed:
            yes.setdefault((word.partner_id, word.address_id), {})[word.topic] = word.at
            continue
        _later(by_address.setdefault((word.program_id, word.address_id), {}), word.topic, word.at)
        if word.partner_id is not None:
            _later(by_person.setdefault(word.partner_id, {}), word.topic, word.at)
    refused: dict[int, dict[str, datetime]] = {}
    for partner_id, place in places.items():
        noes = dict(by_person.get(partner_id, {}))
        if place.address_id is not None:
            for topic, at in by_address.get((place.program_id, place.address_id), {}).items():
                _later(noes, topic, at)
            said = yes.get((partner_id, place.address_id), {})
            noes = {topic: at for topic, at in noes.items() if topic not in said or at >= said[topic]}
        if noes:
            refused[partner_id] = noes
    return refused


def _later(found: dict[str, datetime], topic: str, at: datetime) -> None:
    found[topic] = max(at, found.get(topic, at))


def _words(db: Connection, places: Mapping[int, Place], as_of: datetime | None) -> Iterator[sa.Row[Any]]:
    """What was said by these partners, and at their addresses, some of it twice: in one statement."""
    held = {place.address_id for place in places.values() if place.address_id is not None}
    programs = {place.program_id for place in places.values()}
    s, r = subscriptions.c, address_refusals.c
    said = sa.select(s.partner_id, s.program_id, s.address_id, s.topic, s.subscribed, s.changed_at.label("at"))
    noted = sa.select(sa.null(), r.program_id, r.address_id, r.topic, sa.false(), r.refused_at)
    if as_of is not None:
        said, noted = said.where(s.changed_at <= as_of), noted.where(r.refused_at <= as_of)
    # each by its index: an OR of them would read the whole table
    ways: Iterable[sa.Select[Any]] = (
        said.where(one_of(db, s.partner_id, list(places))),
        said.where(one_of(db, s.address_id, held)),
        noted.where(one_of(db, r.program_id, programs), one_of(db, r.address_id, held)),
    )
    return iter(db.execute(sa.union_all(*ways)))


def changes_of(
    db: Connection, program_id: int, address_ids: Collection[int], partner_ids: Collection[int]
) -> list[Change]:
    """What was recorded of these addresses and partners, oldest first; of everything, whichever program recorded it."""
    c, a, p = consent_changes.c, addresses.c, partners.c
    query = (
        sa.select(c.changed_at, a.email, p.external_id, c.topic, c.subscribed, c.how, c.source)
        .join(addresses, a.id == c.address_id)
        .outerjoin(partners, p.id == c.partner_id)
        .where(sa.or_(one_of(db, c.address_id, address_ids), one_of(db, c.partner_id, partner_ids)))
        .where(sa.or_(c.program_id == program_id, c.topic.is_(None)))
        .order_by(c.changed_at, c.id)
    )
    return [Change(*row[:-1], source=row.source or "") for row in db.execute(query)]
