"""Delivers: claims what is due, composes it, decides once more under locks, hands it over, stores the answer.

Promise: `sending` is committed before a socket opens; nothing goes out whose `sending` commit follows an unsubscribe;
what may have been sent is never sent again.
"""

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.engine import Connection

from engage.domain.decisions import Defer, Reason, Send, Skip
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import ServiceUnreachable
from engage.domain.messages import Message, Outcome, SendResult
from engage.pipeline.compose import Composer
from engage.pipeline.library import Library
from engage.pipeline.recheck import Second, recheck
from engage.providers.protocol import Provider
from engage.store.database import Database
from engage.store.deliveries import Claimed, begin_sending, claim, keep_messages, move, settle
from engage.store.enrollments import insert_decisions

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
"""How long a worker may hold a delivery: longer than a batch's deadline at the provider."""

CLAIMED_AT_ONCE = 240
"""How many deliveries one claim takes: few enough that all of them are sent well within the lease."""

_AFTER_SKIP = {
    Reason.EXPIRED: DeliveryState.EXPIRED,
    Reason.SUPPRESSED: DeliveryState.SUPPRESSED,
    Reason.UNSUBSCRIBED: DeliveryState.CANCELLED,
}
"""The state after being decided against when looked at again; any other reason leads to SKIPPED."""

_FIRST_BACKOFF, _LONGEST_BACKOFF = timedelta(seconds=2), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Outlet:
    """The way out of a worker.

    `allows` is SEND_TO's answer for an address. `slots(n)` waits for n of the worker's places in `sending`; `batch` is
    how many are asked for at a time. `clock` is read between one batch and the next.
    """

    provider: Provider
    allows: Callable[[str], bool]
    slots: Callable[[int], AbstractContextManager[object]]
    batch: int
    clock: Callable[[], datetime]


def deliver(database: Database, library: Library, composer: Composer, outlet: Outlet, ids: Sequence[int]) -> None:
    """Delivers those of `ids` that are due and free; every other one is somebody else's."""
    for start in range(0, len(ids), CLAIMED_AT_ONCE):
        _deliver_claimed(database, library, composer, outlet, ids[start : start + CLAIMED_AT_ONCE])


def _deliver_claimed(
    database: Database, library: Library, composer: Composer, outlet: Outlet, ids: Sequence[int]
) -> None:
    now, lease = outlet.clock(), uuid.uuid4().hex
    with database.write() as db:
        claimed = claim(db, ids, lease, now, LEASE)
    if not claimed:
        return
    with database.read() as db:
        composed = composer.compose(db, library, claimed, now)
    broken = [one for one in composed if one.message is None]
    if broken:
        with database.write() as db:
            for one in broken:
                _end(db, one.claimed, lease, one.ends_as, outlet.clock(), one.problem)
    ready = [(one.claimed, one.message) for one in composed if one.message is not None]
    for start in range(0, len(ready), outlet.batch):
        batch = ready[start : start + outlet.batch]
        with outlet.slots(len(batch)):
            _deliver_batch(database, library, outlet, batch, lease)


def _deliver_batch(
    database: Database, library: Library, outlet: Outlet, batch: Sequence[tuple[Claimed, Message]], lease: str
) -> None:
    now = outlet.clock()
    with database.write() as db:
        seconds = recheck(db, library, [claimed for claimed, _ in batch], now)
        going = _sort_out(db, batch, seconds, outlet, lease, now)
        sending = begin_sending(db, going, lease, now, LEASE)
    messages = [(claimed, message) for claimed, message in going if claimed.id in sending]
    if not messages:
        return
    results = outlet.provider.send([message for _, message in messages])
    now = outlet.clock()
    settled = [
        (claimed, result, due_again(result, claimed.attempts, now))
        for (claimed, _), result in zip(messages, results, strict=True)
    ]
    _report(settled)
    _store_answers(database, settled, lease, outlet, now + LEASE / 2)


def _store_answers(
    database: Database,
    settled: Sequence[tuple[Claimed, SendResult, datetime]],
    lease: str,
    outlet: Outlet,
    until: datetime,
) -> None:
    """Stores what the provider answered, trying again while the lease lasts: without it the mails become unknown."""
    while True:
        try:
            with database.write() as db:
                settle(db, settled, lease, outlet.clock())
        except ServiceUnreachable:
            if outlet.clock() > until:
                raise
            time.sleep(1)
        else:
            return


def _report(settled: Sequence[tuple[Claimed, SendResult, datetime]]) -> None:
    """One line for a batch of which not everything was accepted."""
    counts = Counter(result.outcome for _, result, _ in settled)
    if counts.total() > counts[Outcome.ACCEPTED]:
        said = next(result.detail for _, result, _ in settled if result.outcome is not Outcome.ACCEPTED)
        log.warning("not_accepted", **{outcome.value: count for outcome, count in counts.items()}, said=said)


def _sort_out(
    db: Connection,
    batch: Sequence[tuple[Claimed, Message]],
    seconds: dict[int, Second],
    outlet: Outlet,
    lease: str,
    now: datetime,
) -> list[tuple[Claimed, Message]]:
    """Writes what is not to go out now where it belongs; returns the rest."""
    going: list[tuple[Claimed, Message]] = []
    changed_minds: list[dict[str, Any]] = []
    for claimed, message in batch:
        second = seconds[claimed.id]
        match second.decision:
            case Send() if (second.email or "").lower() != message.to.email.lower():
                # the address has changed since the mail was composed: compose it anew
                move(db, [claimed.id], lease, DeliveryState.CLAIMED, DeliveryState.PENDING, due_at=now)
            case Send() if not outlet.allows(message.to.email):
                _end(db, claimed, lease, DeliveryState.HELD, now, "ENGAGE_SEND_TO does not let it out")
                keep_messages(db, [(claimed.id, message)], now)
            case Send():
                going.append((claimed, message))
            case Defer(until, reason):
                move(db, [claimed.id], lease, DeliveryState.CLAIMED, DeliveryState.PENDING, due_at=until, reason=reason)
                changed_minds.append(_decision_row(claimed, second, now))
            case Skip(reason):
                _end(db, claimed, lease, _AFTER_SKIP.get(reason, DeliveryState.SKIPPED), now, reason)
                changed_minds.append(_decision_row(claimed, second, now))
    insert_decisions(db, changed_minds)
    return going


def _end(db: Connection, claimed: Claimed, lease: str, state: DeliveryState, now: datetime, reason: str) -> None:
    move(db, [claimed.id], lease, DeliveryState.CLAIMED, state, reason=reason, settled_at=now)


def _decision_row(claimed: Claimed, second: Second, now: datetime) -> dict[str, Any]:
    decision = second.decision
    return {
        "program_id": claimed.program_id,
        "enrollment_id": claimed.enrollment_id,
        "step": claimed.step,
        "phase": "send",
        "decision": decision.kind,
        "reason": decision.reason if isinstance(decision, Defer | Skip) else None,
        "until": decision.until if isinstance(decision, Defer) else None,
        "values": dict(second.values),
        "decided_at": now,
    }


def due_again(result: SendResult, attempts: int, now: datetime) -> datetime:
    """When to try again what was proven unsent: full-jitter backoff, or when the provider asked for it."""
    if result.outcome is not Outcome.RETRY:
        return now
    if result.retry_at is not None and result.retry_at > now:
        return result.retry_at
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(attempts, 16))
    return now + longest * random.random()
