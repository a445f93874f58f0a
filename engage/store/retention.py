"""What is kept for a time only: removed from its oldest row on, a batch at a time.

Promise: no batch reads more than it looks at, however much history there is; each goes on where the last one ended.
What stops a second mail, what facts read and what reports count is kept for good: docs/operations.md has the policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store import tables as t
from engage.store.upserts import BATCH, insert_new, one_of


class Kept(StrEnum):
    """For how long: `raw` is what came from outside as it came, `details` what explains single mails."""

    RAW = "raw"
    DETAILS = "details"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a table older than so long, by the instant in `at`, are deleted; or emptied of `blank`, if that is given.

    `key` grows with `at`. `also` says which rows may go at all.
    """

    table: sa.Table
    kept: Kept
    at: str
    key: str = "id"
    also: sa.ColumnElement[bool] | None = None
    blank: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.table.name


_later = t.feed_readings.alias("later")
_HEARD_SINCE = sa.exists().where(
    _later.c.program_id == t.feed_readings.c.program_id,
    _later.c.feed == t.feed_readings.c.feed,
    _later.c.heard_at > t.feed_readings.c.heard_at,
)

RULES = (
    Rule(t.webhooks, Kept.RAW, "received_at", also=t.webhooks.c.absorbed_at.is_not(None)),
    Rule(t.feedback, Kept.RAW, "observed_at", blank={"raw": {}}),
    Rule(t.kept_messages, Kept.RAW, "composed_at", key="delivery_id"),
    Rule(t.confirmations, Kept.RAW, "asked_at"),
    Rule(t.decisions, Kept.DETAILS, "decided_at"),
    Rule(t.attempts, Kept.DETAILS, "started_at"),
    Rule(t.coaching_alerts, Kept.DETAILS, "raised_at", also=t.coaching_alerts.c.state == "resolved"),
    Rule(t.alarms, Kept.DETAILS, "raised_at", also=t.alarms.c.due_at.is_(None)),
    Rule(t.feed_readings, Kept.DETAILS, "heard_at", also=_HEARD_SINCE),
)


def prune(db: Connection, rule: Rule, before: datetime, limit: int = BATCH) -> bool:
    """Removes a batch of what is older than `before`; says whether there may be more.

    Of two processes at once the second finds nothing to do.
    """
    marks, key, at = t.retention_marks.c, rule.table.c[rule.key], rule.table.c[rule.at]
    insert_new(db, t.retention_marks, {"name": rule.name, "until_id": 0})
    mark = sa.select(marks.until_id).where(marks.name == rule.name).with_for_update(skip_locked=True)
    until: int | None = db.execute(mark).scalar()
    if until is None:
        return False
    rows = db.execute(sa.select(key, at).where(key > until).order_by(key).limit(limit)).all()
    old = [row[0] for row in takewhile(lambda row: row[1] < before, rows)]
    if not old:
        return False
    which = one_of(db, key, old) if rule.also is None else sa.and_(one_of(db, key, old), rule.also)
    if rule.blank is None:
        db.execute(sa.delete(rule.table).where(which))
    else:
        db.execute(sa.update(rule.table).where(which).values(rule.blank))
    db.execute(sa.update(t.retention_marks).where(marks.name == rule.name).values(until_id=old[-1]))
    return len(old) == limit
