"""Schedules' marks and runs: which slots have been looked at, and what became of each run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from engage.domain.keys import run_key
from engage.store.tables import enrollments, occasions, runs, schedule_marks
from engage.store.upserts import insert_many, insert_new

OPEN, RUNNING, DONE, HELD, DROPPED = "open", "running", "done", "held", "dropped"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_WAITED_FOR = timedelta(hours=1)  # a run that fails each time it is taken up must not stop its campaign for good


@dataclass(frozen=True, slots=True)
class Run:
    """One slot of a campaign. `reason`: why it is held. `entering`: held for max_audience, how many would have entered.

    `approved_audience`: how many may enter beyond max_audience, as an operator has said.
    """

    id: int
    program_id: int
    campaign: str
    version_id: int
    slot: str
    as_of: datetime
    state: str
    reason: str | None
    matched: int | None
    finished_at: datetime | None
    entering: int | None
    approved_audience: int | None


_RUN = [runs.c[name] for name in Run.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where a campaign's schedule has been looked at, and as what: None while the campaign is not live."""

    program_id: int
    campaign: str
    schedule: str | None
    looked_until: datetime


_MARK = [schedule_marks.c[name] for name in Mark.__dataclass_fields__]


def marks(db: Connection) -> dict[tuple[int, str], Mark]:
    """(programme, campaign) -> its mark, of all that have one."""
    found = [Mark(*row) for row in db.execute(sa.select(*_MARK))]
    return {(mark.program_id, mark.campaign): mark for mark in found}


def set_marks(db: Connection, moved: Sequence[Mark]) -> None:
    """Sets marks, each only forward: of two schedulers the one whose clock is behind changes nothing."""
    if not moved:
        return
    c = schedule_marks.c
    insert = (sqlite if db.dialect.name == "sqlite" else postgresql).insert(schedule_marks)
    new = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=[c.program_id, c.campaign],
        set_={"looked_until": new.looked_until, "schedule": new.schedule},
        where=c.looked_until < new.looked_until,
    )
    db.execute(statement, [asdict(mark) for mark in moved])


@dataclass(frozen=True, slots=True)
class DueRun:
    """A slot that is to be fired."""

    program_id: int
    campaign: str
    version_id: int
    slot: str


def open_runs(db: Connection, due: Sequence[DueRun], now: datetime) -> list[int]:
    """Opens a run for each slot that has none; returns the ids of the new ones, in the order of `due`.

    Two schedulers may do so in the same instant: a slot's row can be inserted only once.
    """
    rows = [{**asdict(one), "as_of": now, "state": OPEN} for one in due]
    return sorted(row.id for row in insert_many(db, runs, rows, runs.c.id, or_ignore=True))


def begin_run(
    db: Connection, program_id: int, campaign: str, version_id: int, slot: str, now: datetime
) -> tuple[Run, bool]:
    """The run of this slot, and whether it is new: whoever asks twice gets the same one."""
    row = {
        "program_id": program_id,
        "campaign": campaign,
        "version_id": version_id,
        "slot": slot,
        "as_of": now,
        "state": OPEN,
    }
    new = insert_new(db, runs, row)
    c = runs.c
    found = db.execute(sa.select(*_RUN).where(c.program_id == program_id, c.campaign == campaign, c.slot == slot)).one()
    return Run(**found._mapping), new


def take_run(db: Connection, run_id: int, now: datetime, given_up_before: datetime) -> Run | None:
    """Takes a run that is open, or whose worker has not been at it since `given_up_before`; None if it is not free.

    The facts of a run are those of `now`, when it is first taken. A campaign's runs are carried out one after another:
    `again` asks who has entered on the ones before. One that nobody has been at for so long is waited for no more.
    """
    c, earlier = runs.c, runs.alias("earlier").c
    at_it = sa.and_(earlier.started_at >= given_up_before, earlier.as_of >= now - _WAITED_FOR)
    unfinished = sa.or_(earlier.state == OPEN, sa.and_(earlier.state == RUNNING, at_it))
    mine = sa.and_(earlier.program_id == c.program_id, earlier.campaign == c.campaign, earlier.id < c.id)
    free = sa.or_(c.state == OPEN, sa.and_(c.state == RUNNING, c.started_at < given_up_before))
    as_of = sa.case((c.state == OPEN, sa.literal(now, c.as_of.type)), else_=c.as_of)
    statement = (
        sa.update(runs)
        .where(c.id == run_id, free, ~sa.exists().where(mine, unfinished))
        .values(state=RUNNING, started_at=now, as_of=as_of)
    )
    return get_run(db, run_id) if db.execute(statement).rowcount else None


