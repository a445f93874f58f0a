"""What goes on by itself: schedules, the sweeper, watched sources, counts; and how all of it stands."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from engage.bootstrap.parts import Parts
from engage.domain.errors import AuthoringError
from engage.domain.gates import Probe, Shut
from engage.failpoints import failpoint
from engage.pipeline.alarms import send_alarms
from engage.pipeline.editions import missing_soon, tell_of_missing, try_again
from engage.pipeline.library import Library
from engage.pipeline.reconcile import due_for_a_look, reconcile
from engage.pipeline.retention import keep_to_policy
from engage.pipeline.rollout import compared_versions
from engage.pipeline.runs import open_due_runs
from engage.pipeline.sweep import sweep
from engage.queueing import Lane
from engage.reporting import figures
from engage.reporting.looking import Known, status
from engage.reporting.status import SourceStatus, Status
from engage.reporting.surroundings import MissingEdition, Noted
from engage.settings import Provider as ProviderName
from engage.sources.polling import Polled
from engage.sources.pushing import PushedRow
from engage.sources.watched import PushSource, Sources, WatchedSource
from engage.sources.watching import Standing
from engage.store.counts import count_on
from engage.store.figures import claim_figures, keep_figures
from engage.store.idempotency import KEPT_FOR, forget_answers
from engage.store.retention import Kept
from engage.store.upkeep import AtWork, beat, forget, forget_silent

log = structlog.get_logger(__name__)

FIGURES_AT_ONCE = 8
"""Of how many campaigns the scheduler has the figures reckoned in a minute at the most."""

HEARTBEAT = timedelta(seconds=15)

SILENT_AFTER = timedelta(minutes=2)
"""A process not heard of for so long is dead, or cut off from the database."""


class Upkeep(Parts):
    """What the scheduler, and every process for itself, does now and then."""

    def open_runs(self) -> datetime | None:
        """Opens the runs of the slots that are due; returns when the next slot comes."""
        library = self.library()
        with self.database.write() as db:
            opened = open_due_runs(db, library, self.clock())
        self.queue.enqueue("run", opened.run_ids, Lane.UPKEEP)
        return opened.next_at

    def look_after_editions(self) -> None:
        """Tells our marketing of editions that are missing, and has runs carried out that waited for theirs."""
        library = self.library()
        self.hint(tell_of_missing(self.database, library, self.clock()))
        self.queue.enqueue("run", try_again(self.database, library, self.clock()), Lane.UPKEEP)

    def sweep(self) -> None:
        """Hands out what was due but not done, and takes back what dead workers held."""
        with self.database.write() as db:
            passage = self.gate.passage(db, self.clock())
            found = sweep(db, self.clock(), at_once=isinstance(passage, Probe))
            failpoint("sweeping")
            silent = forget_silent(db, self.clock() - SILENT_AFTER)
            forget_answers(db, self.clock() - KEPT_FOR)
        released = found.released
        if released.given_back or released.unknown or released.dead:
            log.warning("leases_expired", given_back=released.given_back, unknown=released.unknown, dead=released.dead)
        for process, last in silent.items():
            where = process.replace("@", " on ")  # which a log would take for an address, and mask
            log.warning("process_silent", process=where, last_beat=last.isoformat(timespec="seconds"))
        self.queue.enqueue("match", found.events, Lane.EVENTS)
        self.queue.enqueue("run", found.runs, Lane.UPKEEP)
        self.queue.enqueue("advance", found.journeys, Lane.EVENTS)
        self.queue.enqueue("contest", found.contests, Lane.UPKEEP)
        self.queue.enqueue("absorb", found.webhooks, Lane.FEEDBACK)
        if not isinstance(passage, Shut):  # else they stay due, and nothing need be tried
            self.hint(found.deliveries)

    def look_up_due(self) -> None:
        """Has the provider's records asked for deliveries whose answer was lost."""
        if self.records is not None:
            self.queue.enqueue("reconcile", due_for_a_look(self.database, self.clock()), Lane.UPKEEP)

    def reconcile(self, ids: Sequence[int]) -> None:
        """Asks the provider's records for those of the deliveries that are unknown, and settles those it has."""
        if self.records is not None:
            reconcile(self.database, self.records, ids, self.clock)

    def send_alarms(self) -> None:
        """Tells operators of what was raised, in the log and by the channel that is set."""
        send_alarms(self.database, self.alarm_channel, self.clock)

    def figures_due(self) -> None:
        """Has the figures reckoned of the campaigns whose turn it is."""
        library = self.library()
        ids = {(library.program_ids[key], name): id_ for (key, name), id_ in library.version_ids.items()}
        with self.database.read() as db:
            turns = figures.due(db, ids, self.clock(), FIGURES_AT_ONCE)
        self.queue.enqueue("reckon", [ids[name] for name, _ in turns], Lane.UPKEEP)

    def reckon(self, version_ids: Collection[int]) -> None:
        """Reckons the figures of the campaigns with these current versions that are still due, each once."""
        library = self.library()
        asked = {
            (library.program_ids[campaign.program], campaign.name): campaign
            for name, campaign in library.campaigns.items()
            if library.version_ids[name] in version_ids
        }
        with self.database.read() as db:
            turns = figures.due(db, asked, self.clock(), len(asked))
        for name, was in turns:
            now, begun = self.clock(), time.monotonic()
            with self.database.write() as db:
                mine = claim_figures(db, name, was, now)
            if mine:
                with self.database.read() as db:
                    versions = compared_versions(db, library, asked[name])
                    found = figures.reckon(db, name[0], asked[name], versions, now)
                took = replace(found, seconds=round(time.monotonic() - begun, 3))
                with self.database.write() as db:
                    keep_figures(db, name, figures.written(took))

    def keep_to_policy(self) -> None:
        """Removes some of what is kept for a time only, and whose time is over."""
        s = self.settings
        kept = {Kept.RAW: timedelta(days=s.keep_raw), Kept.DETAILS: timedelta(days=s.keep_details)}
        keep_to_policy(self.database, kept, self.clock())

    def count_deliveries(self) -> bool:
        """Counts by the hour what is new; says whether more of it waits to be counted."""
        with self.database.write() as db:
            return count_on(db, self.clock())

    def beat(self, process: str, role: str, doing: Sequence[AtWork] = ()) -> None:
        """Notes that a process lives, and what its threads are at."""
        with self.database.write() as db:
            beat(db, process, role, self.clock(), doing)

    def leave(self, process: str) -> None:
        """The process ends in order: nobody need miss its heartbeat."""
        with self.database.write() as db:
            forget(db, process)

    def sources(self) -> Sources:
        """The watched sources as sources.yaml says it now. Raises AuthoringError or InputError."""
        return self.watcher.sources(self.library().programs)

    def standings(self) -> list[Standing]:
        """How each watched source stands; raises as `sources` does."""
        return self.watcher.standings(self.sources())

    def poll_due(self) -> None:
        """Has sources polled that are due."""
        library = self.library()
        due = self.watcher.due(self.watcher.running(library.programs), library.program_ids)
        self.queue.enqueue("poll", due, Lane.SOURCES)

    def poll(self, source_ids: Sequence[int]) -> None:
        """Polls those of the sources that are due and that no other worker polls."""
        library = self.library()
        self.watcher.poll_due(self.watcher.running(library.programs), library.scopes(), source_ids)

    def poll_now(self, source: WatchedSource) -> Polled:
        """Polls a source here and now. Raises SourceDown or SourceChanged."""
        return self.watcher.poll(source, self.library().scopes()[source.program.key])

    def hook(self, name: str) -> PushSource | None:
        """The system of this name that pushes, as sources.yaml says or said when it last made sense."""
        return self.watcher.running(self.library().programs).pushed(name)

    def receive(self, source: PushSource, rows: Sequence[PushedRow]) -> Polled:
        """Takes what a system has pushed, once; it is stored when this returns."""
        return self.watcher.receive(source, self.library().scopes()[source.program.key], rows)

    def status(self) -> Status:
        """How all of it stands, also when files are wrong. Raises ServiceUnreachable."""
        now = self.clock()
        try:
            library = self.library()
        except AuthoringError as error:
            noted = Noted(campaigns=str(error), redis=self.redis.problem())
            known = Known(self.settings.carrier, self.settings.provider_rate, noted=noted)
        else:
            known = self._known(library, now)
        with self.database.read() as db:
            return status(db, known, now)

    def _known(self, library: Library, now: datetime) -> Known:
        standings = self.watcher.standings(self.watcher.running(library.programs))
        missing = (
            MissingEdition(one.campaign.program, library.scope_of(one.campaign).program_id, one.campaign.name, *rest)
            for one in missing_soon(library, now)
            for rest in [(one.file, one.at)]
        )
        noted = Noted(
            broken=len(library.problems),
            sources=self.watcher.problem,
            editions=tuple(missing),
            hears=self.settings.provider is ProviderName.SENDGRID and self.settings.sendgrid_webhook_key is not None,
            alarmed=self.settings.alarm_url is not None,
            redis=self.redis.problem(),
        )
        return Known(
            carrier=self.settings.carrier,
            rate=self.settings.provider_rate,
            scopes=tuple(library.scopes().values()),
            campaigns=tuple(library.campaigns.values()),
            sources=tuple(_shown(one, library.program_ids) for one in standings),
            noted=noted,
        )


def _shown(one: Standing, program_ids: Mapping[str, int]) -> SourceStatus:
    return SourceStatus(
        name=one.source.name,
        kind=one.source.kind,
        program=one.source.program.key,
        program_id=program_ids[one.source.program.key],
        state=one.state,
        lag=one.lag,
        error=one.error,
        rejected=one.rejected,
        tried_at=one.tried_at,
        next_at=one.next_at,
        waits=one.waits,
    )
