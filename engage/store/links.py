"""Where links of mails lead: each address once in its program, found by the id that a link of ours names."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import deliveries, links
from engage.store.upserts import BATCH, insert_many, one_of

Link = tuple[int, str]
"""A program's id and an address."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A mail that somebody does something with, and where they are led: "" for who only opens it."""

    program_id: int
    delivery: str
    settled_at: datetime | None
    url: str = ""


def link_ids(db: Connection, wanted: Collection[Link]) -> dict[Link, int]:
    """The ids of those of these links that are stored."""
    c = links.c
    hashes = sorted({_hash(url) for _, url in wanted})
    found: dict[Link, int] = {}
    for start in range(0, len(hashes), BATCH):
        query = sa.select(c.program_id, c.url, c.id).where(one_of(db, c.hash, hashes[start : start + BATCH]))
        found |= {(program_id, url): id_ for program_id, url, id_ in db.execute(query)}
    return {link: found[link] for link in wanted if link in found}


def keep_links(db: Connection, wanted: Collection[Link], now: datetime) -> dict[Link, int]:
    """The ids of these links, which are stored where they are not yet."""
    # in one order everywhere, so that two workers with the same links wait for each other in one direction only
    rows = sorted((_hash(url), program_id, url) for program_id, url in wanted)
    for start in range(0, len(rows), BATCH):
        _insert(db, rows[start : start + BATCH], now)
    return link_ids(db, wanted)


def _insert(db: Connection, rows: Sequence[tuple[str, int, str]], now: datetime) -> None:
    news = [{"program_id": id_, "hash": hash_, "url": url, "first_at": now} for hash_, id_, url in rows]
    insert_many(db, links, news, or_ignore=True)


def followed_link(db: Connection, link_id: int, delivery_id: int) -> Followed | None:
    """What a click on this link of this mail is; None where one of them is not known (any more)."""
    d, c = deliveries.c, links.c
    query = (
        sa.select(d.program_id, d.public_id, d.settled_at, c.url)
        .join_from(deliveries, links, c.program_id == d.program_id)
        .where(d.id == delivery_id, c.id == link_id)
    )
    row = db.execute(query).first()
    return Followed(*row) if row else None


def opened_mail(db: Connection, delivery_id: int) -> Followed | None:
    """The mail that was opened; None where it is not known (any more)."""
    d = deliveries.c
    row = db.execute(sa.select(d.program_id, d.public_id, d.settled_at).where(d.id == delivery_id)).first()
    return Followed(*row) if row else None


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
