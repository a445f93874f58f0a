"""What goes out in the next days, as far as it can be known: runs of schedules, steps of journeys, mails that wait.

Nobody is looked up: a run is taken to make as many mails as the one before it. That tells a calendar what a day will be
like; who it will be is for a plan (`engage.pipeline.plan`) to say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, CampaignState, EditionTrigger, ScheduleTrigger, texts_of
from engage.domain.journeys import path_of
from engage.domain.local_time import instant_of
from engage.domain.programs import Program
from engage.domain.promotions import is_over
from engage.facts import Scope
from engage.pipeline.editions import editions_at
from engage.pipeline.library import Library
from engage.slots import Slot, next_slot, slots_between
from engage.store.coming import COUNTED, last_runs, made_by, made_since, mails_coming, steps_coming
from engage.store.runs import Run

DAYS = 14
"""So far ahead does a calendar look, and so far back for what events usually bring."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RunsAhead:
    """The runs of a campaign on one day: `first` is the first of `times`. `mails`: what the last run made, times as
    many; None: it never ran, or nothing was counted. `missing`: the edition that is not there, "" if none is.
    """

    campaign: Campaign
    first: Slot
    times: int
    mails: int | None
    last: Run | None
    missing: str


@dataclass(frozen=True, slots=True)
class StepsAhead:
    """How many go on in a campaign's journeys on one day, and the emails that may come next; none: only a wait ends."""

    campaign: str
    partners: int
    emails: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the program. `waiting` are mails that were made and wait for their hour, by campaign.

    `capped`: more waits than was counted. `events`: what events usually bring in a day.
    """

    day: date
    runs: tuple[RunsAhead, ...]
    steps: tuple[StepsAhead, ...]
    waiting: tuple[tuple[str, int], ...]
    capped: bool
    events: int

    @property
    def mails(self) -> int:
        """About how many mails."""
        known = sum(run.mails or 0 for run in self.runs) + sum(step.partners for step in self.steps if step.emails)
        return known + sum(many for _, many in self.waiting) + self.events


@dataclass(frozen=True, slots=True)
class Ahead:
    """The days to come; `usual`: how many mails a day each campaign on events made lately, the most first."""

    days: tuple[Day, ...]
    usual: tuple[tuple[str, float], ...]
    paused: tuple[Campaign, ...]


def next_run(campaign: Campaign, program: Program, now: datetime) -> Slot | None:
    """The next slot of a campaign that its dates allow; None if there is none: no schedule, over, or an event's."""
    trigger, zone = campaign.trigger, program.zone
    if not isinstance(trigger, ScheduleTrigger) or campaign.state is CampaignState.ENDED:
        return None
    after = now
    if campaign.starts is not None:
        after = max(now, instant_of(datetime.combine(campaign.starts, time()), zone) - timedelta(seconds=1))
    slot = next((one for one in _slots(trigger.cron, trigger.zone(zone), _midnight(after)) if one.at > after), None)
    slot = slot or next_slot(trigger.cron, trigger.zone(zone), after)
    return slot if _is_open(campaign, program, slot) else None


def _is_open(campaign: Campaign, program: Program, slot: Slot) -> bool:
    """Whether anybody enters on this slot: a run reads the dates on the program's clocks, whoever's the slot is on."""
    today = slot.at.astimezone(ZoneInfo(program.zone)).date()
    over = campaign.is_over(today) or is_over(campaign.promotion, program.zone, slot.at)
    return campaign.has_begun(today) and not over


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=512)  # cron takes long to work out, and a day's pages ask for the same
def _slots(cron: str, zone: str, midnight: datetime) -> tuple[Slot, ...]:
    """The slots of the days that a calendar shows, and a day more at either end."""
    return tuple(slots_between(cron, zone, midnight - _DAY, midnight + (DAYS + 2) * _DAY))


