"""Users: who they are, what they may do and how they show that it is they."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from engage.domain.accounts import Role, User
from engage.store.tables import user_programs, users
from engage.store.upserts import insert_new

_c = users.c


def get_user(db: Connection, user_id: int) -> User | None:
    """The user with this id, disabled or not."""
    return _one(db, _c.id == user_id)


def find_user(db: Connection, email: str) -> User | None:
    """The user with this address, normalised, disabled or not."""
    return _one(db, _c.email == email)


def user_of_subject(db: Connection, subject: str) -> User | None:
    """The user who comes by OIDC as this issuer and subject, disabled or not."""
    return _one(db, _c.subject == subject)


def all_users(db: Connection) -> list[User]:
    """All of them, by address. There are few."""
    return [of_row(db, row) for row in db.execute(sa.select(users).order_by(_c.email)).all()]


def any_user(db: Connection) -> bool:
    """Whether anybody can log in, or choose a password by the link they were given."""
    return db.execute(sa.select(1).where(_c.disabled_at.is_(None)).limit(1)).first() is not None


def other_admins(db: Connection, user_id: int) -> bool:
    """Whether somebody else can manage users. Locks all who can, so that two cannot each rely on the other and go."""
    admins = (
        sa.select(_c.id)
        .where(_c.role == Role.ADMIN.value, _c.every_program, _c.disabled_at.is_(None))
        .order_by(_c.id)
        .with_for_update()
    )
    return any(found != user_id for found in db.execute(admins).scalars().all())


def add_user(
    db: Connection, email: str, name: str, role: Role, program_ids: Collection[int] | None, now: datetime
) -> User | None:
    """A new user, without any way to log in; None when there is one with this address."""
    row = {"email": email, "name": name, "role": role.value, "every_program": program_ids is None, "created_at": now}
    if not insert_new(db, users, row):
        return None
    user = find_user(db, email)
    assert user is not None
    _set_programs(db, user.id, program_ids)
    return get_user(db, user.id)


def set_role(db: Connection, user_id: int, role: Role, program_ids: Collection[int] | None) -> None:
    """What the user may do from now on; `program_ids` None: in every program."""
    values = {"role": role.value, "every_program": program_ids is None}
    db.execute(sa.update(users).where(_c.id == user_id).values(values))
    _set_programs(db, user_id, program_ids)


def set_disabled(db: Connection, user_id: int, since: datetime | None) -> None:
    """From `since` on nothing lets the user in; None: as before."""
    db.execute(sa.update(users).where(_c.id == user_id).values(disabled_at=since))


def password_of(db: Connection, user_id: int) -> tuple[User, str | None]:
    """The user as they are now and what is kept of their password, which changes no more in this transaction.

    Whoever lets a user in asks this first, and whoever shuts them out changes the user before ending their sessions:
    so that nobody comes in by what has just been taken away.
    """
    row = db.execute(sa.select(users).where(_c.id == user_id).with_for_update()).one()
    return of_row(db, row), row.password_hash


def set_password(db: Connection, user_id: int, hashed: str) -> None:
    db.execute(sa.update(users).where(_c.id == user_id).values(password_hash=hashed))


def set_subject(db: Connection, user_id: int, subject: str) -> bool:
    """Binds the user to an identity of OIDC; False when they have another one already."""
    free = sa.and_(_c.id == user_id, _c.subject.is_(None))
    return db.execute(sa.update(users).where(free).values(subject=subject)).rowcount == 1


def has_subject(db: Connection, user_id: int) -> bool:
    """Whether the user comes by OIDC."""
    return db.execute(sa.select(_c.subject).where(_c.id == user_id)).scalar() is not None


def of_row(db: Connection, row: Row) -> User:  # type: ignore[type-arg]
    """The user in a row that has the columns of `users`."""
    programs: frozenset[int] | None = None
    if not row.every_program:
        c = user_programs.c
        programs = frozenset(db.execute(sa.select(c.program_id).where(c.user_id == row.id)).scalars())
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        program_ids=programs,
        has_password=row.password_hash is not None,
        has_second_factor=row.totp_confirmed_at is not None,
        disabled=row.disabled_at is not None,
    )


def _one(db: Connection, condition: sa.ColumnElement[bool]) -> User | None:
    row = db.execute(sa.select(users).where(condition)).one_or_none()
    return of_row(db, row) if row is not None else None


def _set_programs(db: Connection, user_id: int, program_ids: Collection[int] | None) -> None:
    c = user_programs.c
    db.execute(sa.delete(user_programs).where(c.user_id == user_id))
    rows = [{"user_id": user_id, "program_id": one} for one in sorted(set(program_ids or ()))]
    if rows:
        db.execute(sa.insert(user_programs), rows)
