"""Journeys: takes each who has entered a campaign from step to step, and keeps where they stand.

Promise: a step is taken once, and none after the journey has ended. Whoever takes one holds the enrollment's row, and
where it then stands is written in the same transaction. Steps are those of the version that was entered; state, dates,
`stop_when` and `goal` are those of the file as it is now.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.engine import Connection

from engage.domain.campaigns import AtStep, BranchStep, Campaign, CampaignState, WaitStep
from engage.domain.conditions import Condition
from engage.domain.decisions import Reason
from engage.domain.experiments import Arm
from engage.domain.facts import Subject
from engage.domain.journeys import JourneyState, Path, Position, path_of
from engage.facts import Scope, holds
from engage.pipeline.entries import Entry, Hints
from engage.pipeline.library import Library
from engage.pipeline.mailing import Mailing, heard_feeds, mail, silence
from engage.pipeline.waits import Waits
from engage.policy import LOOK_AGAIN
from engage.store.enrollments import insert_decisions
from engage.store.goals import converted
from engage.store.journeys import Standing, set_positions, take_standings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Walker:
    """One who has entered, at the step `at` (None: at the end) since `reached_at`. `path` is of the version entered.

    `standing`: at `at` they have been standing since an earlier tick; they have not just come to it.
    """

    enrollment_id: int
    version_id: int
    entry: Entry
    path: Path
    at: str | None
    reached_at: datetime
    entered_at: datetime
    standing: bool = False

    @property
    def partner_id(self) -> int:
        return self.entry.partner_id

    def on(self, step: str | None, now: datetime) -> "Walker":
        return replace(self, at=step, reached_at=now, standing=False)


def advance(db: Connection, library: Library, ids: Collection[int], now: datetime) -> Hints:
    """Takes the steps that are due of those of the enrollments that nobody else has in hand."""
    by_program: dict[int, list[Standing]] = {}
    for standing in take_standings(db, ids, now):
        by_program.setdefault(standing.program_id, []).append(standing)
    hints: Hints = {}
    for program_id, standings in by_program.items():
        scope = library.scope(program_id)
        walkers, ended, waiting = _sorted(db, library, scope, standings, now)
        set_positions(db, [*(_stopped(id_, why, now) for id_, why in ended), *(_later(one, now) for one in waiting)])
        if scope is not None:
            for lane, found in walk(db, scope, walkers, now).items():
                hints.setdefault(lane, []).extend(found)
    return hints


def _sorted(
    db: Connection, library: Library, scope: Scope | None, standings: Sequence[Standing], now: datetime
) -> tuple[list[Walker], list[tuple[int, str]], list[Standing]]:
    """Those who can go on; those whose journey has lost its campaign, with why; those whose campaign waits."""
    walkers: list[Walker] = []
    ended: list[tuple[int, str]] = []
    waiting: list[Standing] = []
    known = {one.campaign: library.get(one.program_id, one.campaign) for one in standings}
    live = [campaign for campaign in known.values() if campaign is not None]
    silent = {name for name, feeds in heard_feeds(db, scope, live, now).items() if silence(feeds)} if scope else set()
    versions = library.versions(db, {one.version_id for one in standings})
    for one in standings:
        campaign, version = known[one.campaign], versions.get(one.version_id)
        if campaign is None or campaign.state not in (CampaignState.LIVE, CampaignState.PAUSED):
            ended.append((one.id, Reason.CAMPAIGN_NOT_LIVE))
        elif version is None:
            ended.append((one.id, "the version that was entered cannot be read any more"))
        elif campaign.state is CampaignState.PAUSED or one.campaign in silent:
            waiting.append(one)
        else:
            walkers.append(_walker(one, campaign, version))
    return walkers, ended, waiting


def _walker(one: Standing, campaign: Campaign, version: Campaign) -> Walker:
    entry = Entry(
        occasion_id=one.occasion_id,
        campaign=campaign,
        key=one.key,
        partner_id=one.partner_id,
        by_run=one.by_run,
        referral_id=one.referral_id,
        reward_id=one.reward_id,
        arm=Arm(one.arm) if one.arm else None,
    )
    path = path_of(version.steps)
    return Walker(one.id, one.version_id, entry, path, one.step, one.reached_at, one.entered_at, standing=True)


def walk(db: Connection, scope: Scope, walkers: Sequence[Walker], now: datetime) -> Hints:
    """Takes every step that can be taken now; stores the mails that come of it, and where each then stands.

    A fixed number of statements for each campaign and each of its steps, however many walk.
    """
    stopped = _stopped_or_there(db, scope, walkers, now)
    rows = [_position_row(w.enrollment_id, position, why, now) for w, position, why in stopped]
    gone = {w.enrollment_id for w, _, _ in stopped}
    moving = [w for w in walkers if w.enrollment_id not in gone]
    waits = Waits.load(db, scope, [w for w in moving if w.path.waits])
    mailings: list[Mailing] = []
    while moving:
        going_on: list[Walker] = []
        at_branch: dict[tuple[str, int, str], list[Walker]] = {}
        for w in moving:
            node = w.path.nodes.get(w.at) if w.at is not None else None
            match node.step if node else None:
                case None:
                    if w.path.waits:
                        rows.append(_position_row(w.enrollment_id, Position(JourneyState.DONE), None, now))
                case WaitStep() | AtStep() as step:
                    due = waits.over(w, step, now)
                    if due is None:
                        going_on.append(w.on(node.follows, now))  # type: ignore[union-attr]
                    else:
                        position = Position(JourneyState.ACTIVE, step.id, due)
                        rows.append(_position_row(w.enrollment_id, position, None, now, w.reached_at))
                case BranchStep() as step:
                    at_branch.setdefault((w.entry.campaign.name, w.version_id, step.id), []).append(w)
                case step:
                    mailings.append(Mailing(w.enrollment_id, w.version_id, w.entry, step))
                    going_on.append(w.on(node.follows, now))  # type: ignore[union-attr]
        for those in at_branch.values():
            going_on += _branched(db, scope, those, now)
        moving = going_on
    set_positions(db, rows)
    return mail(db, scope, mailings, now)


def _branched(db: Connection, scope: Scope, those: Sequence[Walker], now: datetime) -> list[Walker]:
    """Each where the condition sends them. One statement."""
    first = those[0]
    node = first.path.nodes[first.at or ""]
    assert isinstance(node.step, BranchStep)
    met = _meeting(db, scope, first.entry.campaign, node.step.condition, those, now)
    _note(db, scope, [(w, "then" if w.enrollment_id in met else "otherwise", None) for w in those], now)
    return [w.on(node.then if w.enrollment_id in met else node.follows, now) for w in those]


def _note(db: Connection, scope: Scope, those: Sequence[tuple[Walker, str, str | None]], now: datetime) -> None:
    """Keeps what was decided about the way: (who, decision, reason)."""
    common = {"program_id": scope.program_id, "phase": "journey", "until": None, "values": {}, "decided_at": now}
    insert_decisions(
        db,
        [
            {**common, "enrollment_id": w.enrollment_id, "step": w.at or "", "decision": decision, "reason": reason}
            for w, decision, reason in those
        ],
    )


def _stopped_or_there(
    db: Connection, scope: Scope, walkers: Sequence[Walker], now: datetime
) -> list[tuple[Walker, Position, str | None]]:
    """Those whose journey ends here: `stop_when` holds, or they have reached the goal."""
    by_campaign: dict[str, list[Walker]] = {}
    for w in walkers:
        by_campaign.setdefault(w.entry.campaign.name, []).append(w)
    ended: list[tuple[Walker, Position, str | None]] = []
    for those in by_campaign.values():
        campaign = those[0].entry.campaign
        there = _there(db, campaign, [w for w in those if w.standing], now)
        stopped = _meeting(db, scope, campaign, campaign.stop_when, those, now)
        for w in those:
            if w.enrollment_id in there:
                ended.append((w, Position(JourneyState.REACHED), Reason.GOAL_REACHED))
            elif w.enrollment_id in stopped:
                ended.append((w, Position(JourneyState.STOPPED), Reason.STOPPED))
    _note(db, scope, [(w, "stop", why) for w, _, why in ended], now)
    return ended


def _there(db: Connection, campaign: Campaign, walkers: Sequence[Walker], now: datetime) -> set[int]:
    """The enrollments of those who have reached the goal since they entered."""
    if campaign.goal is None or not walkers:
        return set()
    entered: dict[int, datetime] = {}
    for w in walkers:
        entered[w.entry.partner_id] = min(w.entered_at, entered.get(w.entry.partner_id, w.entered_at))
    done = converted(db, campaign.goal.conversion, entered, now)
    return {w.enrollment_id for w in walkers if any(at > w.entered_at for at, _ in done.get(w.entry.partner_id, ()))}


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
    subjects = {w.enrollment_id: subject_of(campaign.subject, w.entry) for w in walkers}
    met = holds(db, scope, campaign.subject, condition, now, sorted({s for s in subjects.values() if s is not None}))
    return {id_ for id_, subject in subjects.items() if subject in met}


def subject_of(subject: Subject, entry: Entry) -> int | None:
    """The id of what the campaign is `for`, out of the entry."""
    ids = {
        Subject.PARTNER: entry.partner_id,
        Subject.REFERRAL: entry.referral_id,
        Subject.REWARD: entry.reward_id,
    }
    return ids[subject]


def _position_row(
    id_: int, position: Position, why: str | None, now: datetime, reached_at: datetime | None = None
) -> dict[str, Any]:
    active = position.state is JourneyState.ACTIVE
    return {
        "id": id_,
        "state": position.state,
        "step": position.step,
        "reached_at": reached_at,
        "due_at": position.due_at,
        "ended_at": None if active else now,
        "why": why,
    }


def _stopped(id_: int, why: str, now: datetime) -> dict[str, Any]:
    return _position_row(id_, Position(JourneyState.STOPPED), why, now)


def _later(one: Standing, now: datetime) -> dict[str, Any]:
    """Looked at again: the campaign is paused, or what it asks rests on a feed that is silent."""
    position = Position(JourneyState.ACTIVE, one.step, now + LOOK_AGAIN)
    return _position_row(one.id, position, None, now, one.reached_at)
