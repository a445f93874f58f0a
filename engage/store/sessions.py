"""Who is logged in: sessions in the database, each known by the hash of what its cookie holds."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.accounts import User
from engage.store.accounts import of_row
from engage.store.tables import sessions, users

IDLE = timedelta(hours=12)
"""A session that is not used for so long is over."""

LONGEST = timedelta(days=14)
"""However much it is used, a session ends so long after the login."""

HALF = timedelta(minutes=10)
"""How long there is to show the second factor."""

_NOTED_EVERY = timedelta(minutes=1)
_s = sessions.c


@dataclass(frozen=True, slots=True)
class Session:
    """`whole`: the second factor was shown, or there is none."""

    id: int
    whole: bool
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    origin: str

    def worth_noting(self, now: datetime) -> bool:
        """Whether its use was last noted so long ago that it is noted again."""
        return now - self.used_at >= _NOTED_EVERY


def begin_session(db: Connection, user_id: int, token_hash: str, *, whole: bool, origin: str, now: datetime) -> None:
    """Starts a session; those of everybody that are over are deleted."""
    db.execute(sa.delete(sessions).where(_s.expires_at <= now))
    row = {"token_hash": token_hash, "user_id": user_id, "whole": whole, "origin": origin}
    times = {"created_at": now, "used_at": now, "expires_at": now + (IDLE if whole else HALF)}
    db.execute(sa.insert(sessions), row | times)


def find_session(db: Connection, token_hash: str, now: datetime) -> tuple[User, Session] | None:
    """Who is logged in with this token; None for a session that there is not, or is over, or whose user is disabled."""
    kept = (_s.whole, _s.created_at.label("begun"), _s.used_at, _s.expires_at, _s.origin)
    query = (
        sa.select(users, _s.id.label("session_id"), *kept)
        .join(sessions, _s.user_id == users.c.id)
        .where(_s.token_hash == token_hash, _s.expires_at > now, users.c.disabled_at.is_(None))
    )
    row = db.execute(query).one_or_none()
    if row is None:
        return None
    return of_row(db, row), Session(row.session_id, row.whole, row.begun, row.used_at, row.expires_at, row.origin)


def use_session(db: Connection, session: Session, now: datetime) -> None:
    """Notes that it was used, which puts off its end. A half session's end is not put off."""
    end = min(now + IDLE, session.created_at + LONGEST)
    db.execute(
        sa.update(sessions).where(_s.id == session.id, _s.whole, _s.used_at < now).values(used_at=now, expires_at=end)
    )


def end_session(db: Connection, token_hash: str) -> bool:
    """Says whether there was one: of several who end it at once, one is told so."""
    return db.execute(sa.delete(sessions).where(_s.token_hash == token_hash)).rowcount == 1


def end_sessions(db: Connection, user_id: int) -> int:
    """Ends all of a user's; returns how many there were."""
    return db.execute(sa.delete(sessions).where(_s.user_id == user_id)).rowcount


def sessions_of(db: Connection, user_id: int, now: datetime) -> list[tuple[str, Session]]:
    """(the hash of its token, the session) of each that a user has, the last used first."""
    query = sa.select(sessions).where(_s.user_id == user_id, _s.expires_at > now).order_by(_s.used_at.desc(), _s.id)
    return [
        (r.token_hash, Session(r.id, r.whole, r.created_at, r.used_at, r.expires_at, r.origin))
        for r in db.execute(query)
    ]
