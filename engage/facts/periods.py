"""What partners did in a calendar period, as is known at an instant: the facts that a look back at a period shows.

A win of the period that was taken back since is none, as everywhere.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.facts import METRICS
from engage.domain.tiers import Period
from engage.facts.existence import PROGRAM_ID, referrals_exist
from engage.facts.meanings import COUNTS
from engage.facts.portable import Among
from engage.facts.statements import Scope
from engage.facts.subjects import IDS
from engage.facts.totals import counted
from engage.store.types import Instant


@dataclass(frozen=True, slots=True)
class Done:
    """Referrals submitted in a period, those won in it and their amount in minor units."""

    referrals: int = 0
    wins: int = 0
    revenue: int = 0


def done_in(db: Connection, scope: Scope, period: Period, now: datetime, ids: Collection[int]) -> dict[int, Done]:
    """What each of these partners did in a period that has an end, by id; who did nothing has zeros."""
    parameters = {
        "program_id": scope.program_id,
        "ids": list(ids),
        "now": now,
        "start": period.start,
        "end": period.end,
    }
    found = {row.partner_id: Done(row.referrals, row.wins, row.revenue) for row in db.execute(_SUMS, parameters)}
    return {id_: found.get(id_, Done()) for id_ in ids}


def _sums() -> sa.Select[*tuple[int, ...]]:
    now, start, end = (sa.bindparam(name, type_=Instant()) for name in ("now", "start", "end"))
    columns = []
    for name in METRICS:
        counts, instant = COUNTS[name]
        lies = sa.and_(counts, instant >= start, instant < end)
        total = sa.func.sum(counted.c.amount).filter(lies) if name == "revenue" else sa.func.count().filter(lies)
        # PostgreSQL makes a numeric of the sum of bigints.
        columns.append(sa.func.coalesce(sa.cast(total, sa.BigInteger()), 0).label(name))
    return (
        sa.select(counted.c.partner_id, *columns)
        .where(counted.c.program_id == PROGRAM_ID, Among(counted.c.partner_id, IDS), referrals_exist(counted, now))
        .group_by(counted.c.partner_id)
    )


_SUMS = _sums()
