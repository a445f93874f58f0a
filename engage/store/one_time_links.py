"""Links that let a user in once. Only hashes of them are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.accounts import LinkPurpose, User
from engage.store.accounts import of_row
from engage.store.tables import one_time_links, users

LASTS = {
    LinkPurpose.LOGIN: timedelta(days=1),
    LinkPurpose.INVITE: timedelta(days=3),
    LinkPurpose.RESET: timedelta(days=1),
}
"""How long a link of each kind can be used."""

_KEPT = timedelta(days=30)  # so that a page can say of an old one that it is over
_c = one_time_links.c


@dataclass(frozen=True, slots=True)
class Link:
    id: int
    purpose: LinkPurpose
    user: User


def add_link(db: Connection, user_id: int, purpose: LinkPurpose, token_hash: str, now: datetime) -> datetime:
    """Stores a link, ends those that the user had, and returns until when it can be used."""
    end_links(db, user_id, now)
    db.execute(sa.delete(one_time_links).where(_c.expires_at <= now - _KEPT))
    until = now + LASTS[purpose]
    row = {"user_id": user_id, "purpose": purpose.value, "token_hash": token_hash, "created_at": now}
    db.execute(sa.insert(one_time_links), row | {"expires_at": until})
    return until


def find_link(db: Connection, token_hash: str, now: datetime) -> Link | None:
    """A link that can be used now, by a user who is not disabled."""
    query = (
        sa.select(users, _c.id.label("link_id"), _c.purpose)
        .join(one_time_links, _c.user_id == users.c.id)
        .where(_c.token_hash == token_hash, _open(now), users.c.disabled_at.is_(None))
    )
    row = db.execute(query).one_or_none()
    return Link(row.link_id, LinkPurpose(row.purpose), of_row(db, row)) if row is not None else None


def use_link(db: Connection, link_id: int, now: datetime) -> bool:
    """Uses it up. Of several who try at once one is told True, and nobody after."""
    return db.execute(sa.update(one_time_links).where(_c.id == link_id, _open(now)).values(used_at=now)).rowcount == 1


def end_links(db: Connection, user_id: int, now: datetime) -> None:
    """None of the links that a user has can be used any more."""
    db.execute(sa.update(one_time_links).where(_c.user_id == user_id, _c.used_at.is_(None)).values(used_at=now))


def _open(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_c.used_at.is_(None), _c.expires_at > now)
