"""Finds work whose hint was lost, ends what came too late, and takes back what dead workers held."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.pipeline.entries import Hints
from engage.pipeline.runs import GIVEN_UP_AFTER
from engage.store.caps import contests
from engage.store.deliveries import Released, due, expire, release_expired_leases
from engage.store.events import unmatched
from engage.store.feedback import waiting_webhooks
from engage.store.journeys import due_journeys
from engage.store.runs import unfinished_runs

GRACE = timedelta(seconds=10)
"""A hint that has not been followed within this time is taken for lost."""

MOST = 5_000
"""How much one sweep hands out at the most: the next one finds the rest."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a sweep found to be done. `contests`: the programs of which mails compete that are to be decided on."""

    events: list[int]
    deliveries: Hints
    runs: list[int]
    journeys: list[int]
    contests: list[int]
    webhooks: list[int]
    released: Released


def sweep(db: Connection, now: datetime, *, at_once: bool = False) -> Found:
    """Finds it; `at_once`, deliveries also that have just come due: somebody is to try whether the provider is back."""
    released = release_expired_leases(db, now)
    waiting = due(db, now if at_once else now - GRACE, MOST)
    late = expire(db, [id_ for id_, _ in waiting], now)
    hints: Hints = {}
    for id_, lane in waiting:
        if id_ not in late:
            hints.setdefault(lane, []).append(id_)
    return Found(
        unmatched(db, now - GRACE, MOST),
        hints,
        unfinished_runs(db, now - GRACE, now - GIVEN_UP_AFTER),
        due_journeys(db, now, MOST),
        sorted({one.program_id for one in contests(db, now)}),
        waiting_webhooks(db, now - GRACE, MOST),
        released,
    )
