"""Schedules: opens the run of each slot once, and carries it out in chunks that can be repeated after a crash."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.engine import Connection

from engage.domain.campaigns import AgainKind, Campaign, CampaignState, CatchUp, ScheduleTrigger
from engage.domain.decisions import Reason
from engage.domain.keys import run_key
from engage.facts import Member, Scope, audience
from engage.pipeline.again import entering, entry_keys, turn_episodes
from engage.pipeline.clocks import comes_at, on_their_clocks
from engage.pipeline.editions import editions_at
from engage.pipeline.enroll import enroll
from engage.pipeline.entries import Entry, Hints
from engage.pipeline.library import Library
from engage.pipeline.mailing import heard_feeds, silence
from engage.pipeline.reentry import still_inside
from engage.pipeline.rollout import admitted
from engage.pipeline.subjects import whom_of
from engage.store.database import Database
from engage.store.enrollments import ensure_occasions
from engage.store.people import zones_of
from engage.store.runs import (
    DONE,
    HELD,
    DueRun,
    Mark,
    Run,
    finish_run,
    leave_run,
    marks,
    open_runs,
    run_before,
    set_marks,
    stay_at_run,
    take_run,
)
from engage.store.upserts import BATCH
from engage.triggers import ON_TIME, Due, due_slots, next_at, schedule_in

log = structlog.get_logger(__name__)

GIVEN_UP_AFTER = timedelta(minutes=2)
"""A run that its worker has not been at for so long is taken up by another: the worker is gone."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`run_ids`: the new runs, in the order of their slots. `next_at`: when the next slot comes, if ever."""

    run_ids: list[int]
    next_at: datetime | None


def open_due_runs(db: Connection, library: Library, now: datetime) -> Opened:
    """Opens a run for each slot of a live schedule that is due; says in the log which slots were passed over.

    Two schedulers may do this at once: a slot's row can be inserted only once. A schedule starts when it is first seen
    live. Nothing is written of schedules without a due slot.
    """
    standing = marks(db)
    moved: list[Mark] = []
    due: list[tuple[datetime, DueRun]] = []
    coming: list[datetime] = []
    for campaign in library.on_schedules():
        scope, trigger = library.scope_of(campaign), campaign.trigger
        assert isinstance(trigger, ScheduleTrigger)
        mark = standing.get((scope.program_id, campaign.name))
        if campaign.state is not CampaignState.LIVE:
            if mark is not None and mark.schedule is not None:
                moved.append(replace(mark, schedule=None, looked_until=now))
            continue
        found = _look(campaign, trigger, scope.program.zone, mark, now)
        if found.passed_over:
            log.warning("slots_passed_over", campaign=campaign.name, slots=found.passed_over)
        version = library.version_of(campaign)
        due += [(slot.at, DueRun(scope.program_id, campaign.name, version, slot.key)) for slot in found.slots]
        schedule = schedule_in(trigger, scope.program.zone)
        if mark is None or mark.schedule != schedule or found != Due():
            mark = Mark(scope.program_id, campaign.name, schedule, now)
            moved.append(mark)
        coming.append(next_at(trigger, scope.program.zone, mark.looked_until))
    due.sort(key=lambda one: (one[0], one[1].program_id, one[1].campaign, one[1].slot))
    opened = open_runs(db, [run for _, run in due], now)
    set_marks(db, sorted(moved, key=lambda mark: (mark.program_id, mark.campaign)))
    return Opened(opened, min(coming, default=None))


def _look(campaign: Campaign, trigger: ScheduleTrigger, zone: str, mark: Mark | None, now: datetime) -> Due:
    if mark is None or mark.schedule is None:
        return Due()
    if mark.schedule == schedule_in(trigger, zone):
        return due_slots(trigger, zone, campaign.catch_up, mark.looked_until, now)
    # Edited: slots that it would have had while it said otherwise were not missed. But the ones on time are fired:
    # while a new version is rolled out, two schedulers may read two versions of the file, and each finds the other's.
    return due_slots(trigger, zone, CatchUp.SKIP, now - ON_TIME, now)


