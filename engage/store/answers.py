"""What partners answered to the questions that mails ask: every answer is kept, the latest one counts."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.deliveries import Claimed, claimed_rows
from engage.store.tables import answers, deliveries

_NEXT = timedelta(microseconds=1)


def asked_by(db: Connection, delivery_id: int) -> Claimed | None:
    """The mail that asked; None if there is no such delivery."""
    row = db.execute(claimed_rows().where(deliveries.c.id == delivery_id)).one_or_none()
    return Claimed(*row) if row else None


def latest_answer(db: Connection, partner_id: int, question: str) -> tuple[str, int | None] | None:
    """The answer that counts and the delivery that asked for it; None before there is any."""
    row = db.execute(_latest(partner_id, question)).first()
    return (row.answer, row.delivery_id) if row else None


def store_answer(
    db: Connection, program_id: int, partner_id: int, question: str, answer: str, delivery_id: int, now: datetime
) -> bool:
    """Keeps an answer, unless it is the one that counts already; whoever calls holds the partner's row.

    Returns whether it is new.
    """
    latest = db.execute(_latest(partner_id, question)).first()
    if latest is not None and (latest.answer, latest.delivery_id) == (answer, delivery_id):
        return False
    # said later, even by a clock that stands still or was put back
    at = now if latest is None else max(now, latest.answered_at + _NEXT)
    row = {"program_id": program_id, "partner_id": partner_id, "question": question, "answer": answer}
    db.execute(sa.insert(answers).values({**row, "delivery_id": delivery_id, "answered_at": at}))
    return True


def _latest(partner_id: int, question: str) -> sa.Select[tuple[str, int | None, datetime]]:
    a = answers.c
    query = sa.select(a.answer, a.delivery_id, a.answered_at).where(a.partner_id == partner_id, a.question == question)
    return query.order_by(a.answered_at.desc()).limit(1)
