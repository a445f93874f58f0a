"""Schedules' marks and runs: which slots have been looked at, and what became of each run."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import runs, schedule_marks
from engage.store.upserts import insert_or_ignore

RUNNING, DONE, HELD = "running", "done", "held"


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    program_id: int
    campaign: str
    version_id: int
    slot: str
    as_of: datetime
    state: str
    reason: str | None
    matched: int | None


_RUN = [runs.c[name] for name in Run.__dataclass_fields__]


def mark(db: Connection, program_id: int, campaign: str, now: datetime) -> datetime:
    """Up to where the campaign's schedule has been looked at; a campaign seen for the first time starts `now`."""
    c = schedule_marks.c
    row = {"program_id": program_id, "campaign": campaign, "looked_until": now}
    query = sa.select(c.looked_until).where(c.program_id == program_id, c.campaign == campaign)
    found: datetime | None = db.execute(query).scalar()
    if found is None:
        db.execute(insert_or_ignore(db, schedule_marks), row)
        found = db.execute(query).scalar_one()
    return found


def move_mark(db: Connection, program_id: int, campaign: str, until: datetime) -> None:
    c = schedule_marks.c
    db.execute(
        sa.update(schedule_marks)
        .where(c.program_id == program_id, c.campaign == campaign, c.looked_until < until)
        .values(looked_until=until)
    )


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
        "state": RUNNING,
        "started_at": now,
    }
    new = db.execute(insert_or_ignore(db, runs), row).rowcount == 1
    c = runs.c
    found = db.execute(sa.select(*_RUN).where(c.program_id == program_id, c.campaign == campaign, c.slot == slot)).one()
    return Run(**found._mapping), new


def get_run(db: Connection, run_id: int) -> Run | None:
    row = db.execute(sa.select(*_RUN).where(runs.c.id == run_id)).first()
    return Run(**row._mapping) if row else None


def finish_run(
    db: Connection, run_id: int, state: str, now: datetime, matched: int | None = None, reason: str | None = None
) -> None:
    values = {"state": state, "finished_at": now, "matched": matched, "reason": reason}
    db.execute(sa.update(runs).where(runs.c.id == run_id).values(values))


def unfinished_runs(db: Connection, started_before: datetime) -> list[int]:
    c = runs.c
    query = sa.select(c.id).where(c.state == RUNNING, c.started_at < started_before).order_by(c.id)
    return list(db.execute(query).scalars())
