"""Takes what providers report: each event once, and what follows from it, whatever the order in which they come.

Promise: an event and all that follows from it are stored in one transaction. The same events end the same, however they
are shuffled, repeated and cut into requests. What cannot be read stays in its request, which says why.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import StatementError

from engage.domain.deliveries import RANK, TRANSITIONS, By, Reported
from engage.domain.feedback import (
    REPORTED,
    Click,
    FeedbackEvent,
    FeedbackKind,
    machine_clicks,
    too_many_complaints,
)
from engage.domain.keys import is_to_forgotten
from engage.pipeline.feedback_consent import Placed, heed_feedback
from engage.pipeline.library import Library
from engage.providers import sendgrid_events
from engage.providers.sendgrid_events import Read
from engage.store.alarms import raise_alarm
from engage.store.database import Database
from engage.store.evidence import accept_on_evidence
from engage.store.feedback import (
    Webhook,
    absorbed,
    deliveries_and_clicks,
    insert_feedback,
    known_events,
    mark_machine,
    read_waiting,
)
from engage.store.people import ensure_addresses
from engage.store.refusals import address_key
from engage.store.reported import Cohort, Mail, complaints, lock_mails, mails_named, raise_reported
from engage.store.topic_pauses import last_lifted, pause_topic
from engage.store.upserts import BATCH

log = structlog.get_logger(__name__)

TOPIC_PAUSED = "topic_paused"
"""The kind of alarm that a paused topic raises."""

READERS: dict[str, Callable[[str], Read]] = {sendgrid_events.NAME: sendgrid_events.read_events}
"""Who reads the requests of each provider."""

_PROBLEMS_TOLD = 20
_OF_AN_ADDRESS = frozenset(
    {
        FeedbackKind.BOUNCED,
        FeedbackKind.DROPPED,
        FeedbackKind.COMPLAINED,
        FeedbackKind.UNSUBSCRIBED,
        FeedbackKind.GROUP_UNSUBSCRIBED,
        FeedbackKind.GROUP_RESUBSCRIBED,
    }
)
"""Kinds that say something of an address, also of one that engage has never mailed."""


@dataclass(slots=True)
class _Lot:
    """Events for one transaction, each with the request it stands in, and the requests that are done with it.

    `done` has what of each could not be read.
    """

    events: list[tuple[int, FeedbackEvent]] = field(default_factory=list)
    done: dict[int, str | None] = field(default_factory=dict)


def absorb(database: Database, library: Library, webhook_ids: Sequence[int], now: datetime) -> int:
    """Takes the events of those of these requests that wait; returns how many events they had.

    A fixed number of statements for a thousand events. Twice is once, also at the same time.
    """
    count = 0
    for start in range(0, len(webhook_ids), BATCH):
        with database.read() as db:
            waiting = read_waiting(db, webhook_ids[start : start + BATCH])
        for lot in _lots(waiting):
            _take_lot(database, library, lot, now)
            count += len(lot.events)
    return count


def _lots(waiting: Iterable[Webhook]) -> Iterator[_Lot]:
    lot = _Lot()
    for webhook in waiting:
        read = READERS[webhook.provider](webhook.body)
        if read.problems:
            log.warning("webhook_not_all_read", webhook=webhook.id, events=len(read.problems))
        for start in range(0, len(read.events), BATCH):
            part = read.events[start : start + BATCH]
            if len(lot.events) + len(part) > BATCH:
                yield lot
                lot = _Lot()
            lot.events += [(webhook.id, event) for event in part]
        lot.done[webhook.id] = _told(read.problems)
    if lot.done:
        yield lot


def _told(problems: Sequence[str]) -> str | None:
    more = [f"and {len(problems) - _PROBLEMS_TOLD} more"] * (len(problems) > _PROBLEMS_TOLD)
    return "; ".join([*problems[:_PROBLEMS_TOLD], *more]) or None


def _take_lot(database: Database, library: Library, lot: _Lot, now: datetime) -> None:
    try:
        with database.write() as db:
            take(db, library, [event for _, event in lot.events], now)
            absorbed(db, lot.done, now)
    except StatementError as error:
        log.error("events_taken_one_by_one", error=type(error.orig).__name__, events=len(lot.events))
        _take_one_by_one(database, library, lot, now)


def _take_one_by_one(database: Database, library: Library, lot: _Lot, now: datetime) -> None:
    """One event that a statement does not take, for whatever reason, must not hold up the others."""
    for webhook_id, event in lot.events:
        try:
            with database.write() as db:
                take(db, library, [event], now)
        except StatementError as error:
            problems = [lot.done.get(webhook_id), f"an event could not be stored: {type(error.orig).__name__}"]
            lot.done[webhook_id] = "; ".join(filter(None, problems))
    with database.write() as db:
        absorbed(db, lot.done, now)


def take(db: Connection, library: Library, events: Sequence[FeedbackEvent], now: datetime) -> None:
    """Stores those of these events, at most BATCH, that are new, with all that follows from them.

    Locks are taken in the order in which sending takes them: recipients, then deliveries; programs come last.
    """
    told = {event.natural_key: event for event in events}
    for key in known_events(db, told):
        del told[key]
    placed = _place(db, list(told.values()))
    stored = insert_feedback(db, [_row(one, now) for one in placed])
    placed = [one for one in placed if one.event.natural_key in stored]
    if not placed:
        return
    heed_feedback(db, library, placed, now)
    ours = [(one.event, one.mail) for one in placed if one.mail is not None]
    lock_mails(db, {mail.id for _, mail in ours})
    _settle(db, ours, now)
    raise_reported(db, _highest(ours))
    _mark_machines(db, ours)
    _pause_topics(db, library, ours, now)


def _place(db: Connection, events: Sequence[FeedbackEvent]) -> list[Placed]:
    mails = mails_named(db, {event.delivery for event in events if event.delivery})
    found: list[tuple[FeedbackEvent, Mail | None, str]] = []
    for event in events:
        mail = mails.get(event.delivery)
        if mail is not None and is_to_forgotten(mail.recipient):
            event = replace(event, email="", raw={}, reason=None)
        known = (mail.email if mail is not None else None) or ""
        # of other mail that goes out by the same account, only what says something of an address is kept with it
        wanted = mail is not None or event.kind in _OF_AN_ADDRESS
        found.append((event, mail, _address(event.email, known) if wanted else ""))
    ids = ensure_addresses(db, {email for _, _, email in found if email})
    return [Placed(event, mail, email, ids.get(email)) for event, mail, email in found]


def _address(email: str, fallback: str) -> str:
    try:
        return address_key(email)
    except ValueError:  # `dropped` as invalid may name what is no address
        return fallback


def _row(one: Placed, now: datetime) -> dict[str, Any]:
    event = one.event
    return {
        "natural_key": event.natural_key,
        "kind": event.kind,
        "occurred_at": event.occurred_at,
        "observed_at": now,
        "program_id": one.mail.program_id if one.mail else None,
        "delivery_id": one.mail.id if one.mail else None,
        "address_id": one.address_id,
        "soft": event.soft,
        "machine": event.machine,
        "url": event.url,
        "reason": event.reason,
        "raw": event.raw,
    }


Ours = Sequence[tuple[FeedbackEvent, Mail]]
"""New events with the mails of ours that they bear."""


def _settle(db: Connection, ours: Ours, now: datetime) -> None:
    """Any event that bears a mail of ours proves that the provider has it."""
    latest: dict[int, FeedbackEvent] = {}
    for event, mail in ours:
        if mail.state in TRANSITIONS[By.EVIDENCE]:
            known = latest.get(mail.id)
            if known is None or (event.attempt or 0, event.provider_id) > (known.attempt or 0, known.provider_id):
                latest[mail.id] = event
    provider_ids = {id_: event.provider_id for id_, event in latest.items()}
    attempts = {id_: event.attempt for id_, event in latest.items() if event.attempt is not None}
    settled = accept_on_evidence(db, provider_ids, now, attempts)
    if settled:
        log.info("settled_by_webhook", deliveries=len(settled))


def _highest(ours: Ours) -> dict[int, Reported]:
    found: dict[int, Reported] = {}
    for event, mail in ours:
        report = REPORTED.get(event.kind)
        if report is not None and (mail.id not in found or RANK[report] > RANK[found[mail.id]]):
            found[mail.id] = report
    return found


def _mark_machines(db: Connection, ours: Ours) -> None:
    """Looks again at the clicks on the mails concerned: what comes late may show that a click was a scanner's."""
    telling = (FeedbackKind.DELIVERED, FeedbackKind.CLICKED)
    concerned = {mail.id for event, mail in ours if event.kind in telling}
    if not concerned:
        return
    clicks: dict[int, list[Click]] = {}
    delivered: dict[int, list[datetime]] = {}
    for row in deliveries_and_clicks(db, concerned):
        if row.kind == FeedbackKind.CLICKED:
            clicks.setdefault(row.delivery_id, []).append(Click(row.id, row.occurred_at, row.url))
        else:
            delivered.setdefault(row.delivery_id, []).append(row.occurred_at)
    marked = {id_ for mail, made in clicks.items() for id_ in machine_clicks(made, delivered.get(mail, ()))}
    mark_machine(db, sorted(marked))


def _pause_topics(db: Connection, library: Library, ours: Ours, now: datetime) -> None:
    """Pauses each topic of whose mails of a day too many were reported as spam, and says so.

    Mail that was made before an operator last let the topic go on was judged by them, and is not judged again.
    """
    cohorts = {
        Cohort(mail.program_id, mail.topic, mail.created_at.astimezone(UTC).date())
        for event, mail in ours
        if event.kind is FeedbackKind.COMPLAINED and mail.to_partner
    }
    if not cohorts:
        return
    since = last_lifted(db, {(cohort.program_id, cohort.topic) for cohort in cohorts})
    for cohort, (complained, handed_over) in complaints(db, cohorts, since).items():
        if not too_many_complaints(complained, handed_over):
            continue
        said = f"{complained:,} of the {handed_over:,} mails of {cohort.day} were reported as spam"
        if pause_topic(db, cohort.program_id, cohort.topic, said, now):
            scope = library.scope(cohort.program_id)
            of = f" of {scope.program.key}" if scope else ""
            advice = f"engage sending resume --topic {cohort.topic} --why TEXT lets its mail out again"
            raise_alarm(db, TOPIC_PAUSED, f"The topic {cohort.topic}{of} is paused: {said}. {advice}", now)
