"""The audit log: every change that people made. Rows are added, and never changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor
from engage.store.tables import audit_entries

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `before` and `after` hold what of the object it changed, as JSON values."""

    id: int
    at: datetime
    actor: str
    program_id: int | None
    action: str
    object: str
    before: Facts | None
    after: Facts | None
    why: str | None
    origin: str | None


def note(
    db: Connection,
    actor: Actor,
    action: str,
    objects: Sequence[str],
    now: datetime,
    *,
    program_id: int | None = None,
    before: Facts | None = None,
    after: Facts | None = None,
    why: str | None = None,
) -> None:
    """Notes that the actor did this, to each of the objects, in the transaction that does it.

    `action` is `kind.verb`, such as `delivery.resend`; an object is `kind:id`, such as `delivery:12`.
    """
    said = {
        "at": now,
        "actor": actor.name,
        "user_id": actor.user_id,
        "origin": actor.origin,
        "program_id": program_id,
        "action": action,
        "before": before,
        "after": after,
        "why": why,
    }
    if objects:
        db.execute(sa.insert(audit_entries), [said | {"object": one} for one in objects])


def entries(
    db: Connection,
    limit: int,
    *,
    of_object: str | None = None,
    of_user: int | None = None,
    before_id: int | None = None,
    program_ids: Collection[int] | None = None,
) -> list[Entry]:
    """The newest first; `before_id` goes on where a page ended. `program_ids`: of these programs only.

    Each program's newest are read by themselves, by its index: else all changes in others would be walked over.
    """
    c = audit_entries.c
    asked = [column == value for column, value in ((c.object, of_object), (c.user_id, of_user)) if value is not None]
    if before_id is not None:
        asked.append(c.id < before_id)
    whose = [c.program_id == one for one in sorted(program_ids)] if program_ids is not None else [sa.true()]
    if not whose:
        return []
    newest = [sa.select(c.id).where(*asked, one).order_by(c.id.desc()).limit(limit).subquery() for one in whose]
    ids = sa.union_all(*(sa.select(one.c.id) for one in newest)).subquery()
    query = sa.select(*(c[name] for name in Entry.__dataclass_fields__)).join(ids, ids.c.id == c.id)
    return [Entry(**row._mapping) for row in db.execute(query.order_by(c.id.desc()).limit(limit))]
