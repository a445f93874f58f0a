"""Takes what machines push: the records, what was heard of feeds, and the answer, all or nothing."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.errors import InputError
from engage.domain.facts import Feed
from engage.domain.records import Outcome, Record
from engage.facts import Scope
from engage.pipeline.observing import observe
from engage.signing import Signer
from engage.store.idempotency import Answer, Once, keep_answer, kept_answer
from engage.store.intake import Intake, lock_intake
from engage.store.sources import hear_now_and_then


class KeyReused(InputError):
    """An idempotency key came before with another request."""


def push(
    db: Connection,
    scope: Scope,
    rows: Sequence[Sequence[Record]],
    *,
    signer: Signer,
    source: str,
    feeds: Collection[Feed],
    once: Once | None,
    answer: Callable[[Intake], Answer],
    now: datetime,
) -> tuple[Answer, Sequence[int]]:
    """Takes rows as news in the caller's transaction; the answer, and the events that are to be matched now.

    A request that comes again (`once`) is answered as it was, and nothing is taken. Raises KeyReused.
    """
    if once is not None:
        # The same request at the same time waits here until the first is committed, and then finds its answer.
        lock_intake(db, scope.program_id)
        if (kept := kept_answer(db, once)) is not None:
            if kept.fingerprint != once.fingerprint:
                raise KeyReused("this Idempotency-Key came with another request", "use a new one for each request")
            return kept.answer, ()
    taken = observe(db, scope, rows, signer=signer, source=source, news=True, now=now)
    if any(row.outcome is not Outcome.REJECTED for row in taken.rows):
        hear_now_and_then(db, scope.program_id, feeds, now)
    said = answer(taken)
    if once is not None:
        keep_answer(db, once, said, now)
    return said, taken.event_ids