def look_ahead(db: Connection, library: Library, scope: Scope, now: datetime) -> Ahead:
    """The next DAYS days of a program, today first, on its clocks."""
    program, zone = scope.program, ZoneInfo(scope.program.zone)
    today = now.astimezone(zone).date()
    dates = [today + ahead * _DAY for ahead in range(DAYS)]
    ends = [instant_of(datetime.combine(one + _DAY, time()), program.zone) for one in dates]
    days = list(zip([None, *ends[:-1]], ends, strict=True))
    campaigns = [one for (key, _), one in sorted(library.campaigns.items()) if key == program.key]
    usual = _usual(db, scope, campaigns, now)
    runs = _runs(db, library, scope, campaigns, now)
    steps = list(_steps(db, library, scope, days))
    waiting = mails_coming(db, scope.program_id, days)
    found = [
        Day(
            day=one,
            runs=tuple(runs.get(one, ())),
            steps=steps[number],
            waiting=tuple(waiting[number].most_common()),
            capped=COUNTED in (waiting[number].total(), sum(step.partners for step in steps[number])),
            events=round(sum(many for _, many in usual)),
        )
        for number, one in enumerate(dates)
    ]
    paused = tuple(one for one in campaigns if one.state is CampaignState.PAUSED)
    return Ahead(tuple(found), usual, paused)


def _usual(db: Connection, scope: Scope, campaigns: list[Campaign], now: datetime) -> tuple[tuple[str, float], ...]:
    made = made_since(db, scope.program_id, now - DAYS * _DAY)
    on_events = (one for one in campaigns if not isinstance(one.trigger, ScheduleTrigger | EditionTrigger))
    live = {one.name for one in on_events if one.state is CampaignState.LIVE}
    usual = [(name, many / DAYS) for name, many in made.items() if name in live]
    return tuple(sorted(usual, key=lambda one: (-one[1], one[0])))


def _runs(
    db: Connection, library: Library, scope: Scope, campaigns: list[Campaign], now: datetime
) -> Mapping[date, list[RunsAhead]]:
    program = scope.program
    last = last_runs(db, [scope.program_id], done=True)
    made = made_by(db, last.values())
    found: dict[date, list[RunsAhead]] = {}
    for campaign in campaigns:
        trigger = campaign.trigger
        if not isinstance(trigger, ScheduleTrigger) or campaign.state is not CampaignState.LIVE:
            continue
        by_day: dict[date, list[Slot]] = {}
        for slot in _slots(trigger.cron, trigger.zone(program.zone), _midnight(now)):
            if slot.at > now and _is_open(campaign, program, slot):
                by_day.setdefault(slot.local.date(), []).append(slot)
        run = last.get((scope.program_id, campaign.name))
        mails = made.get(run.id) if run is not None else None
        for day, slots in by_day.items():
            missing = next((one.email for one in editions_at(library, campaign, slots[0].key) if not one.there), "")
            many = None if mails is None else mails * len(slots)
            found.setdefault(day, []).append(RunsAhead(campaign, slots[0], len(slots), many, run, missing))
    for runs in found.values():
        runs.sort(key=lambda one: (one.first.at, one.campaign.name))
    return found


def _steps(
    db: Connection, library: Library, scope: Scope, days: list[tuple[datetime | None, datetime]]
) -> Iterator[tuple[StepsAhead, ...]]:
    coming = steps_coming(db, scope.program_id, days)
    versions = library.versions(db, {version for day in coming for _, version, _ in day})
    for day in coming:
        found: dict[tuple[str, tuple[str, ...]], int] = {}
        for (name, version, step), many in day.items():
            campaign = versions.get(version)
            emails = _next_emails(campaign, step) if campaign is not None else ()
            found[name, emails] = found.get((name, emails), 0) + many
        yield tuple(StepsAhead(name, many, emails) for (name, emails), many in sorted(found.items()))


def _next_emails(campaign: Campaign, at: str) -> tuple[str, ...]:
    """The emails that may be sent between the step `at` and whatever is waited for after it."""
    path = path_of(campaign.steps)
    if at not in path.nodes:
        return ()
    texts = (text.template for step in path.mails_next(at) for text in texts_of(step))
    return tuple(dict.fromkeys(texts))
