"""Subscriptions: what a person said of a topic at an address, the record of each change, and which word counts."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import address_refusals, addresses, consent_changes, partners, subscriptions, suppressions
from engage.store.upserts import insert_many, insert_new, one_of, one_of_named, update_each

_LIFTED = "lifted: "
"""How a suppression that was lifted is recorded, before its reason."""
MOVED = "address change"
"""How it is recorded that what a person said came along to another address."""


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
    if _stands(db, Place(program_id, address_id), partner_id, topic, subscribed):
        return False
    c = subscriptions.c
    key = {"program_id": program_id, "partner_id": partner_id, "address_id": address_id, "topic": topic}
    wish = {"subscribed": subscribed, "changed_at": now, "how": how}
    if not insert_new(db, subscriptions, key | wish):
        own = (c.partner_id == partner_id, c.address_id == address_id, c.topic == topic)
        db.execute(sa.update(subscriptions).where(*own).values(wish))
    db.execute(sa.insert(consent_changes), {**key, **wish, "source": source})
    return True


def _stands(db: Connection, place: Place, partner_id: int, topic: str, subscribed: bool) -> bool:
    """Whether the partner's word at this place is that already, and none that came later takes its force."""
    if subscribed:
        said = words_said(db, {partner_id: place}).get(partner_id)
        return said is not None and topic in said.agreed
    c = subscriptions.c
    query = sa.select(c.address_id, c.subscribed, c.changed_at).where(c.partner_id == partner_id, c.topic == topic)
    words = db.execute(query).all()
    noes = [word.changed_at for word in words if word.address_id == place.address_id and not word.subscribed]
    return bool(noes) and all(word.changed_at <= noes[0] for word in words if word.subscribed)


@dataclass(frozen=True, slots=True)
class Word:
    """What a partner said of one topic at an address, elsewhere, at an instant that is known."""

    program_id: int
    partner_id: int
    address_id: int
    topic: str
    subscribed: bool
    at: datetime


def keep_latest_words(db: Connection, words: Iterable[Word], how: str, source: str) -> list[Word]:
    """Stores of each partner, address and topic the latest word, on a tie the no; returns those that are news.

    The same words end the same whatever the order in which they come. The addresses are locked by the caller.
    """
    latest: dict[tuple[int, int, str], Word] = {}
    for word in words:
        key = (word.partner_id, word.address_id, word.topic)
        if key not in latest or _later_word(word, latest[key].at, latest[key].subscribed):
            latest[key] = word
    c = subscriptions.c
    query = sa.select(c.partner_id, c.address_id, c.topic, c.id, c.subscribed, c.changed_at)
    query = query.where(one_of(db, c.partner_id, sorted({word.partner_id for word in latest.values()})))
    standing = {(row.partner_id, row.address_id, row.topic): row for row in db.execute(query)}
    kept, new, moved, changes = [], [], [], []
    for key, word in latest.items():
        known = standing.get(key)
        if known is not None and not _later_word(word, known.changed_at, known.subscribed):
            continue
        kept.append(word)
        wish = {"subscribed": word.subscribed, "changed_at": word.at, "how": how}
        row = {"program_id": word.program_id, "partner_id": key[0], "address_id": key[1], "topic": key[2], **wish}
        if known is None:
            new.append(row)
        else:
            moved.append({"id": known.id, **wish})
        if known is None or known.subscribed != word.subscribed:
            changes.append(row | {"source": source})
    insert_many(db, subscriptions, new)
    update_each(db, subscriptions, moved)
    insert_many(db, consent_changes, changes)
    return kept


def _later_word(word: Word, at: datetime, subscribed: bool) -> bool:
    """Whether it counts more than one that was said `at` an instant."""
    return word.at > at or (word.at == at and subscribed and not word.subscribed)


def suppress(
    db: Connection, program_id: int, partner_id: int, address_id: int, reason: str, now: datetime, how: str, source: str
) -> bool:
    """Suppresses an address in a partner's name, and records it; False if it is so already.

    The address is locked by the caller.
    """
    if not insert_new(db, suppressions, {"address_id": address_id, "reason": reason, "created_at": now}):
        return False
    change = recorded(program_id, address_id, None, now, _suppressed_as(how, reason), source, partner_id)
    insert_many(db, consent_changes, [change])
    return True


def _suppressed_as(how: str, reason: str) -> str:
    """How a suppression is recorded."""
    return f"{how}: {reason}"


def suppressions_at(db: Connection, address_ids: Collection[int]) -> dict[int, set[str]]:
    """The reasons for which each of these addresses is suppressed; one that is not is left out."""
    c = suppressions.c
    found: dict[int, set[str]] = {}
    query = sa.select(c.address_id, c.reason).where(one_of(db, c.address_id, address_ids))
    for address_id, reason in db.execute(query):
        found.setdefault(address_id, set()).add(reason)
    return found


