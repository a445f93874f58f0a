"""Replays a past period of one programme: the pipeline's own steps, under a clock that jumps to whatever comes next.

At each instant the scratch database learns what happened, events are matched, slots fire, and what is due is delivered.
The order depends on nothing but the history: the same replay again gives the same result, on any database.
"""

from collections.abc import Collection, Iterator, Set
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, CampaignState, GatherTrigger, ScheduleTrigger
from engage.domain.facts import Feed
from engage.domain.local_time import instant_of
from engage.facts import EVENTS_OF, Scope
from engage.pipeline.compose import Composer
from engage.pipeline.contest import decide_contests
from engage.pipeline.deliver import deliver
from engage.pipeline.journeys import advance
from engage.pipeline.library import Library
from engage.pipeline.match import match_events
from engage.pipeline.outlet import Outlet
from engage.pipeline.runs import carry_out, open_due_runs
from engage.providers.protocol import Provider
from engage.slots import slots_between
from engage.store.caps import next_contest
from engage.store.database import Database
from engage.store.deliveries import due, next_due
from engage.store.intake import analyze, hear
from engage.store.journeys import due_journeys, next_journey
from engage.store.past import Past
from engage.store.programs import ensure_version
from engage.store.runs import Mark, set_marks
from engage.triggers import concerned, schedule_in

BATCH = 200
"""How many deliveries are decided again and handed over at a time."""

HEARD_EVERY = timedelta(minutes=10)
"""How often feeds are noted as heard, at the most: no feed goes stale within so little."""

_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, included, to `end`, excluded, both in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def of_days(cls, first: date, last: date, zone: str) -> "Period":
        """From the beginning of the first to the end of the last day in the zone."""
        return cls(_midnight(first, zone), _midnight(last + timedelta(days=1), zone))


class Replay:
    """One programme's past period in a scratch database that holds nothing yet."""

    def __init__(self, scratch: Database, past: Past, period: Period) -> None:
        self._scratch = scratch
        self._past = past
        self._period = period
        self.now = period.start
        self._heard_at: datetime | None = None

    def walk(
        self, library: Library, campaigns: Collection[Campaign], composer: Composer, provider: Provider
    ) -> Iterator[datetime]:
        """Walks through the period with these campaigns of the programme, as if all were live; their dates don't count.

        Yields each instant once it is done.
        """
        with self._scratch.write() as db:
            program_id = self._past.begin(db, self._period.start)
            analyze(db)
            library = _in_scratch(db, library, program_id, campaigns, self._period.start)
        scope = Scope(self._past.program, program_id)
        outlet = Outlet(provider, lambda _: True, lambda _: nullcontext(), BATCH, lambda: self.now)
        with self._scratch.write() as db:
            set_marks(db, self._marks(library, scope))
        heard = {feed: first for feed in Feed if (first := self._past.first(EVENTS_OF[feed])) is not None}
        slots = self._slots(library, scope)
        for instant in self._instants(slots, library.campaigns.values()):
            self.now = instant
            self._take_in(library, scope, heard)
            if self.now in slots:
                self._carry_out(library)
            self._advance(library)
            decide_contests(self._scratch, library, lambda: self.now, lambda _: None)
            self._deliver(library, composer, outlet)
            yield instant

    def _instants(self, slots: Set[datetime], campaigns: Collection[Campaign]) -> Iterator[datetime]:
        """When something happens that a campaign waits for, comes due or fires, in order; asked one after another."""
        events = self._past.events(self._period.start, self._period.end)
        awaited = {at for kind, status, at in events if concerned(campaigns, kind, status)}
        planned = sorted(slots | awaited, reverse=True)
        while True:
            with self._scratch.read() as db:
                waiting = (next_due(db), next_journey(db), next_contest(db))
            coming = [instant for instant in (*planned[-1:], *waiting) if instant is not None]
            if not coming or min(coming) >= self._period.end:
                return
            if planned and planned[-1] == min(coming):
                planned.pop()
            yield min(coming)

    def _marks(self, library: Library, scope: Scope) -> list[Mark]:
        """The first instant of the period may be a slot: schedules have been looked at up to just before."""
        return [
            Mark(
                scope.program_id,
                campaign.name,
                schedule_in(campaign.trigger, scope.program.zone),
                self._period.start - _BEFORE,
            )
            for campaign in library.on_schedules()
            if isinstance(campaign.trigger, ScheduleTrigger)
        ]

    def _slots(self, library: Library, scope: Scope) -> set[datetime]:
        start, end = self._period.start - _BEFORE, self._period.end - _BEFORE
        return {
            slot.at
            for campaign in library.on_schedules()
            if isinstance(campaign.trigger, ScheduleTrigger)
            for slot in slots_between(campaign.trigger.cron, campaign.trigger.zone(scope.program.zone), start, end)
        }

    def _take_in(self, library: Library, scope: Scope, heard: dict[Feed, datetime]) -> None:
        """Learns what happened and matches it. A feed that ever told anything is taken to have been read since."""
        with self._scratch.write() as db:
            news = self._past.learn(db, self.now)
            if self._heard_at is None or self.now - self._heard_at >= HEARD_EVERY:
                self._heard_at = self.now
                for feed, first in heard.items():
                    if first <= self.now:
                        hear(db, scope.program_id, feed, self.now)
            if news:
                match_events(db, library, news, self.now)

    def _carry_out(self, library: Library) -> None:
        with self._scratch.write() as db:
            opened = open_due_runs(db, library, self.now).run_ids
        for run_id in opened:
            carry_out(self._scratch, library, run_id, lambda: self.now, lambda _: None)

    def _advance(self, library: Library) -> None:
        while True:
            with self._scratch.write() as db:
                ids = due_journeys(db, self.now, BATCH)
                if not ids:
                    return
                advance(db, library, ids, self.now)

    def _deliver(self, library: Library, composer: Composer, outlet: Outlet) -> None:
        while True:
            with self._scratch.read() as db:
                ids = [id_ for id_, _ in due(db, self.now, BATCH)]
            if not ids:
                return
            deliver(self._scratch, library, composer, outlet, ids)


def _in_scratch(
    db: Connection, library: Library, program_id: int, campaigns: Collection[Campaign], now: datetime
) -> Library:
    """The library with these campaigns only, live and without dates, under the ids of the scratch database.

    And with the daily mails that may tell of what they would have sent.
    """
    live = [replace(campaign, state=CampaignState.LIVE, starts=None, ends=None) for campaign in campaigns]
    theirs = {campaign.program for campaign in live}
    daily = (one for one in library.campaigns.values() if isinstance(one.trigger, GatherTrigger))
    live += [one for one in daily if one.program in theirs and one not in live]
    return replace(
        library,
        programs={key: program for key, program in library.programs.items() if key in theirs},
        program_ids=dict.fromkeys(theirs, program_id),
        campaigns={(campaign.program, campaign.name): campaign for campaign in live},
        version_ids={(one.program, one.name): ensure_version(db, program_id, one, now) for one in live},
    )


def _midnight(day: date, zone: str) -> datetime:
    return instant_of(datetime.combine(day, time()), zone)
