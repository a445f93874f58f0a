"""The keys of systems that push: made, listed, revoked. The secret of one is never stored."""

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.access import ApiKey, KeyKind, KeyScope
from engage.store.tables import api_keys

_c = api_keys.c
_ALL = sa.select(
    _c.id,
    _c.program_id,
    _c.name,
    _c.public_id,
    _c.kind,
    _c.secret_hash,
    _c.scopes,
    _c.created_at,
    _c.last_used_at,
    _c.revoked_at,
).order_by(_c.id)

NOTED_EVERY = timedelta(hours=1)
"""How exactly the last use of a key is known: a write with each request would cost more than it tells."""


def add_key(
    db: Connection,
    program_id: int,
    name: str,
    public_id: str,
    kind: KeyKind,
    secret_hash: str | None,
    scopes: Collection[KeyScope],
    now: datetime,
) -> None:
    """Stores a new key; `secret_hash` is None for a signed one."""
    row = {"program_id": program_id, "name": name, "public_id": public_id, "kind": kind, "secret_hash": secret_hash}
    db.execute(sa.insert(api_keys), row | {"scopes": sorted(scopes), "created_at": now})


def all_keys(db: Connection) -> list[ApiKey]:
    """Every key there ever was, the oldest first."""
    return [_key(row) for row in db.execute(_ALL).mappings()]


def valid_keys(db: Connection) -> list[ApiKey]:
    """The keys that are not revoked."""
    return [_key(row) for row in db.execute(_ALL.where(_c.revoked_at.is_(None))).mappings()]


def find_key(db: Connection, public_id: str) -> ApiKey | None:
    row = db.execute(_ALL.where(_c.public_id == public_id)).mappings().first()
    return _key(row) if row is not None else None


def revoke_key(db: Connection, key_id: int, now: datetime) -> bool:
    """Ends a key for good; False if it was revoked before."""
    statement = sa.update(api_keys).where(_c.id == key_id, _c.revoked_at.is_(None)).values(revoked_at=now)
    return db.execute(statement).rowcount == 1


def note_use(db: Connection, key_id: int, now: datetime) -> None:
    """Keeps that a key was used, unless that is known of the hour before."""
    stale = sa.or_(_c.last_used_at.is_(None), _c.last_used_at <= now - NOTED_EVERY)
    db.execute(sa.update(api_keys).where(_c.id == key_id, stale).values(last_used_at=now))


def _key(row: sa.RowMapping) -> ApiKey:
    known = set(KeyScope)  # one that a newer engage knew allows nothing here
    scopes = frozenset(KeyScope(scope) for scope in row["scopes"] if scope in known)
    return ApiKey(**{**row, "kind": KeyKind(row["kind"]), "scopes": scopes})