def suppressed_by(db: Connection, partner_id: int, address_ids: Collection[int], reason: str, how: str) -> set[int]:
    """Those of these addresses of which it was this partner who last said that `reason`, by `how` or moved since.

    None once they took it back.
    """
    c = consent_changes.c
    query = sa.select(c.address_id, c.partner_id, c.subscribed, c.how).where(c.topic.is_(None))
    query = query.where(sa.or_(one_of(db, c.address_id, address_ids), c.partner_id == partner_id))
    said = [row for row in db.execute(query.order_by(c.changed_at, c.id)) if row.how.endswith(f": {reason}")]
    theirs = [row.how for row in said if row.partner_id == partner_id and not row.how.startswith(MOVED)]
    if not theirs or theirs[-1] != _suppressed_as(how, reason):
        return set()
    last = {row.address_id: row.partner_id for row in said if not row.subscribed}
    return {address_id for address_id in address_ids if last.get(address_id) == partner_id}


def lift_suppressions(
    db: Connection,
    program_id: int,
    address_id: int,
    reasons: Collection[str],
    why: str,
    now: datetime,
    partner_id: int | None = None,
) -> None:
    """Ends these suppressions of an address, and records each, in the name of a partner if one is given.

    The address is locked by the caller.
    """
    c = suppressions.c
    db.execute(sa.delete(suppressions).where(c.address_id == address_id, c.reason.in_(reasons)))
    changes = [
        recorded(program_id, address_id, None, now, f"{_LIFTED}{reason}", why, partner_id) | {"subscribed": True}
        for reason in sorted(reasons)
    ]
    insert_many(db, consent_changes, changes)


def lifted(db: Connection, address_ids: Collection[int]) -> dict[tuple[int, str], datetime]:
    """When suppressions of these addresses were last lifted, by (address, reason)."""
    c = consent_changes.c
    query = sa.select(c.address_id, c.how, c.changed_at).where(
        one_of(db, c.address_id, address_ids), c.topic.is_(None), c.subscribed
    )
    found: dict[tuple[int, str], datetime] = {}
    for address_id, how, at in db.execute(query):
        key = (address_id, how.removeprefix(_LIFTED))
        found[key] = max(at, found.get(key, at))
    return found


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


@dataclass(frozen=True, slots=True)
class Words:
    """By topic: when the no was said that counts, and the yes."""

    refused: dict[str, datetime]
    agreed: dict[str, datetime]


def refused_topics(
    db: Connection, places: Mapping[int, Place], as_of: datetime | None = None
) -> dict[int, dict[str, datetime]]:
    """The topics that each partner (by id) may not be mailed at their place, with the instant of the no that counts."""
    return {id_: words.refused for id_, words in words_said(db, places, as_of).items() if words.refused}


def words_said(db: Connection, places: Mapping[int, Place], as_of: datetime | None = None) -> dict[int, Words]:
    """What was said of topics that counts for each partner (by id) at their place; who said nothing is left out.

    One rule. The noes that concern a partner at an address are those that the partner said at any address, those that
    anybody of the program said at this address, and those that were noted for this address before engage came. The
    topic is refused if there is one, unless the partner said yes at this very address later than the last of them: a
    no goes with the person and stays with the address, a yes is meant for the address where it is said. Such a yes,
    after which no no came, is what a topic with `opt_in` asks for.
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
    found: dict[int, Words] = {}
    for partner_id, place in places.items():
        noes, agreed = dict(by_person.get(partner_id, {})), dict[str, datetime]()
        if place.address_id is not None:
            for topic, at in by_address.get((place.program_id, place.address_id), {}).items():
                _later(noes, topic, at)
            said = yes.get((partner_id, place.address_id), {})
            noes = {topic: at for topic, at in noes.items() if topic not in said or at >= said[topic]}
            agreed = {topic: at for topic, at in said.items() if topic not in noes}
        if noes or agreed:
            found[partner_id] = Words(noes, agreed)
    return found


def _later(found: dict[str, datetime], topic: str, at: datetime) -> None:
    found[topic] = max(at, found.get(topic, at))


def _words(db: Connection, places: Mapping[int, Place], as_of: datetime | None) -> Iterator[sa.Row[Any]]:
    """What was said by these partners, and at their addresses, some of it twice: in one statement."""
    values: dict[str, Any] = {
        "partner_ids": list(places),
        "address_ids": list({place.address_id for place in places.values() if place.address_id is not None}),
        "program_ids": list({place.program_id for place in places.values()}),
    }
    if as_of is not None:
        values["as_of"] = as_of
    return iter(db.execute(_words_said(db.dialect.name, as_of is not None), values))


@cache
def _words_said(dialect: str, dated: bool) -> sa.CompoundSelect[Any]:
    """Built once: it is asked for each batch that is sent, and building it costs more than running it."""
    s, r = subscriptions.c, address_refusals.c
    said = sa.select(s.partner_id, s.program_id, s.address_id, s.topic, s.subscribed, s.changed_at.label("at"))
    noted = sa.select(sa.null(), r.program_id, r.address_id, r.topic, sa.false(), r.refused_at)
    if dated:
        as_of = sa.bindparam("as_of", type_=s.changed_at.type)
        said, noted = said.where(s.changed_at <= as_of), noted.where(r.refused_at <= as_of)
    at_addresses = one_of_named(dialect, r.address_id, "address_ids")
    # each by its index: an OR of them would read the whole table
    return sa.union_all(
        said.where(one_of_named(dialect, s.partner_id, "partner_ids")),
        said.where(one_of_named(dialect, s.address_id, "address_ids")),
        noted.where(one_of_named(dialect, r.program_id, "program_ids"), at_addresses),
    )


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
