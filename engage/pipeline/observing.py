"""Takes what sources tell, as imports and pollers do. A burst of status changes waits for an operator.

What is held is stored as always: facts know of it at once, and only messages wait.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.records import Record
from engage.facts import Scope
from engage.pipeline.privacy import recognized
from engage.signing import Signer
from engage.store.holds import begin_hold, forget_changes, hold_events, hold_waiting, note_changes, told_lately
from engage.store.intake import Intake, take
from engage.store.restoring import no_news

log = structlog.get_logger(__name__)

HOUR = timedelta(hours=1)


def observe(
    db: Connection,
    scope: Scope,
    rows: Sequence[Sequence[Record]],
    *,
    signer: Signer,
    source: str,
    news: bool,
    now: datetime,
    limit: int | None = None,
) -> Intake:
    """Takes a batch in the caller's transaction; `Intake.event_ids` are the events that are to be matched now.

    `signer` knows again whoever was erased. `news`: changes are to be matched with campaigns; otherwise they are
    history. `limit`: how many status changes within an hour this source may tell of before they are held; the program's
    by default.
    """
    rows = recognized(db, scope, signer, rows, now, source)
    taken = take(db, scope.program, scope.program_id, rows, observed_at=now, source=source, news=news)
    taken = replace(taken, events=no_news(db, taken.events))
    changes = [id_ for id_, kind in taken.events.items() if kind is EventKind.STATUS_CHANGED]
    # `take` holds the program's lock until the transaction ends: two batches cannot both slip under the limit.
    held_id = _hold(db, scope, source, len(changes), limit or scope.program.status_changes_per_hour, now)
    if held_id is None:
        return taken
    hold_events(db, held_id, changes)
    others: dict[int, EventKind] = {
        id_: kind for id_, kind in taken.events.items() if kind is not EventKind.STATUS_CHANGED
    }
    return replace(taken, events=others)


def _hold(db: Connection, scope: Scope, source: str, changes: int, limit: int, now: datetime) -> int | None:
    """The burst that these changes join or begin; None if they are let through."""
    if not changes:
        return None
    lately = told_lately(db, scope.program_id, source, now - HOUR)
    if lately.held_id is not None:
        return lately.held_id
    told = lately.changes + changes
    if told <= limit:
        if lately.first_at is not None and lately.first_at < now - 2 * HOUR:  # now and then, not at each change
            forget_changes(db, scope.program_id, source, now - HOUR)
        note_changes(db, scope.program_id, source, changes, now)
        return None
    reason = f"{told:,} status changes came from '{source}' within an hour (limit {limit:,})"
    held_id = begin_hold(db, scope.program_id, source, reason, now)
    hold_waiting(db, scope.program_id, source, held_id)  # what an import told of just before is of the same burst
    log.warning("status_changes_held", id=f"changes-{held_id}", reason=reason, decide="engage held list")
    return held_id