def stay_at_run(db: Connection, run_id: int, now: datetime) -> None:
    """Says that the run's worker is at it."""
    db.execute(sa.update(runs).where(runs.c.id == run_id, runs.c.state == RUNNING).values(started_at=now))


def leave_run(db: Connection, run_id: int) -> None:
    """Says that nobody is at the run, which is to be taken up where it is; its facts stay those that they were."""
    stay_at_run(db, run_id, _LONG_AGO)


def reopen_held_run(db: Connection, run_id: int, now: datetime, **also: object) -> bool:
    """Opens a run that was held again, with the facts of now, and sets `also`; says whether it was held."""
    c = runs.c
    values = {"state": OPEN, "reason": None, "as_of": now, "finished_at": None, **also}
    return db.execute(sa.update(runs).where(c.id == run_id, c.state == HELD).values(values)).rowcount == 1


def release_held_run(db: Connection, run_id: int, now: datetime, why: str) -> bool:
    """Opens a run that was held again and lets in as many as it was held for."""
    approved = sa.func.coalesce(runs.c.entering, runs.c.approved_audience)
    return reopen_held_run(db, run_id, now, approved_audience=approved, why=why)


def drop_held_run(db: Connection, run_id: int, now: datetime, why: str) -> bool:
    """Ends a run that was held for good; it keeps the reason."""
    c = runs.c
    values = {"state": DROPPED, "finished_at": now, "why": why}
    return db.execute(sa.update(runs).where(c.id == run_id, c.state == HELD).values(values)).rowcount == 1


def held_runs(db: Connection) -> list[Run]:
    """Runs that are held, oldest first. One that a silent feed held is over when the campaign's next slot comes."""
    c, later = runs.c, runs.alias("later").c
    next_one = sa.exists().where(later.program_id == c.program_id, later.campaign == c.campaign, later.slot > c.slot)
    query = sa.select(*_RUN).where(c.state == HELD, sa.or_(c.entering.is_not(None), ~next_one)).order_by(c.id)
    return [Run(**row._mapping) for row in db.execute(query)]


def runs_held_for(db: Connection, reason: str) -> list[Run]:
    """Runs that are held for this reason, oldest first."""
    query = sa.select(*_RUN).where(runs.c.state == HELD, runs.c.reason == reason).order_by(runs.c.id)
    return [Run(**row._mapping) for row in db.execute(query)]


def run_before(db: Connection, run: Run) -> tuple[Run, int] | None:
    """The campaign's latest run of an earlier slot that was carried out, and how many it enrolled."""
    c = runs.c
    query = (
        sa.select(*_RUN)
        .where(c.program_id == run.program_id, c.campaign == run.campaign, c.slot < run.slot, c.state == DONE)
        .order_by(c.slot.desc())
        .limit(1)
    )
    row = db.execute(query).first()
    if row is None:
        return None
    enrolled = (
        sa.select(sa.func.count())
        .select_from(enrollments.join(occasions, occasions.c.id == enrollments.c.occasion_id))
        .where(occasions.c.program_id == run.program_id, occasions.c.campaign == run.campaign)
        .where(occasions.c.key == run_key(row.slot))
    )
    return Run(**row._mapping), db.execute(enrolled).scalar_one()


def last_run(db: Connection, program_id: int, campaign: str, as_of: datetime) -> Run | None:
    """The run of the latest slot that was opened by then; None if none was."""
    c = runs.c
    query = sa.select(*_RUN).where(c.program_id == program_id, c.campaign == campaign, c.as_of <= as_of)
    row = db.execute(query.order_by(c.slot.desc()).limit(1)).one_or_none()
    return Run(*row) if row else None


def get_run(db: Connection, run_id: int) -> Run | None:
    row = db.execute(sa.select(*_RUN).where(runs.c.id == run_id)).first()
    return Run(**row._mapping) if row else None


def finish_run(
    db: Connection,
    run_id: int,
    state: str,
    now: datetime,
    matched: int | None = None,
    reason: str | None = None,
    entering: int | None = None,
) -> None:
    values = {"state": state, "finished_at": now, "matched": matched, "reason": reason, "entering": entering}
    db.execute(sa.update(runs).where(runs.c.id == run_id).values(values))


def unfinished_runs(db: Connection, opened_before: datetime, begun_before: datetime) -> list[int]:
    """Runs that nobody has begun since `opened_before`, and those that nobody has been at since `begun_before`."""
    c = runs.c
    waiting = sa.and_(c.state == OPEN, c.as_of <= opened_before)
    query = sa.select(c.id).where(sa.or_(waiting, sa.and_(c.state == RUNNING, c.started_at < begun_before)))
    return list(db.execute(query.order_by(c.id)).scalars())
