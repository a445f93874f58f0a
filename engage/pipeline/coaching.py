"""What salespeople do with alerts: claim, give back, snooze, resolve, reopen; and the words that it has for the call.

While an alert about a partner is claimed, marketing mail to that partner waits: `policy.guards.left_to_sales`. A claim
takes the lock under which mails are decided, so that none goes out whose `sending` commit follows it.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor
from engage.domain.coaching import Outcome
from engage.domain.messages import Message
from engage.pipeline.coach import address_of_program
from engage.pipeline.compose import Composer
from engage.pipeline.library import Library
from engage.pipeline.previewing import DeadLinks
from engage.store.audit import note
from engage.store.coaching import (
    Alert,
    Whose,
    claim_alert,
    find_alert,
    give_back,
    reopen_alert,
    resolve_alert,
    snooze_alert,
    staff_at,
)
from engage.store.deliveries import claimed_delivery
from engage.store.people import lock_recipients


@dataclass(frozen=True, slots=True)
class Turn:
    """An alert as it stands after somebody tried to change it; not `done` if somebody else was quicker."""

    alert: Alert
    done: bool


def claim(
    db: Connection, program_ids: Collection[int], alert_id: int, actor: Actor, now: datetime, instead_of: int | None
) -> Turn | None:
    """Makes the alert the actor's own, also out of the hands of the user `instead_of`; None if there is no such alert
    in these programs.
    """
    before = _locked(db, program_ids, alert_id)
    if before is None or actor.user_id is None:
        return None
    if before.holder(now) == actor.user_id:
        return Turn(before, done=True)
    done = claim_alert(db, alert_id, actor.user_id, now, instead_of)
    return _turn(db, before, done, actor, "alert.claim", now)


def release(db: Connection, program_ids: Collection[int], alert_id: int, actor: Actor, now: datetime) -> Turn | None:
    """Gives a claimed alert back, for anybody to claim."""
    before = _locked(db, program_ids, alert_id)
    if before is None or actor.user_id is None:
        return None
    return _turn(db, before, give_back(db, alert_id, actor.user_id), actor, "alert.release", now)


def snooze(
    db: Connection, program_ids: Collection[int], alert_id: int, actor: Actor, now: datetime, days: int
) -> Turn | None:
    """Has the alert not shown for so many days."""
    before = _locked(db, program_ids, alert_id)
    if before is None or actor.user_id is None:
        return None
    done = snooze_alert(db, alert_id, actor.user_id, now, timedelta(days=days))
    return _turn(db, before, done, actor, "alert.snooze", now)


def resolve(
    db: Connection,
    program_ids: Collection[int],
    alert_id: int,
    actor: Actor,
    now: datetime,
    outcome: Outcome,
    said: str,
) -> Turn | None:
    """Says what became of the alert; `said` is what the salesperson wrote of it, or empty."""
    before = _locked(db, program_ids, alert_id)
    if before is None or actor.user_id is None:
        return None
    done = resolve_alert(db, alert_id, actor.user_id, outcome, said or None, now)
    return _turn(db, before, done, actor, "alert.resolve", now)


def reopen(db: Connection, program_ids: Collection[int], alert_id: int, actor: Actor, now: datetime) -> Turn | None:
    """Takes back what was said of a resolved alert, which becomes the actor's own."""
    before = _locked(db, program_ids, alert_id)
    if before is None or actor.user_id is None:
        return None
    if before.holder(now) == actor.user_id:
        return Turn(before, done=True)
    return _turn(db, before, reopen_alert(db, alert_id, actor.user_id, now), actor, "alert.reopen", now)


def _locked(db: Connection, program_ids: Collection[int], alert_id: int) -> Alert | None:
    """The alert, of which nobody else changes the claim until the transaction ends."""
    found = find_alert(db, program_ids, alert_id)
    if found is None or found.partner_id is None:
        return found
    lock_recipients(db, [found.partner_id], ())
    return find_alert(db, program_ids, alert_id)


def _turn(db: Connection, before: Alert, done: bool, actor: Actor, action: str, now: datetime) -> Turn:
    after = find_alert(db, [before.program_id], before.id)
    assert after is not None  # alerts are deleted by nobody who would not hold the partner
    if done:
        was, became, objects = _noted(before), _noted(after), [f"alert:{before.id}"]
        note(db, actor, action, objects, now, program_id=before.program_id, before=was, after=became)
    return Turn(after, done)


def _noted(alert: Alert) -> dict[str, Any]:
    """What the audit log keeps: nothing of the partner, nor what was said of them."""
    until = alert.snoozed_until.isoformat() if alert.snoozed_until is not None else None
    return {
        "state": alert.state.value,
        "claimed_by": alert.claimer or None,
        "snoozed_until": until,
        "outcome": alert.outcome.value if alert.outcome is not None else None,
    }


# --- reading ----------------------------------------------------------------------------------------------------------


def sent_to(db: Connection, library: Library, program_ids: Collection[int], email: str) -> Whose:
    """The alerts that were sent to this address: to members of staff who have it, to desks, to default owners."""
    recipients: dict[int, frozenset[str]] = {}
    for program_id in program_ids:
        scope = library.scope(program_id)
        program = scope.program if scope is not None else None
        keys = ("staff:default", *(f"staff:desk:{key}" for key in program.desks)) if program is not None else ()
        mine = {key for key in keys if program and address_of_program(program, key).email.lower() == email.lower()}
        if mine:
            recipients[program_id] = frozenset(mine)
    return Whose(staff_at(db, program_ids, email), recipients)


def owner_named(library: Library, alert: Alert) -> str:
    """Whom the alert was sent to: the member of staff, or the desk."""
    if alert.owner:
        return alert.owner
    scope = library.scope(alert.program_id)
    return address_of_program(scope.program, alert.recipient).name if scope is not None else alert.recipient


def words_for(db: Connection, library: Library, alert: Alert, public_url: str, now: datetime) -> Message | None:
    """The alert's mail with its evidence of then, and else as it would be written now; None if it can't be any more.

    Its links that are the recipient's own lead nowhere: somebody else may be reading.
    """
    mail = claimed_delivery(db, alert.delivery_id)
    if mail is None:
        return None
    evidence = [{"label": label, "value": value} for label, value in alert.evidence]
    composer = Composer(DeadLinks([secrets.token_hex()]), public_url)
    (composed,) = composer.compose(db, library, [mail], now, given={mail.id: {"evidence": evidence}})
    return composed.message
