"""Lets users in: by a password, a one-time link or an identity that OIDC proved, and then by a second factor.

Whatever somebody knew of a session before (an old cookie, half a login), a new one is begun with each step, so that
nobody can be led into a session that another chose.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.access import hash_of
from engage.domain.accounts import Actor, LinkPurpose, User
from engage.pipeline import second_factors
from engage.pipeline.passwords import fits, hash_password, is_dated
from engage.signing import Signer
from engage.store.accounts import find_user, password_of, set_password, set_subject, user_of_subject
from engage.store.audit import note
from engage.store.database import Database
from engage.store.one_time_links import add_link, end_links, find_link, use_link
from engage.store.sessions import begin_session, end_session, end_sessions, find_session


@dataclass(frozen=True, slots=True)
class Entered:
    """A session that was begun. `token` is for the cookie; not `whole`: the second factor has yet to be shown."""

    token: str
    user: User
    whole: bool


def log_in(database: Database, email: str, password: str, origin: str, now: datetime) -> Entered | None:
    """By address and password; None when they do not fit, or the user is disabled. Takes as long either way."""
    with database.read() as db:
        found = find_user(db, email)
        kept = password_of(db, found.id)[1] if found is not None else None
    right = fits(password, kept)  # takes long: not while the database waits
    if not right or found is None or kept is None:
        return None
    dated = hash_password(password) if is_dated(kept) else None
    with database.write() as db:
        user, still = password_of(db, found.id)
        if user.disabled or still != kept:  # by now
            return None
        if dated is not None:
            set_password(db, user.id, dated)
        return _enter(db, user, "password", origin, now)


def new_link(db: Connection, user: User, purpose: LinkPurpose, now: datetime) -> tuple[str, datetime]:
    """A link that lets the user in once, in place of any before: what it holds, and until when it can be used."""
    token = secrets.token_urlsafe(32)
    return token, add_link(db, user.id, purpose, hash_of(token), now)


def enter_by_link(db: Connection, token: str, password: str | None, origin: str, now: datetime) -> Entered | None:
    """Uses a one-time link up; None when it cannot be used any more. One for a password takes the new one, which ends
    all sessions that there were.
    """
    link = find_link(db, hash_of(token), now)
    if link is None or (password is None) != (link.purpose is LinkPurpose.LOGIN):
        return None
    hashed = hash_password(password) if password is not None else None
    user, _ = password_of(db, link.user.id)
    if user.disabled or not use_link(db, link.id, now):
        return None
    if hashed is not None:
        set_password(db, user.id, hashed)
        end_sessions(db, user.id)
        note(db, Actor(user.email, user.id, origin), "user.password", [f"user:{user.id}"], now)
    return _enter(db, user, f"{link.purpose} link", origin, now)


def enter_by_identity(
    db: Connection, subject: str, verified_email: str | None, origin: str, now: datetime
) -> Entered | None:
    """Whom an OIDC issuer knows as `subject`; at first, whoever has the address that the issuer has verified.

    None for somebody whom no admin has invited, or who is disabled, or whose address belongs to another identity.
    """
    found = user_of_subject(db, subject)
    new = found is None
    if found is None and verified_email is not None:
        found = find_user(db, verified_email)
    if found is None:
        return None
    user, _ = password_of(db, found.id)
    if user.disabled:
        return None
    if new:
        if not set_subject(db, user.id, subject):
            return None
        said = {"identity": subject}
        note(db, Actor(user.email, user.id, origin), "user.identity", [f"user:{user.id}"], now, after=said)
    return _enter(db, user, "identity provider", origin, now)


def show_second_factor(
    db: Connection, signer: Signer, token: str, code: str, origin: str, now: datetime
) -> Entered | None:
    """Makes half a session a whole one, under a new token; None when the code does not count or the session is over."""
    found = find_session(db, hash_of(token), now)
    if found is None or found[1].whole:
        return None
    user, _ = password_of(db, found[0].id)
    by = None if user.disabled else second_factors.shows(db, signer, user, code, now)
    if by is None or not end_session(db, hash_of(token)):
        return None
    return _begin(db, user, f"second factor: {by}", origin, now, whole=True)


def change_password(db: Connection, user: User, password: str, origin: str, now: datetime) -> Entered:
    """Sets another password: ends all sessions and links of the user, and begins one in their place."""
    set_password(db, user.id, hash_password(password))
    note(db, Actor(user.email, user.id, origin), "user.password", [f"user:{user.id}"], now)
    return anew(db, user, origin, now)


def anew(db: Connection, user: User, origin: str, now: datetime) -> Entered:
    """One new session for whoever has just changed how they log in; all others end, and links with them."""
    end_sessions(db, user.id)
    end_links(db, user.id, now)
    return _begin(db, user, None, origin, now, whole=True)


def confirm_second_factor(
    db: Connection, signer: Signer, user: User, code: str, origin: str, now: datetime
) -> tuple[Entered, Sequence[str]] | None:
    """From now on the app's codes are asked for: a new session in place of all others, and the recovery codes."""
    codes = second_factors.confirm(db, signer, user, code, now)
    if codes is None:
        return None
    note(db, Actor(user.email, user.id, origin), "user.second-factor", [f"user:{user.id}"], now, after={"set": True})
    return anew(db, user, origin, now), codes


def _enter(db: Connection, user: User, by: str, origin: str, now: datetime) -> Entered:
    return _begin(db, user, by, origin, now, whole=not user.has_second_factor)


def _begin(db: Connection, user: User, by: str | None, origin: str, now: datetime, *, whole: bool) -> Entered:
    """`by`: how they logged in, for the audit log; None: they were logged in."""
    token = secrets.token_urlsafe(32)
    begin_session(db, user.id, hash_of(token), whole=whole, origin=origin, now=now)
    if by is not None and whole:
        note(db, Actor(user.email, user.id, origin), "user.login", [f"user:{user.id}"], now, after={"by": by})
    return Entered(token, user, whole)
