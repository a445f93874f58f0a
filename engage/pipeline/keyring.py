"""The keys that are valid, as one process knows them: read again every few seconds, so that a revoked one ends soon.

All at once, since they are few: a key that does not exist costs the database nothing, however often it is tried.
"""

import secrets
import threading
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain.access import ApiKey, KeyKind, KeyScope, hash_of
from engage.domain.errors import ServiceUnreachable
from engage.store.api_keys import NOTED_EVERY, add_key, note_use, valid_keys
from engage.store.database import Database

FRESH = timedelta(seconds=5)
"""How long a key may still be taken after it was revoked."""

_PEACE = timedelta(seconds=1)  # for which a database that is away is not asked again: who asks may wait ten seconds


def issue_key(
    db: Connection, program_id: int, name: str, kind: KeyKind, scopes: frozenset[KeyScope], now: datetime
) -> tuple[str, str]:
    """Makes a key; returns its public id, and the secret of a bearer key ("" for a signed one, whose secret is derived
    of the public id).
    """
    public_id = secrets.token_hex(8)
    secret = "" if kind is KeyKind.SIGNED else secrets.token_urlsafe(32)
    add_key(db, program_id, name, public_id, kind, hash_of(secret) if secret else None, scopes, now)
    return public_id, secret


class Keyring:
    """Finds keys by their public id. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] = {}
        self._read_at: datetime | None = None
        self._away: tuple[datetime, ServiceUnreachable] | None = None
        self._used_at: dict[int, datetime] = {}

    def find(self, public_id: str, now: datetime) -> ApiKey | None:
        """The valid key with this public id. Raises ServiceUnreachable when the database must be asked and is away."""
        with self._lock:
            if self._read_at is None or abs(now - self._read_at) >= FRESH:
                self._read(now)
            return self._keys.get(public_id)

    def _read(self, now: datetime) -> None:
        if self._away is not None and abs(now - self._away[0]) < _PEACE:
            raise ServiceUnreachable(self._away[1].message, self._away[1].hint)
        try:
            with self._database.read() as db:
                self._keys = {key.public_id: key for key in valid_keys(db)}
        except ServiceUnreachable as error:
            self._away = now, error
            raise
        self._read_at, self._away = now, None

    def used(self, key: ApiKey, now: datetime) -> None:
        """Keeps when the key was used, to the hour. Never raises: that it cannot be kept refuses nobody."""
        last = max(filter(None, (key.last_used_at, self._used_at.get(key.id))), default=None)
        if last is not None and now - last < NOTED_EVERY:
            return
        self._used_at[key.id] = now
        try:
            with self._database.write() as db:
                note_use(db, key.id, now)
        except ServiceUnreachable:
            del self._used_at[key.id]
