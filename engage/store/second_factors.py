"""What a user's second factor is, as it is kept: an encrypted secret, the last step that was used, recovery codes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import users

_c = users.c


@dataclass(frozen=True, slots=True)
class Factor:
    """`secret` is encrypted; None: there is none. Not confirmed: it was shown, and no code of it has been typed yet."""

    secret: str | None
    confirmed: bool
    recovery_hashes: tuple[str, ...]


def factor_of(db: Connection, user_id: int) -> Factor:
    """The user's; in a writing transaction their row is locked, so that a recovery code counts once."""
    query = sa.select(_c.totp_secret, _c.totp_confirmed_at, _c.recovery_hashes).where(_c.id == user_id)
    row = db.execute(query.with_for_update()).one()
    return Factor(row.totp_secret, row.totp_confirmed_at is not None, tuple(row.recovery_hashes or ()))


def offer_factor(db: Connection, user_id: int, secret: str) -> bool:
    """Keeps a secret that has yet to be confirmed; False when the user has a confirmed one."""
    free = sa.and_(_c.id == user_id, _c.totp_confirmed_at.is_(None))
    values = {"totp_secret": secret, "totp_step": None}
    return db.execute(sa.update(users).where(free).values(values)).rowcount == 1


def use_step(db: Connection, user_id: int, step: int) -> bool:
    """Uses up this time step and all before it: False when a code of it was used already."""
    unused = sa.or_(_c.totp_step.is_(None), _c.totp_step < step)
    return db.execute(sa.update(users).where(_c.id == user_id, unused).values(totp_step=step)).rowcount == 1


def confirm_factor(db: Connection, user_id: int, recovery_hashes: Collection[str], now: datetime) -> bool:
    """From now on the factor is asked for; False when it was before."""
    pending = sa.and_(_c.id == user_id, _c.totp_secret.is_not(None), _c.totp_confirmed_at.is_(None))
    values = {"totp_confirmed_at": now, "recovery_hashes": list(recovery_hashes)}
    return db.execute(sa.update(users).where(pending).values(values)).rowcount == 1


def set_recovery(db: Connection, user_id: int, recovery_hashes: Collection[str]) -> None:
    db.execute(sa.update(users).where(_c.id == user_id).values(recovery_hashes=list(recovery_hashes)))


def remove_factor(db: Connection, user_id: int) -> None:
    """The user has no second factor any more."""
    values = dict.fromkeys(("totp_secret", "totp_confirmed_at", "totp_step", "recovery_hashes"), sa.null())
    db.execute(sa.update(users).where(_c.id == user_id).values(values))
