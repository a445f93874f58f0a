"""Journeys: takes each who has entered a campaign from step to step, and keeps where they stand.

Promise: a step is taken once, and none after the journey has ended. Whoever takes one holds the enrollment's row, and
where it then stands is written in the same transaction. Steps are those of the version that was entered; state, dates,
`stop_when` and `goal` are those of the file as it is now.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AtStep, BranchStep, Campaign, WaitStep
from engage.domain.conditions import Condition
from engage.domain.decisions import Reason
from engage.domain.journeys import JourneyState, Position
from engage.facts import Scope, holds
from engage.pipeline.entries import Hints, Mailing
from engage.pipeline.goals import reached
from engage.pipeline.library import Library
from engage.pipeline.mailing import mail
from engage.pipeline.waits import Waits
from engage.pipeline.walkers import Walker, sorted_out
from engage.store.enrollments import insert_decisions
from engage.store.journeys import Standing, set_positions, take_standings


def advance(db: Connection, library: Library, ids: Collection[int], now: datetime) -> Hints:
    """Takes the steps that are due of those of the enrollments that nobody else has in hand."""
    by_program: dict[int, list[Standing]] = {}
    for standing in take_standings(db, ids, now):
        by_program.setdefault(standing.program_id, []).append(standing)
    hints: Hints = {}
    for program_id, standings in sorted(by_program.items()):  # all workers take locks in one order
        scope = library.scope(program_id)
        due = sorted_out(db, library, scope, standings, now)
        rows = [_position_row(id_, Position(JourneyState.STOPPED), why, now) for id_, why in due.ended]
        set_positions(db, [*rows, *(_later(one, again, now) for one, again in due.waiting)])
        if scope is not None:
            for lane, found in walk(db, scope, due.walkers, now).items():
                hints.setdefault(lane, []).extend(found)
    return hints


@dataclass(frozen=True, slots=True)
class _Taken:
    """What comes of walking: rows of positions and of decisions about the way, and the mails that steps call for."""

    program_id: int
    now: datetime
    positions: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    mailings: list[Mailing] = field(default_factory=list)

    def stand(self, w: Walker, position: Position, why: str | None = None) -> None:
        self.positions.append(_position_row(w.enrollment_id, position, why, self.now, w.reached_at))

    def note(self, w: Walker, decision: str, reason: Reason | None = None) -> None:
        self.notes.append(
            {
                "program_id": self.program_id,
                "enrollment_id": w.enrollment_id,
                "step": w.at or "",
                "phase": "journey",
                "decision": decision,
                "reason": reason,
                "until": None,
                "values": {},
                "decided_at": self.now,
            }
        )


def walk(db: Connection, scope: Scope, walkers: Sequence[Walker], now: datetime) -> Hints:
    """Takes every step that can be taken now; stores the mails that come of it, and where each then stands.

    A fixed number of statements for each campaign and each of its steps, however many walk.
    """
    taken = _Taken(scope.program_id, now)
    moving = _not_ended(db, scope, walkers, taken)
    waits = Waits.load(db, scope, [w for w in moving if w.path.waits])
    moving = [w if (step := waits.caught_up(w, now)) == w.at else w.on(step, now) for w in moving]
    while moving:
        moving = _one_step(db, scope, moving, waits, taken)
    set_positions(db, taken.positions)
    insert_decisions(db, taken.notes)
    return mail(db, scope, taken.mailings, now)


def _one_step(db: Connection, scope: Scope, moving: Sequence[Walker], waits: Waits, taken: _Taken) -> list[Walker]:
    """Those who go on after the step at which each is."""
    going_on: list[Walker] = []
    at_branch: dict[tuple[str, int, str], list[Walker]] = {}
    for w in moving:
        node = w.node
        if node is None:
            if w.path.waits:  # else it ended as it began
                taken.stand(w, Position(JourneyState.DONE))
            continue
        match node.step:
            case WaitStep() | AtStep() if w.ends is not None:
                taken.stand(w, Position(JourneyState.STOPPED), w.ends)
            case WaitStep() | AtStep() as step:
                due = waits.over(w, step, taken.now)
                if due is None:
                    going_on.append(w.on(node.follows, taken.now))
                else:
                    taken.stand(w, Position(JourneyState.ACTIVE, step.id, due))
            case BranchStep() as step:
                at_branch.setdefault((w.entry.campaign.name, w.version_id, step.id), []).append(w)
            case step:
                taken.mailings.append(Mailing(w.enrollment_id, w.version_id, w.entry, step, w.entry.not_before))
                going_on.append(w.on(node.follows, taken.now))
    for those in at_branch.values():
        going_on += _branched(db, scope, those, taken)
    return going_on


def _branched(db: Connection, scope: Scope, those: Sequence[Walker], taken: _Taken) -> list[Walker]:
    """Each where the condition of the branch at which all of them are sends them. One statement."""
    node = those[0].node
    assert node is not None
    assert isinstance(node.step, BranchStep)
    met = _meeting(db, scope, those[0].entry.campaign, node.step.condition, those, taken.now)
    going_on = []
    for w in those:
        then = w.enrollment_id in met
        taken.note(w, "then" if then else "otherwise")
        going_on.append(w.on(node.then if then else node.follows, taken.now))
    return going_on


def _not_ended(db: Connection, scope: Scope, walkers: Sequence[Walker], taken: _Taken) -> list[Walker]:
    """Those who go on; the journeys of the others end here: `stop_when` holds, or they have reached the goal."""
    by_campaign: dict[str, list[Walker]] = {}
    for w in walkers:
        by_campaign.setdefault(w.entry.campaign.name, []).append(w)
    going_on: list[Walker] = []
    for those in by_campaign.values():
        campaign = those[0].entry.campaign
        entered = [(w.enrollment_id, w.partner_id, w.entered_at) for w in those if w.standing]
        there = reached(db, campaign, entered, taken.now)
        stopped = _meeting(db, scope, campaign, campaign.stop_when, those, taken.now)
        for w in those:
            if w.enrollment_id in there:
                taken.stand(w, Position(JourneyState.REACHED), Reason.GOAL_REACHED)
                taken.note(w, "stop", Reason.GOAL_REACHED)
            elif w.enrollment_id in stopped:
                taken.stand(w, Position(JourneyState.STOPPED), Reason.STOPPED)
                taken.note(w, "stop", Reason.STOPPED)
            else:
                going_on.append(w)
    return going_on


def _meeting(
    db: Connection,
    scope: Scope,
    campaign: Campaign,
    condition: Condition | None,
    walkers: Sequence[Walker],
    now: datetime,
) -> set[int]:
    """The enrollments of those whose subject meets the condition as of `now`."""
    if condition is None or not walkers:
        return set()
    subjects = {w.enrollment_id: w.entry.subject_id for w in walkers}
    ids = sorted({s for s in subjects.values() if s is not None})
    met = holds(db, scope, campaign.subject, condition, now, ids, whoever=True)
    return {id_ for id_, subject in subjects.items() if subject in met}


def _position_row(
    id_: int, position: Position, why: str | None, now: datetime, reached_at: datetime | None = None
) -> dict[str, Any]:
    active = position.state is JourneyState.ACTIVE
    return {
        "id": id_,
        "state": position.state,
        "step": position.step,
        "reached_at": reached_at if active else None,
        "due_at": position.due_at,
        "ended_at": None if active else now,
        "why": why,
    }


def _later(one: Standing, again: timedelta, now: datetime) -> dict[str, Any]:
    position = Position(JourneyState.ACTIVE, one.step, now + again)
    return _position_row(one.id, position, None, now, one.reached_at)
