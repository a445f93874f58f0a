"""What is being sent, and what the provider answered: deliveries from `sending` on, and their attempts.

Promise: an attempt is stored in the transaction that moves to `sending`, before a socket opens; whoever holds the lease
no more can write no answer.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import By, DeliveryState, require_legal
from engage.domain.messages import Message, Outcome, SendResult
from engage.store.deliveries import Claimed, counting_since, move
from engage.store.tables import attempts, deliveries, kept_messages
from engage.store.upserts import insert_many, one_of, update_each

AFTER = {
    Outcome.ACCEPTED: DeliveryState.ACCEPTED,
    Outcome.RETRY: DeliveryState.RETRY,
    Outcome.DEAD: DeliveryState.DEAD,
    Outcome.UNKNOWN: DeliveryState.UNKNOWN,
}
"""The state that a delivery takes after each outcome of an attempt."""

_GONE = (Outcome.ACCEPTED, Outcome.UNKNOWN)


def begin_sending(
    db: Connection,
    rows: Sequence[tuple[Claimed, Message]],
    lease: str,
    now: datetime,
    lasting: timedelta,
    counting: Collection[int] = (),
) -> set[int]:
    """Moves to SENDING and stores an attempt for each; must be committed before any socket opens.

    Those that are `counting` use up frequency caps from now on. One statement for each locale that mails are in, which
    is kept.
    """
    d = deliveries.c
    values: dict[str, Any] = {"lease_until": now + lasting, "attempts": d.attempts + 1}
    if counting:
        since = sa.literal(now, d.counts_at.type)
        all_of_them = {claimed.id for claimed, _ in rows} <= set(counting)
        values["counts_at"] = since if all_of_them else sa.case((one_of(db, d.id, counting), since), else_=d.counts_at)
    moved: set[int] = set()
    for locale in sorted({message.locale for _, message in rows}):
        ids = [claimed.id for claimed, message in rows if message.locale == locale]
        noted = values | ({"locale": locale} if locale else {})
        moved |= move(db, ids, lease, DeliveryState.CLAIMED, DeliveryState.SENDING, **noted)
    started = [
        {
            "program_id": claimed.program_id,
            "delivery_id": claimed.id,
            "number": claimed.attempts + 1,
            "lease": lease,
            "subject": message.subject,
            "started_at": now,
        }
        for claimed, message in rows
        if claimed.id in moved
    ]
    insert_many(db, attempts, started)
    return moved


def settle(
    db: Connection, results: Sequence[tuple[Claimed, SendResult, datetime]], lease: str, now: datetime
) -> set[int]:
    """Stores what the provider answered. `results` has (delivery, answer, when due again if RETRY).

    What is proven unsent uses up no frequency cap; what went out, or may have, does so until as late as it can have.

    Returns the ids that this lease could still write; the others belong to somebody else by now.
    """
    d, a = deliveries.c, attempts.c
    for outcome in {result.outcome for _, result, _ in results}:
        require_legal(By.WORKER, DeliveryState.SENDING, AFTER[outcome])
    settled: set[int] = set()
    for gone in (True, False):
        rows = [
            {
                "id": claimed.id,
                "state": AFTER[result.outcome],
                "reason": result.detail or None if result.outcome is not Outcome.ACCEPTED else None,
                "provider_id": result.provider_id or None,
                "due_at": due,
                "lease": None,
                "lease_until": None,
                "settled_at": None if result.outcome is Outcome.RETRY else now,
            }
            for claimed, result, due in results
            if (result.outcome in _GONE) is gone
        ]
        counts_at = counting_since(now) if gone else None
        mine = (d.lease == lease, d.state == DeliveryState.SENDING)
        settled |= update_each(db, deliveries, rows, *mine, values={"counts_at": counts_at})
    by_outcome: dict[tuple[Outcome, int | None, str], list[int]] = {}
    for claimed, result, _ in results:
        if claimed.id in settled:
            by_outcome.setdefault((result.outcome, result.status, result.detail), []).append(claimed.id)
    for (outcome, status, detail), ids in by_outcome.items():
        db.execute(
            sa.update(attempts)
            .where(one_of(db, a.delivery_id, ids), a.lease == lease)
            .values(outcome=outcome, status=status, detail=detail or None, finished_at=now)
        )
    return settled


def keep_messages(db: Connection, rows: Sequence[tuple[int, Message]], now: datetime) -> None:
    """Keeps what was composed for deliveries that SEND_TO does not let out."""
    if rows:
        kept = [
            {
                "delivery_id": id_,
                "subject": message.subject,
                "html": message.html,
                "text": message.text,
                "headers": message.headers,
                "composed_at": now,
            }
            for id_, message in rows
        ]
        db.execute(sa.insert(kept_messages), kept)
