"""The steps that entry points ask for: what comes in, what is decided, what goes out, and what operators do."""

from collections.abc import Callable, Collection, Iterable, Sequence

import structlog

from engage.bootstrap.upkeep import Upkeep
from engage.domain.accounts import COMMAND_LINE, Actor
from engage.domain.campaigns import Campaign, ScheduleTrigger
from engage.domain.facts import Feed
from engage.domain.records import Record
from engage.facts import Scope
from engage.failpoints import failpoint
from engage.pipeline.absorb import absorb
from engage.pipeline.clocks import slot_now
from engage.pipeline.contest import decide_contests
from engage.pipeline.deliver import deliver
from engage.pipeline.holding import Decided, Hold, HoldId, drop, held, release
from engage.pipeline.journaling import replay_journal
from engage.pipeline.journeys import advance
from engage.pipeline.match import match_events
from engage.pipeline.outlet import Outlet
from engage.pipeline.pushing import push
from engage.pipeline.runs import carry_out
from engage.pipeline.settling import Move, Moved, carry_over
from engage.pipeline.tracking import Seen, record
from engage.queueing import Lane
from engage.store.events import count_unmatched
from engage.store.feedback import keep_webhook
from engage.store.idempotency import Answer, Once
from engage.store.intake import Intake, analyze, hear
from engage.store.runs import Run, begin_run, get_run, reopen_held_run
from engage.store.settling import Shown, Which

log = structlog.get_logger(__name__)

JOURNEYS_AT_ONCE = 1000
"""How many journeys one transaction advances at the most."""

BATCHES = {Lane.TRANSACTIONAL: 4, Lane.ALERTS: 4, Lane.BULK: 28}
"""How many deliveries a thread of each lane moves to `sending` at a time: a newsletter leaves room for the others."""


class Services(Upkeep):
    """Everything an entry point may ask for; each method is one transaction or a few, then the hints."""

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
            taken = self._observe(db, scope, rows, source=source, news=news, now=self.clock(), limit=limit)
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
                db,
                scope,
                rows,
                signer=self.signer,
                source=source,
                feeds=feeds,
                once=once,
                answer=answer,
                now=self.clock(),
            )
        failpoint("intake-committed")
        self.match_soon(event_ids)
        return said

    def backlog(self, most: int) -> int:
        """How many events wait to be matched, counted up to `most`."""
        with self.database.read() as db:
            return count_unmatched(db, most)

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

    def release(self, ids: Iterable[HoldId], why: str, actor: Actor = COMMAND_LINE) -> list[Decided]:
        """Lets what is held go on; all of it or, with InputError, none."""
        library = self.library()
        with self.database.write() as db:
            decided = release(db, library, ids, why, actor, self.clock())
        self._decided("released", decided, why)
        for one in decided:
            self.queue.enqueue("match", one.event_ids, Lane.EVENTS)
            self.queue.enqueue("run", one.run_ids, Lane.UPKEEP)
        return decided

    def drop(self, ids: Iterable[HoldId], why: str, actor: Actor = COMMAND_LINE) -> list[Decided]:
        """Ends what is held for good; all of it or, with InputError, none."""
        with self.database.write() as db:
            decided = drop(db, ids, why, actor, self.clock())
        self._decided("dropped", decided, why)
        return decided

    def _decided(self, state: str, decided: Iterable[Decided], why: str) -> None:
        for one in decided:
            log.info(f"hold_{state}", id=str(one.id), why=why)

    def move(
        self,
        move: Move,
        which: Which,
        why: str,
        actor: Actor = COMMAND_LINE,
        shown: Shown | None = None,
    ) -> Moved:
        """Does with unknown or dead deliveries what an operator decided; with all of the chosen or, with InputError,
        none: also when they are others by now than were `shown`.
        """
        library = self.library()
        with self.database.write() as db:
            moved = carry_over(db, library, move, which, why, actor, self.clock(), shown)
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
