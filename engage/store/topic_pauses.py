"""Topics whose mail waits, because too many of its recipients reported it as spam, until an operator lifts that."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import topic_pauses
from engage.store.upserts import insert_new


@dataclass(frozen=True, slots=True)
class TopicPause:
    """A pause that stands."""

    id: int
    program_id: int
    topic: str
    paused_at: datetime
    reason: str

    @property
    def stands(self) -> str:
        """As what is said of the topic."""
        return f"is paused since {self.paused_at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def _paused_at() -> sa.Select[Any]:
    c = topic_pauses.c
    at = sa.bindparam("at", type_=c.paused_at.type)
    standing = sa.or_(c.lifted_at.is_(None), c.lifted_at > at)
    return sa.select(c.topic).where(c.program_id == sa.bindparam("program_id"), c.paused_at <= at, standing)


_PAUSED_AT = _paused_at()  # built once: each batch that is sent asks it


def pause_topic(db: Connection, program_id: int, topic: str, reason: str, now: datetime) -> bool:
    """Pauses the topic; says whether it was not paused already."""
    row = {"program_id": program_id, "topic": topic, "paused_at": now, "reason": reason}
    return insert_new(db, topic_pauses, row)


def standing_pauses(db: Connection, program_id: int | None = None) -> list[TopicPause]:
    """The pauses that stand, oldest first: of one program, or of all."""
    c = topic_pauses.c
    query = sa.select(c.id, c.program_id, c.topic, c.paused_at, c.reason).where(c.lifted_at.is_(None))
    if program_id is not None:
        query = query.where(c.program_id == program_id)
    return [TopicPause(*row) for row in db.execute(query.order_by(c.paused_at, c.id))]


def paused_topics(db: Connection, program_id: int, at: datetime) -> frozenset[str]:
    """The topics of the program whose mail waits, or waited, at an instant."""
    return frozenset(db.execute(_PAUSED_AT, {"program_id": program_id, "at": at}).scalars())


def lift_pause(db: Connection, program_id: int, topic: str, why: str, now: datetime) -> bool:
    """Lets the topic's mail out again; says whether it was paused."""
    c = topic_pauses.c
    standing = sa.update(topic_pauses).where(c.program_id == program_id, c.topic == topic, c.lifted_at.is_(None))
    return db.execute(standing.values(lifted_at=now, why=why)).rowcount == 1


def last_lifted(db: Connection, topics: Collection[tuple[int, str]]) -> Mapping[tuple[int, str], datetime]:
    """When the last pause of each of these (program id, topic) was lifted, of those that were ever paused."""
    if not topics:
        return {}
    c = topic_pauses.c
    query = (
        sa.select(c.program_id, c.topic, sa.func.max(c.lifted_at, type_=c.lifted_at.type))
        .where(c.lifted_at.is_not(None), c.program_id.in_({program_id for program_id, _ in topics}))
        .group_by(c.program_id, c.topic)
    )
    return {(program_id, topic): at for program_id, topic, at in db.execute(query) if (program_id, topic) in topics}
