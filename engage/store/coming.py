"""What comes in the next days, and what came lately: from what waits and from counts, never from history.

What waits is counted up to a cap, so that a newsletter to everybody costs no more than that.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.queueing import Lane
from engage.store.runs import DONE, Run
from engage.store.tables import campaign_versions, count_marks, deliveries, delivery_counts, enrollments, runs

COUNTED = 10_000
"""So many that wait are counted for one day; "at least so many" is all that is said of more."""

Days = Sequence[tuple[datetime | None, datetime]]
"""(from, before) of each day; from None: whatever is overdue too."""

_HOUR = timedelta(hours=1)
_CREATED = "created"
_LANES = (Lane.TRANSACTIONAL, Lane.BULK, Lane.ALERTS)


def mails_coming(db: Connection, program_id: int, days: Days) -> list[Counter[str]]:
    """How many mails wait for each day, by campaign."""
    d = deliveries.c
    waiting = sa.literal_column("deliveries.state").in_([sa.literal_column("'pending'"), sa.literal_column("'retry'")])
    lanes = [(waiting, d.lane == lane, d.program_id == program_id) for lane in _LANES]
    found: list[Counter[str]] = [Counter() for _ in days]
    for day, campaign, many in _counted(db, (d.campaign,), d.due_at, lanes, days):
        found[day][campaign] = many
    return found


def steps_coming(db: Connection, program_id: int, days: Days) -> list[Counter[tuple[str, int, str]]]:
    """How many go on in their journeys on each day: by campaign, version and the step at which they wait until then."""
    e = enrollments.c
    mine = (e.state == sa.literal_column("'active'"), e.program_id == program_id)
    found: list[Counter[tuple[str, int, str]]] = [Counter() for _ in days]
    for day, campaign, version, step, many in _counted(db, (e.campaign, e.version_id, e.step), e.due_at, [mine], days):
        found[day][campaign, version, step] = many
    return found


def _counted(
    db: Connection,
    columns: Sequence[sa.Column[Any]],
    due_at: sa.Column[Any],
    queues: Sequence[Sequence[sa.ColumnElement[bool]]],
    days: Days,
) -> Sequence[tuple[Any, ...]]:
    """(number of the day, columns, how many), of each day's first COUNTED.

    Each of the `queues` is in order in an index by itself, and read no further than to COUNTED.
    """
    parts = []
    for number, (begins, ends) in enumerate(days):
        after = [due_at >= begins] if begins is not None else []
        day = sa.select(sa.literal(number, sa.Integer()).label("day"), due_at.label("at"), *columns)
        first = [
            sa.select(day.where(*queue, *after, due_at < ends).order_by(due_at).limit(COUNTED).subquery())
            for queue in queues
        ]
        of_day = sa.union_all(*first).subquery()
        parts.append(sa.select(sa.select(of_day).order_by(of_day.c.at).limit(COUNTED).subquery()))
    all_days = sa.union_all(*parts).subquery()
    counted = [column for column in all_days.c if column.key != "at"]
    found = db.execute(sa.select(*counted, sa.func.count()).group_by(*counted))
    return [tuple(row) for row in found]


def last_runs(db: Connection, program_ids: Collection[int], *, done: bool = False) -> dict[tuple[int, str], Run]:
    """The latest run of each campaign that has had any, by program and campaign. `done`: of those carried out."""
    r, v = runs.c, campaign_versions.c
    names = sa.select(v.program_id, v.campaign).where(v.program_id.in_(program_ids)).distinct().subquery()
    latest = (
        sa.select(r.id)
        .where(r.program_id == names.c.program_id, r.campaign == names.c.campaign)
        .where(*([r.state == DONE] if done else []))
        .order_by(r.slot.desc())
        .limit(1)
        .correlate(names)
        .scalar_subquery()
    )
    query = sa.select(*(r[name] for name in Run.__dataclass_fields__)).where(
        r.id.in_(sa.select(latest).select_from(names))
    )
    return {(run.program_id, run.campaign): run for run in (Run(**row._mapping) for row in db.execute(query))}


def made_by(db: Connection, found: Collection[Run]) -> dict[int, int]:
    """How many mails were made in the hours of each of these runs, by its id; what else the campaign made then too.

    Runs of which nothing is known yet, since it was not counted so far, are left out.
    """
    c = delivery_counts.c
    of_run = {
        run.id: sa.and_(
            c.program_id == run.program_id,
            c.campaign == run.campaign,
            c.hour > run.as_of - _HOUR,
            c.hour <= (run.finished_at or run.as_of),
        )
        for run in found
    }
    if not of_run:
        return {}
    which = sa.case(*((within, sa.literal(id_, sa.BigInteger())) for id_, within in of_run.items())).label("run")
    query = sa.select(which, sa.func.sum(c.number)).where(c.state == _CREATED, sa.or_(*of_run.values()))
    made = {id_: int(many) for id_, many in db.execute(query.group_by(which))}
    until = db.execute(
        sa.select(sa.func.max(count_marks.c.counted_until, type_=count_marks.c.counted_until.type))
    ).scalar()
    counted = [run.id for run in found if until is not None and run.finished_at is not None and run.finished_at < until]
    return dict.fromkeys(counted, 0) | made


def counted_since(
    db: Connection, program_ids: Collection[int], since: datetime, states: Collection[DeliveryState | str]
) -> Counter[tuple[int, str]]:
    """How many deliveries came to these states in the hours since then, by program and campaign."""
    c = delivery_counts.c
    query = (
        sa.select(c.program_id, c.campaign, sa.func.sum(c.number))
        .where(c.program_id.in_(program_ids), c.hour >= since, c.state.in_([str(state) for state in states]))
        .group_by(c.program_id, c.campaign)
    )
    return Counter({(program_id, campaign): int(many) for program_id, campaign, many in db.execute(query)})


def made_since(db: Connection, program_id: int, since: datetime) -> Mapping[str, int]:
    """How many mails each campaign of the program made in the hours since then."""
    found = counted_since(db, [program_id], since, [_CREATED])
    return {campaign: many for (_, campaign), many in found.items()}


def versions_seen(db: Connection, program_id: int, campaign: str, most: int) -> list[tuple[int, str, datetime]]:
    """(id, content hash, first seen) of the versions of a campaign, the latest first."""
    v = campaign_versions.c
    query = sa.select(v.id, v.content_hash, v.first_seen).where(v.program_id == program_id, v.campaign == campaign)
    return [tuple(row) for row in db.execute(query.order_by(v.first_seen.desc(), v.id.desc()).limit(most))]
