"""Builds the services from the settings, once, for every entry point."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property

import structlog

from engage.clock import utc_now
from engage.domain.campaigns import Campaign, ScheduleTrigger
from engage.domain.facts import Feed
from engage.domain.gates import Probe, Shut
from engage.domain.records import Record
from engage.facts import Scope
from engage.failpoints import failpoint
from engage.logs import Outage
from engage.pipeline.absorb import absorb
from engage.pipeline.alarms import send_alarms
from engage.pipeline.clocks import slot_now
from engage.pipeline.compose import Composer
from engage.pipeline.contest import decide_contests
from engage.pipeline.deliver import deliver
from engage.pipeline.editions import tell_of_missing, try_again
from engage.pipeline.entries import Hints
from engage.pipeline.gating import Gatekeeper
from engage.pipeline.holding import Decided, Hold, HoldId, drop, held, release
from engage.pipeline.journaling import replay_journal
from engage.pipeline.journeys import advance
from engage.pipeline.keyring import Keyring
from engage.pipeline.library import Library
from engage.pipeline.match import match_events
from engage.pipeline.observing import observe
from engage.pipeline.outlet import LEASE, Outlet, Places
from engage.pipeline.pushing import push
from engage.pipeline.reconcile import due_for_a_look, reconcile
from engage.pipeline.runs import carry_out, open_due_runs
from engage.pipeline.settling import Move, Moved, carry_over
from engage.pipeline.shelf import Shelf
from engage.pipeline.sweep import sweep
from engage.pipeline.tracking import Seen, Tracker, record
from engage.providers.alarm_channel import AlarmChannel
from engage.providers.protocol import Provider
from engage.providers.selection import build_provider, build_records
from engage.providers.sendgrid_activity import SendGridActivity
from engage.providers.webhook_signature import PublicKey, load_private_key, new_private_key, public_keys, shown
from engage.queueing import Lane, Queue
from engage.settings import PREFIX, Settings, SettingsError, environment, kept_secret, secret_keys
from engage.settings import Provider as ProviderName
from engage.signing import Signer
from engage.sources.polling import Polled, Poller
from engage.sources.pushing import PushedRow
from engage.sources.watched import PushSource, Sources, WatchedSource
from engage.sources.watching import Standing, Watcher
from engage.store.database import Database
from engage.store.events import count_unmatched
from engage.store.feedback import keep_webhook
from engage.store.idempotency import KEPT_FOR, Answer, Once, forget_answers
from engage.store.intake import Intake, analyze, hear
from engage.store.journal import Journal
from engage.store.runs import Run, begin_run, get_run, reopen_held_run
from engage.store.schema import require_schema
from engage.store.settling import Which
from engage.store.upkeep import beat, forget, forget_silent

log = structlog.get_logger(__name__)

SENDING_AT_ONCE = 32
"""How many deliveries a worker process has in `sending` at the most: what a kill leaves unknown."""

JOURNEYS_AT_ONCE = 1000
"""How many journeys one transaction advances at the most."""

BATCHES = {Lane.TRANSACTIONAL: 4, Lane.ALERTS: 4, Lane.BULK: 28}
"""How many deliveries a thread of each lane moves to `sending` at a time: a newsletter leaves room for the others."""


def mailbox_webhook_key(settings: Settings) -> str:
    """The private key, as PEM, with which the mailbox signs its webhooks: made once and kept in the data folder."""
    return kept_secret(settings, "mailbox_webhook_key", new_private_key, "SENDGRID_WEBHOOK_KEY")


class Services:
    """Everything an entry point may ask for; each method is one transaction or a few, then the hints."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        clock: Callable[[], datetime] = utc_now,
        *,
        lease: timedelta = LEASE,
    ) -> None:
        """`lease` is how long a worker may hold a delivery before it is taken from it."""
        self.settings = settings
        self.lease = lease
        self.stopping = threading.Event()
        self.outage = Outage("delivering_stopped", "delivering_again")
        self.queue = queue
        self.clock = clock
        self.database = Database(settings.database_url)
        self.shelf = Shelf(self.database, settings.campaigns_dir, settings.templates_dir)
        self.places = Places(SENDING_AT_ONCE)
        poller = Poller(self.database, observe, self.match_soon, environment)
        self.watcher = Watcher(settings.sources, poller, clock)

    @cached_property
    def signer(self) -> Signer:
        return Signer(secret_keys(self.settings))

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring(self.database)

    @cached_property
    def provider(self) -> Provider:
        s = self.settings
        key = s.sendgrid_api_key.get_secret_value() if s.sendgrid_api_key else ""
        return build_provider(
            s.provider,
            mailbox_url=s.mailbox_url,
            sendgrid_host=s.sendgrid_host,
            sendgrid_api_key=key,
            smtp_url=s.smtp_url or "",
            clock=self.clock,
        )

    @cached_property
    def records(self) -> SendGridActivity | None:
        """The provider's records, which can be asked for mails whose answer was lost; None where it has none."""
        s = self.settings
        key = s.sendgrid_api_key.get_secret_value() if s.sendgrid_api_key else ""
        return build_records(
            s.provider,
            mailbox_url=s.mailbox_url,
            sendgrid_host=s.sendgrid_host,
            sendgrid_api_key=key,
            clock=self.clock,
        )

    @cached_property
    def webhook_keys(self) -> tuple[PublicKey, ...]:
        """The keys whose webhooks are believed; none: no webhook is. Raises SettingsError for one that is no key."""
        text = self.settings.sendgrid_webhook_key
        if text is None and self.settings.provider is ProviderName.MAILBOX:
            text = shown(load_private_key(mailbox_webhook_key(self.settings)))
        try:
            return public_keys(text) if text is not None else ()
        except ValueError as error:
            raise SettingsError([f"{PREFIX}SENDGRID_WEBHOOK_KEY: {error}"]) from None

    @cached_property
    def composer(self) -> Composer:
        return Composer(self.signer, self.settings.public_url)

    @cached_property
    def tracker(self) -> Tracker:
        return Tracker(self.signer, self.settings.public_url)

    @cached_property
    def gate(self) -> Gatekeeper:
        return Gatekeeper(self.settings.carrier, self.settings.provider_rate)

    @cached_property
    def alarm_channel(self) -> AlarmChannel | None:
        url = self.settings.alarm_url
        return AlarmChannel(url.get_secret_value()) if url is not None else None

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.settings.data_dir / "journal")

    def start(self) -> None:
        """Raises ServiceUnreachable unless the database answers and has the schema."""
        require_schema(self.database)

    def close(self) -> None:
        if "provider" in self.__dict__:
            self.provider.close()
        if "journal" in self.__dict__:
            self.journal.close()
        if channel := self.__dict__.get("alarm_channel"):
            channel.close()
        self.database.close()

    def library(self) -> Library:
        """The library as the files say it now; AuthoringError if nothing that ever passed lint is there."""
        return self.shelf.library(self.clock())

    # --- the steps ----------------------------------------------------------------------------------------------------

    def take(
        self,
        program: str,
        rows: Sequence[Sequence[Record]],
        *,
        source: str,
        news: bool,
        limit: int | None = None,
        at_once: bool = True,
    ) -> Intake:
        """Stores what happened; news is matched with campaigns by a worker, soon, unless it is a burst (`observe`).

        Who takes many batches, not `at_once`, calls `match_soon` after the last: a burst is held from its beginning.
        """
        library = self.library()
        scope = Scope(library.programs[program], library.program_ids[program])
        with self.database.write() as db:
            taken = observe(db, scope, rows, source=source, news=news, now=self.clock(), limit=limit)
        failpoint("intake-committed")
        if at_once:
            self.match_soon(taken.event_ids)
        return taken

    def push(
        self,
        scope: Scope,
        rows: Sequence[Sequence[Record]],
        *,
        source: str,
        feeds: Collection[Feed],
        once: Once | None,
        answer: Callable[[Intake], Answer],
    ) -> Answer:
        """Stores what a machine pushes, and what it is answered; a request that came before (`once`) stores nothing.

        Raises KeyReused.
        """
        with self.database.write() as db:
            said, event_ids = push(
                db, scope, rows, source=source, feeds=feeds, once=once, answer=answer, now=self.clock()
            )
        failpoint("intake-committed")
        self.match_soon(event_ids)
        return said

    def backlog(self, most: int) -> int:
        """How many events wait to be matched, counted up to `most`."""
        with self.database.read() as db:
            return count_unmatched(db, most)

    def match_soon(self, event_ids: Sequence[int]) -> None:
        """Asks a worker to match events."""
        self.queue.enqueue("match", event_ids, Lane.EVENTS)

    def imported(self, program: str, feeds: Iterable[Feed]) -> None:
        """After an import: notes the live feeds that were read, and refreshes the planner's statistics."""
        library = self.library()  # before the transaction: files that changed are stored in one of their own
        with self.database.write() as db:
            for feed in feeds:
                hear(db, library.program_ids[program], feed, self.clock())
            analyze(db)

    def match(self, event_ids: Sequence[int]) -> None:
        library = self.library()
        with self.database.write() as db:
            hints = match_events(db, library, event_ids, self.clock())
        self.hint(hints)

    def advance(self, enrollment_ids: Sequence[int]) -> None:
        """Takes the steps that are due in these journeys."""
        library = self.library()
        for start in range(0, len(enrollment_ids), JOURNEYS_AT_ONCE):
            with self.database.write() as db:
                hints = advance(db, library, enrollment_ids[start : start + JOURNEYS_AT_ONCE], self.clock())
            self.hint(hints)

    def contest(self) -> None:
        """Decides which of the mails that compete under frequency caps go out, in every contest that is due."""
        decide_contests(self.database, self.library(), self.clock, self.hint, self.stopping.is_set)

    def run(self, run_ids: Sequence[int]) -> None:
        for run_id in run_ids:
            carry_out(self.database, self.library(), run_id, self.clock, self.hint, self.stopping.is_set)

    def run_now(self, campaign: Campaign) -> tuple[Run, bool]:
        """Carries out the schedule's current slot here and now; says whether its run is new. Twice is once.

        A run that was held is tried again.
        """
        assert isinstance(campaign.trigger, ScheduleTrigger), "only schedules have slots"
        library, now = self.library(), self.clock()
        scope = library.scope_of(campaign)
        slot = slot_now(campaign.trigger, scope.program.zone, now)
        with self.database.write() as db:
            version = library.version_of(campaign)
            opened, new = begin_run(db, scope.program_id, campaign.name, version, slot.key, now)
            new = reopen_held_run(db, opened.id, now) or new
        self.run([opened.id])
        with self.database.read() as db:
            return get_run(db, opened.id) or opened, new

    def held(self) -> list[Hold]:
        """What waits for an operator."""
        library = self.library()
        with self.database.read() as db:
            return held(db, library, self.clock())

    def release(self, ids: Iterable[HoldId], why: str | None) -> list[Decided]:
        """Lets what is held go on; all of it or, with InputError, none."""
        library = self.library()
        with self.database.write() as db:
            decided = release(db, library, ids, why, self.clock())
        self._decided("released", decided, why)
        for one in decided:
            self.queue.enqueue("match", one.event_ids, Lane.EVENTS)
            self.queue.enqueue("run", one.run_ids, Lane.UPKEEP)
        return decided

    def drop(self, ids: Iterable[HoldId], why: str | None) -> list[Decided]:
        """Ends what is held for good; all of it or, with InputError, none."""
        with self.database.write() as db:
            decided = drop(db, ids, why, self.clock())
        self._decided("dropped", decided, why)
        return decided

    def _decided(self, state: str, decided: Iterable[Decided], why: str | None) -> None:
        for one in decided:
            log.info(f"hold_{state}", id=str(one.id), why=why)

    def move(self, move: Move, which: Which, why: str | None) -> Moved:
        """Does with unknown or dead deliveries what an operator decided; with all of the chosen or, with InputError,
        none.
        """
        library = self.library()
        with self.database.write() as db:
            moved = carry_over(db, library, move, which, why, self.clock())
        log.info("deliveries_moved", move=move.name.lower(), deliveries=len(moved.ids), why=why)
        self.hint(moved.hints)
        return moved

    def deliver(self, ids: Sequence[int], lane: Lane) -> None:
        outlet = Outlet(
            provider=self.provider,
            allows=self.settings.send_to.allows,
            slots=self.places.take,
            batch=BATCHES[lane],
            clock=self.clock,
            gate=self.gate,
            journal=self.journal,
            tracker=None if self.settings.leads_nowhere else self.tracker,
            stopping=self.stopping,
            lease=self.lease,
            outage=self.outage,
        )
        deliver(self.database, self.library(), self.composer, outlet, ids)

    def replay_journal(self) -> None:
        """Stores what the provider took while the database was away: of this process, and of those that are gone."""
        replay_journal(self.database, self.journal, self.clock)

    def keep_webhook(self, provider: str, body: str) -> None:
        """Stores what a provider reports, and has it absorbed soon."""
        with self.database.write() as db:
            webhook_id = keep_webhook(db, provider, body, self.clock())
        self.queue.enqueue("absorb", [webhook_id], Lane.FEEDBACK)

    def absorb(self, webhook_ids: Sequence[int]) -> None:
        """Takes what these requests report."""
        absorb(self.database, self.library(), webhook_ids, self.clock())

    def record(self, seen: Seen) -> None:
        """Keeps that a mail was clicked or opened."""
        library = self.library()
        with self.database.write() as db:
            record(db, library, seen, self.clock())

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

    # --- watched sources ----------------------------------------------------------------------------------------------

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

    def beat(self, process: str, role: str) -> None:
        with self.database.write() as db:
            beat(db, process, role, self.clock())

    def leave(self, process: str) -> None:
        """The process ends in order: nobody need miss its heartbeat."""
        with self.database.write() as db:
            forget(db, process)

    def hint(self, hints: Hints) -> None:
        for lane, ids in hints.items():
            self.queue.enqueue("deliver", ids, lane)


HEARTBEAT = timedelta(seconds=15)

SILENT_AFTER = timedelta(minutes=2)
"""A process not heard of for so long is dead, or cut off from the database."""
