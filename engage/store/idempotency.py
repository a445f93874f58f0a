"""Answers to requests that may come again: written with what they stored, so that one without the other is never."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import idempotent_answers

KEPT_FOR = timedelta(hours=24)
"""How long a request may come again and is answered as it was."""

_a = idempotent_answers.c


@dataclass(frozen=True, slots=True)
class Once:
    """Who sends a request of which there is one: `fingerprint` tells whether another is the same."""

    api_key_id: int
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    fingerprint: str
    answer: Answer


def kept_answer(db: Connection, once: Once) -> KeptAnswer | None:
    """What was answered to a request under this key, if one came."""
    query = sa.select(_a.fingerprint, _a.status, _a.body)
    row = db.execute(query.where(_a.api_key_id == once.api_key_id, _a.idempotency_key == once.key)).first()
    return KeptAnswer(row.fingerprint, Answer(row.status, row.body)) if row else None


def keep_answer(db: Connection, once: Once, answer: Answer, now: datetime) -> None:
    """Keeps the answer; the caller has seen in this transaction, under a lock, that none is kept."""
    row = {
        "api_key_id": once.api_key_id,
        "idempotency_key": once.key,
        "fingerprint": once.fingerprint,
        "status": answer.status,
        "body": answer.body,
        "answered_at": now,
    }
    db.execute(sa.insert(idempotent_answers), row)


def forget_answers(db: Connection, before: datetime) -> None:
    """Forgets what was answered before that."""
    db.execute(sa.delete(idempotent_answers).where(_a.answered_at < before))
