"""Keeps to the policy of retention: a little at a time, so that nothing else waits."""

from datetime import datetime, timedelta

from engage.store.database import Database
from engage.store.retention import RULES, Kept, prune

BATCHES = 5
"""Of each table at a time: with a look a minute that is some seven million rows a day."""


def keep_to_policy(database: Database, kept: dict[Kept, timedelta], now: datetime) -> None:
    """Removes what is older than is said for its kind, each batch in a transaction of its own."""
    for rule in RULES:
        for _ in range(BATCHES):
            with database.write() as db:
                more = prune(db, rule, now - kept[rule.kept])
            if not more:
                break
