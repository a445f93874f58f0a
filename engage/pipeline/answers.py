"""Stores what the provider answered, through an outage of the database if need be."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy.engine import Connection

from engage.domain.backoff import due_again
from engage.domain.errors import ServiceUnreachable
from engage.domain.gates import Passage
from engage.domain.messages import Outcome, SendResult
from engage.pipeline.outlet import Outlet
from engage.store.database import Database
from engage.store.deliveries import Claimed
from engage.store.journal import Entry
from engage.store.sending import settle

log = structlog.get_logger(__name__)

Answer = tuple[Claimed, SendResult]
T = TypeVar("T")
_LOOK_AGAIN_SECONDS = 0.5
_TRIES_WHEN_STOPPING = 4  # a process that is to end does not wait for a database: two seconds, in case of a deadlock


def store_answers(database: Database, outlet: Outlet, passage: Passage, answers: Sequence[Answer], lease: str) -> None:
    """Settles a batch, and tells the gate how the provider was.

    While the database is away, what was accepted is in the journal, and storing it is tried until half of the lease
    is over, or the process is to end. What belongs to somebody else by then is refused, and said.
    """
    now = outlet.clock()
    chance = random.Random()
    settled = [(one, result, due_again(result, one.attempts, now, one.expires_at, chance)) for one, result in answers]
    _report(answers)
    entries = [
        Entry(one.public_id, one.attempts + 1, result.provider_id, now)
        for one, result in answers
        if result.outcome is Outcome.ACCEPTED
    ]

    def write(db: Connection) -> int:
        stored = settle(db, settled, lease, outlet.clock())
        if outlet.gate is not None:
            outlet.gate.note(db, passage, [result for _, result in answers], now)
        return len(stored)

    stored = persist(database, outlet, write, now + outlet.lease / 2, entries)
    if stored < len(answers):
        log.warning("answers_refused", count=len(answers) - stored, hint="their lease has passed to somebody else")


def persist(
    database: Database,
    outlet: Outlet,
    write: Callable[[Connection], T],
    until: datetime,
    entries: Sequence[Entry] = (),
) -> T:
    """Writes in a transaction, trying again while the database is away; journals `entries` before the second try.

    Raises ServiceUnreachable when it is away beyond `until`, or the process is to end: `entries` are replayed later.
    """
    journalled, tries_left = False, _TRIES_WHEN_STOPPING
    while True:
        try:
            with database.write() as db:
                result = write(db)
        except Exception as error:
            if not journalled:  # whatever it is, what the provider has taken must not be lost with it
                _journal(outlet, entries)
                journalled = True
            tries_left -= outlet.stopping.is_set()
            if not isinstance(error, ServiceUnreachable) or outlet.clock() > until or not tries_left:
                raise
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            if journalled and outlet.journal is not None:
                outlet.journal.forget(entries)
            return result


def _journal(outlet: Outlet, entries: Sequence[Entry]) -> None:
    try:
        outlet.record(entries)
    except OSError as error:  # room was made before: the disk itself has failed
        log.error("journal_failed", error=str(error), hint="what the provider took now may end as unknown")


def _report(answers: Sequence[Answer]) -> None:
    """One line for what of a batch was accepted, and one for what was not."""
    counts = Counter(result.outcome for _, result in answers)
    taken = [one for one, result in answers if result.outcome is Outcome.ACCEPTED]
    if taken:
        log.info("accepted", **_named(taken))
    if missed := [one for one, result in answers if result.outcome is not Outcome.ACCEPTED]:
        said = next(result.detail for _, result in answers if result.outcome is not Outcome.ACCEPTED)
        counted = {outcome.value: count for outcome, count in counts.items()}
        log.warning("not_accepted", **counted, said=said, **_named(missed))


def _named(deliveries: Sequence[Claimed]) -> dict[str, list[int] | list[str]]:
    """Which they are, as lines of the log name them."""
    return {
        "deliveries": [one.id for one in deliveries],
        "enrollments": sorted({one.enrollment_id for one in deliveries}),
        "campaigns": sorted({one.campaign for one in deliveries}),
    }
