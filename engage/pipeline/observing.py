"""Takes what sources tell, as imports and pollers do."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.records import Record
from engage.facts import Scope
from engage.store.intake import Intake, take


def observe(
    db: Connection,
    scope: Scope,
    rows: Sequence[Sequence[Record]],
    *,
    source: str,
    news: bool,
    now: datetime,
    limit: int | None = None,  # noqa: ARG001
) -> Intake:
    """Takes a batch in the caller's transaction; `Intake.event_ids` are the events that are to be matched.

    `news`: changes are to be matched with campaigns; otherwise they are history. `limit`: how many status changes an
    hour of this source are let through before they are held; the program's limit by default.
    """
    return take(db, scope.program, scope.program_id, rows, observed_at=now, source=source, news=news)
