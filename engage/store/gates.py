"""The gates before providers, one row each, shared by all workers. A missing row is a gate that stands open."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.gates import Gate
from engage.store.tables import gates
from engage.store.upserts import insert_or_ignore

_FIELDS = [gates.c[name] for name in Gate.__dataclass_fields__]
_READ = sa.select(*_FIELDS).where(gates.c.provider == sa.bindparam("provider"))
_LOCK = _READ.with_for_update()


def read_gate(db: Connection, provider: str) -> Gate:
    """The gate as it was last stored. Takes no lock."""
    row = db.execute(_READ, {"provider": provider}).first()
    return Gate(*row) if row is not None else Gate()


def lock_gate(db: Connection, provider: str) -> Gate:
    """The gate as it is, for this transaction alone to change: others wait for its end."""
    if (row := db.execute(_LOCK, {"provider": provider}).first()) is not None:
        return Gate(*row)
    db.execute(insert_or_ignore(db, gates), {"provider": provider, **asdict(Gate())})
    return Gate(*db.execute(_LOCK, {"provider": provider}).one())


def keep_gate(db: Connection, provider: str, before: Gate, after: Gate) -> None:
    """Stores what changed of a gate that `lock_gate` returned."""
    old = asdict(before)
    changed: dict[str, Any] = {name: value for name, value in asdict(after).items() if value != old[name]}
    if changed:
        db.execute(sa.update(gates).where(gates.c.provider == provider).values(changed))


def take_probe(db: Connection, provider: str, now: datetime, lasting: timedelta) -> bool:
    """Whether it is the caller who may try one mail, for as long as `lasting`: one of all that ask at once."""
    g = gates.c
    statement = (
        sa.update(gates)
        .where(g.provider == provider, g.opened > 0, g.paused_at.is_(None))
        .where(sa.or_(g.shut_until.is_(None), g.shut_until <= now))
        .where(sa.or_(g.probe_until.is_(None), g.probe_until <= now))
        .values(probe_until=now + lasting)
    )
    return db.execute(statement).rowcount == 1