def carry_out(
    database: Database,
    library: Library,
    run_id: int,
    clock: Callable[[], datetime],
    hint: Callable[[Hints], None],
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Enrolls whom the run concerns, chunk by chunk, each in a transaction of its own; `hint` is told after each.

    A run that another worker is at is left to it. Facts are read as of the instant at which the run was begun, so that
    a run taken up again after a crash, or after `stopping` said that this worker is to end, finds the same partners and
    only does what is missing. A run whose edition is not there, whose feeds are silent, or that more partners
    would enter than max_audience says, is held and says so: it changes nothing.
    """
    now = clock()
    with database.write() as db:
        run = take_run(db, run_id, now, now - GIVEN_UP_AFTER)
    if run is None:
        return
    with database.read() as db:
        found = _looked_up(db, library, run)
    if isinstance(found, _Held):
        with database.write() as db:
            finish_run(db, run.id, HELD, now, matched=found.matched, reason=found.reason, entering=found.entering)
        log.warning("run_held", id=f"run-{run.id}", campaign=run.campaign, slot=run.slot, reason=found.reason)
        return
    scope, campaign, members = found.scope, found.campaign, found.let_in
    episodes: dict[int, str] = {}
    if campaign.again and campaign.again.kind is AgainKind.EACH_EPISODE:
        with database.write() as db:
            episodes = turn_episodes(db, scope, campaign, found.subject_ids, run.slot, run.as_of)
    for start in range(0, len(members), BATCH):
        if stopping():
            with database.write() as db:
                leave_run(db, run.id)
            return
        with database.write() as db:
            stay_at_run(db, run.id, clock())
            hints = _enroll_chunk(db, library, scope, campaign, run, members[start : start + BATCH], episodes, now)
        hint(hints)
    with database.write() as db:
        finish_run(db, run.id, DONE, now, matched=len(found.members))


@dataclass(frozen=True, slots=True)
class _Found:
    """Whom a run concerns: all who meet the condition, and those of them whom `only` lets in; `again` is not asked.

    Episodes are of all who meet the condition: who is let in later is so for the first time.
    """

    scope: Scope
    campaign: Campaign
    members: list[Member]
    let_in: list[Member]

    @property
    def subject_ids(self) -> list[int]:
        return [member.subject_id for member in self.members]


@dataclass(frozen=True, slots=True)
class _Held:
    """Why a run is held; `entering`: too many would have."""

    reason: str
    matched: int | None = None
    entering: int | None = None


def _looked_up(db: Connection, library: Library, run: Run) -> _Found | _Held:
    campaign, scope = library.get(run.program_id, run.campaign), library.scope(run.program_id)
    if campaign is None or scope is None:
        return _Held(f"campaign '{run.campaign}' is no longer there")
    if campaign.state is not CampaignState.LIVE:
        return _Held(Reason.CAMPAIGN_NOT_LIVE)  # nobody enters a draft: that would use up their `again`
    if any(not edition.there for edition in editions_at(library, campaign, run.slot)):
        return _Held(Reason.EDITION_MISSING)
    if reason := silence(heard_feeds(db, scope, [campaign], run.as_of)[campaign.name]):
        return _Held(reason)
    members = list(audience(scope, campaign.subject, campaign.where, run.as_of).rows(db))
    let_in = admitted(db, scope, campaign, [(one.partner_id, one.subject_id) for one in members], run.as_of)
    found = _Found(scope, campaign, members, [one for one in members if (one.partner_id, one.subject_id) in let_in])
    allowed = None if campaign.max_audience is None else max(campaign.max_audience, run.approved_audience or 0)
    if allowed is None or len(found.let_in) <= allowed:
        return found
    ids = [one.subject_id for one in found.let_in]
    again = entering(db, scope, campaign, ids, run.slot, run.as_of)
    many = len(again - still_inside(db, scope, campaign, again, run.as_of))
    if many <= allowed:
        return found
    reason = too_many(db, library, campaign, run, many)
    return _Held(reason, matched=len(found.members), entering=many)


def too_many(db: Connection, library: Library, campaign: Campaign, run: Run, many: int) -> str:
    """What an operator is told of a run that so many would enter: how many there usually are, and where to look."""
    said = f"{many:,} {campaign.subject.plural} would enter, and max_audience is {campaign.max_audience:,}"
    if run.approved_audience is not None:
        said += f" ({run.approved_audience:,} were released before)"
    before = run_before(db, run)
    if before is None:
        return f"{said}; it is the campaign's first run: see with engage plan whether they are meant"
    earlier, enrolled = before
    said += f"; the run of {earlier.slot} enrolled {enrolled:,}"
    if earlier.version_id != library.version_of(campaign):
        return f"{said}, and the campaign's file has changed since: look there first"
    return f"{said} with the same file: look at what was imported since"


def _enroll_chunk(
    db: Connection,
    library: Library,
    scope: Scope,
    campaign: Campaign,
    run: Run,
    members: Sequence[Member],
    episodes: Mapping[int, str],
    now: datetime,
) -> Hints:
    keys = entry_keys(db, scope, campaign, [member.subject_id for member in members], run.slot, episodes, run.as_of)
    if not keys:
        return {}
    key = run_key(run.slot)
    row = {
        "program_id": scope.program_id,
        "campaign": campaign.name,
        "version_id": library.version_of(campaign),
        "key": key,
        "event_id": None,
        "run_id": run.id,
        "occurred_at": run.as_of,
    }
    occasion = ensure_occasions(db, [row])[campaign.name, key]
    zones = zones_of(db, {one.partner_id for one in members if one.partner_id}) if on_their_clocks(campaign) else None

    def not_before(partner_id: int | None) -> datetime | None:
        return None if zones is None else comes_at(run.slot, zones.get(partner_id or 0), scope.program)

    entries = [
        Entry(
            occasion_id=occasion.id,
            campaign=campaign,
            key=keys[member.subject_id],
            partner_id=whom.partner_id,
            by_run=True,
            referral_id=whom.referral_id,
            reward_id=whom.reward_id,
            company_id=whom.company_id,
            staff_id=whom.staff_id,
            values=member.values,
            slot=run.slot,
            not_before=not_before(whom.partner_id),
        )
        for member, whom in zip(members, whom_of(db, campaign.subject, members), strict=True)
        if member.subject_id in keys
    ]
    return enroll(db, scope, library.version_names(scope.program.key), entries, now)
