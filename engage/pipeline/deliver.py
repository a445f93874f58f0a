"""Delivers: claims what is due, composes it, decides once more under locks, hands it over, stores the answer.

Promise: `sending` is committed before a socket opens; nothing goes out whose `sending` commit follows an unsubscribe;
what may have been sent is never sent again; a claim that leads nowhere is given back, and one bad delivery takes no
other with it.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.engine import Connection

from engage.domain.decisions import Defer, Send, Skip
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import EngageError, ServiceUnreachable
from engage.domain.gates import Gate, Open, Passage, Probe, Shut
from engage.domain.messages import Message, Outcome, SendResult
from engage.failpoints import failpoint
from engage.pipeline.answers import persist, store_answers
from engage.pipeline.caps import contest_of, counting, outranked
from engage.pipeline.coach import raise_alerts
from engage.pipeline.compose import Composed, Composer
from engage.pipeline.library import Library
from engage.pipeline.outlet import Outlet
from engage.pipeline.promising import promise
from engage.pipeline.recheck import ENDS_AS, Second, decision_row, note_whose, recheck
from engage.policy import LOOK_AGAIN
from engage.store.caps import take_folded
from engage.store.database import Database
from engage.store.deliveries import Claimed, claim, give_up, move, suspects
from engage.store.enrollments import insert_decisions
from engage.store.sending import begin_sending, keep_messages, settle

log = structlog.get_logger(__name__)

CLAIMED_AT_ONCE = 240
"""How many deliveries one claim takes: few enough that all of them are sent well within the lease."""

TRIED_AGAIN_AFTER = timedelta(seconds=2)
"""When a delivery comes due again whose claim led nowhere, the first time."""

PROBE_LASTS = timedelta(seconds=30)
"""How long one mail that is tried first may take to be answered, before another is tried."""

_NOT_BEGUN = SendResult(Outcome.RETRY, detail="not begun")

Ready = tuple[Claimed, Message]


def deliver(database: Database, library: Library, composer: Composer, outlet: Outlet, ids: Sequence[int]) -> None:
    """Delivers those of `ids` that are due and free; every other one is somebody else's.

    Those that a claim has led nowhere with are claimed one by one, after the others. Stops early when nothing may go
    out now, or the process is to end.
    """
    work = _Work(database, library, composer, outlet)
    for start in range(0, len(ids), CLAIMED_AT_ONCE):
        chunk = ids[start : start + CLAIMED_AT_ONCE]
        if not work.may_begin():
            return
        if work.do(chunk) < len(chunk):
            for suspect in work.suspects(chunk):
                if not work.may_begin():
                    return
                work.do([suspect], alone=True)


@dataclass(frozen=True, slots=True)
class _Work:
    database: Database
    library: Library
    composer: Composer
    outlet: Outlet

    def may_begin(self) -> bool:
        """Whether there is any sense in claiming now."""
        if self.outlet.stopping.is_set():
            return False
        if self.outlet.gate is None:
            return True
        with self.database.read() as db:
            return not isinstance(self.outlet.gate.passage(db, self.outlet.clock()), Shut)

    def suspects(self, ids: Sequence[int]) -> list[int]:
        with self.database.read() as db:
            return suspects(db, ids, self.outlet.clock())

    def do(self, ids: Sequence[int], *, alone: bool = False) -> int:
        """Claims and delivers; returns how many it claimed."""
        now, lease = self.outlet.clock(), uuid.uuid4().hex
        with self.database.write() as db:
            claimed = claim(db, ids, lease, now, self.outlet.lease, suspects=alone)
        if claimed:
            failpoint("claimed")
            held = _Held(self, claimed, lease, now + self.outlet.lease / 2)
            with held.given_back_when_broken_off():
                held.deliver(now)
        return len(claimed)


@dataclass(frozen=True, slots=True)
class _Held:
    """Deliveries that this worker holds under one lease; nothing new is begun after `until`."""

    work: _Work
    claimed: Sequence[Claimed]
    lease: str
    until: datetime

    def deliver(self, now: datetime) -> None:
        work, outlet = self.work, self.work.outlet
        with work.database.read() as db:
            composed = work.composer.compose(db, work.library, self.claimed, now)
        if outlet.tracker is not None:
            composed = outlet.tracker.track(work.database, work.library, composed, now)
        failpoint("rendered")
        self._end_broken(composed)
        ready = [(one.claimed, one.message) for one in composed if one.message is not None]
        tells_of = {one.claimed.id: one.tells_of for one in composed if one.tells_of}
        evidence = {one.claimed.id: one.evidence for one in composed if one.evidence}
        while ready:
            if outlet.stopping.is_set() or outlet.clock() > self.until:
                self._give_back(claimed.id for claimed, _ in ready)
                return
            granted = self._granted(min(outlet.batch, len(ready)))
            if not granted:
                continue
            with outlet.slots(granted):
                done = 0 if outlet.stopping.is_set() else self._send(ready[:granted], tells_of, evidence)
            if not done:
                self._give_back(claimed.id for claimed, _ in ready)
                return
            ready = ready[done:]

    def _granted(self, wanted: int) -> int:
        """How many the provider's rate allows now; waits for the next one if none."""
        gate = self.work.outlet.gate
        if gate is None:
            return wanted
        taken = gate.take(self.work.database, wanted, self.work.outlet.clock())
        if not taken.granted:
            self.work.outlet.stopping.wait(min(taken.wait.total_seconds(), 1.0))
        return taken.granted

    def _send(
        self,
        batch: Sequence[Ready],
        tells_of: Mapping[int, Sequence[int]],
        evidence: Mapping[int, Sequence[tuple[str, str]]],
    ) -> int:
        """Decides again, hands over, stores the answers; returns how many it was done with, 0 when the gate is shut."""
        work, outlet = self.work, self.work.outlet
        if outlet.journal is not None:
            outlet.journal.make_room()
        now = outlet.clock()
        going: list[Ready] = []
        try:
            with work.database.write() as db:
                passage: Passage = Open(Gate()) if outlet.gate is None else outlet.gate.passage(db, now)
                if isinstance(passage, Shut):
                    return 0
                if isinstance(passage, Probe):
                    batch = batch[:1]
                seconds = recheck(db, work.library, [claimed for claimed, _ in batch], now)
                going = self._take_folded(db, self._sort_out(db, batch, seconds, now), tells_of, now)
                if going and not self._takes_probe(db, passage, now):
                    return 0
                note_whose(db, ((claimed, seconds[claimed.id]) for claimed, _ in going))
                counts = counting(work.library, (claimed for claimed, _ in going))
                sending = begin_sending(db, going, self.lease, now, outlet.lease, counts)
                begun = [claimed for claimed, _ in going if claimed.id in sending]
                promise(db, work.library, begun, now)
                raise_alerts(db, begun, evidence, now)
        except ServiceUnreachable:
            self._take_back(going)  # the commit may have got through, and nothing has left
            raise
        failpoint("sending-committed")
        ready = [(claimed, message) for claimed, message in going if claimed.id in sending]
        if outlet.clock() > now + outlet.lease / 2:  # it slept: much may have been said and decided meanwhile
            self._take_back(ready)
        elif ready:
            self._hand_over(ready, passage)
        return len(batch)

    def _hand_over(self, ready: Sequence[Ready], passage: Passage) -> None:
        outlet = self.work.outlet
        results = outlet.provider.send([message for _, message in ready])
        failpoint("answered")
        answers = [(claimed, result) for (claimed, _), result in zip(ready, results, strict=True)]
        store_answers(self.work.database, outlet, passage, answers, self.lease)
        outlet.outage.over()
        failpoint("settled")

    def _take_back(self, ready: Sequence[Ready]) -> None:
        """Makes due again what became `sending` and has not left; under our lease only."""
        if not ready:
            return
        now = self.work.outlet.clock()
        back = [(claimed, _NOT_BEGUN, now) for claimed, _ in ready]
        persist(self.work.database, self.work.outlet, lambda db: settle(db, back, self.lease, now), self.until)

    def _takes_probe(self, db: Connection, passage: Passage, now: datetime) -> bool:
        """Whether these may go out: after a probe only if it is ours."""
        gate = self.work.outlet.gate
        return gate is None or not isinstance(passage, Probe) or gate.take_probe(db, now, PROBE_LASTS)

    def _sort_out(
        self, db: Connection, batch: Sequence[Ready], seconds: dict[int, Second], now: datetime
    ) -> list[Ready]:
        """Writes what is not to go out now where it belongs; returns the rest."""
        going: list[Ready] = []
        kept: list[Ready] = []
        moved: list[Claimed] = []
        changed: list[tuple[Claimed, Second]] = []
        for claimed, message in batch:
            second = seconds[claimed.id]
            if not isinstance(second.decision, Send):
                changed.append((claimed, second))
            elif not second.settled or (second.email or "").lower() != message.to.email.lower():
                moved.append(claimed)  # the address has changed since the mail was composed: compose it anew
            elif not self.work.outlet.allows(message.to.email):
                kept.append((claimed, message))
            else:
                going.append((claimed, message))
        whose = [(claimed, seconds[claimed.id].whose(claimed)) for claimed, _ in going]
        lost = outranked(db, self.work.library, whose, now, reserved=False)
        changed += [
            (claimed, replace(seconds[claimed.id], decision=lost[claimed.id].decision, values=lost[claimed.id].values))
            for claimed, _ in going
            if claimed.id in lost
        ]
        self._put_back(db, moved, now)
        said = "ENGAGE_SEND_TO does not let it out"
        held = self._end(db, [claimed for claimed, _ in kept], DeliveryState.HELD, said, now)
        keep_messages(db, [(claimed.id, message) for claimed, message in kept if claimed.id in held], now)
        self._leave(db, changed, now)
        return [(claimed, message) for claimed, message in going if claimed.id not in lost]

    def _leave(self, db: Connection, changed: Sequence[tuple[Claimed, Second]], now: datetime) -> None:
        """Writes what was decided of those that are not to go out now: each ends, or waits."""
        alike: dict[tuple[Defer | Skip, datetime | None], list[Claimed]] = defaultdict(list)
        for claimed, second in changed:
            match second.decision:
                case Defer(until, _) as decision:  # whoever has to wait gives its room up, and competes anew
                    alike[decision, contest_of(self.work.library, claimed, until)].append(claimed)
                case Skip() as decision:
                    alike[decision, None].append(claimed)
        for (decision, contest_at), those in alike.items():
            match decision:
                case Defer(until, reason):
                    self._put_back(db, those, contest_at or until, reason, contest_at=contest_at, reserved_at=None)
                case Skip(reason):
                    self._end(db, those, ENDS_AS.get(reason, DeliveryState.SKIPPED), reason, now)
        insert_decisions(db, [decision_row(claimed, second, "send", now) for claimed, second in changed])

    def _put_back(
        self, db: Connection, those: Sequence[Claimed], due_at: datetime, reason: str | None = None, **values: Any
    ) -> None:
        ids = [one.id for one in those]
        move(db, ids, self.lease, DeliveryState.CLAIMED, DeliveryState.PENDING, due_at=due_at, reason=reason, **values)

    def _take_folded(
        self, db: Connection, going: list[Ready], tells_of: Mapping[int, Sequence[int]], now: datetime
    ) -> list[Ready]:
        """Takes the folded mails that these tell of; those that another mail tells of by now are composed anew."""
        into = {folded: claimed.id for claimed, _ in going for folded in tells_of.get(claimed.id, ())}
        if not into:
            return going
        taken = take_folded(db, into)
        mine = {folded: newsletter for folded, newsletter in into.items() if folded in taken}
        told = {one.id for one, _ in going if all(mine.get(f) == one.id for f in tells_of.get(one.id, ()))}
        self._put_back(db, [claimed for claimed, _ in going if claimed.id not in told], now)
        return [(claimed, message) for claimed, message in going if claimed.id in told]

    def _end(
        self, db: Connection, those: Sequence[Claimed], state: DeliveryState, reason: str, now: datetime
    ) -> set[int]:
        """Returns the ids of those that were still ours to end."""
        ids = [one.id for one in those]
        return move(db, ids, self.lease, DeliveryState.CLAIMED, state, reason=reason, settled_at=now)

    def _end_broken(self, composed: Sequence[Composed]) -> None:
        """Ends those that could not be composed, or has them wait."""
        broken: dict[tuple[DeliveryState, str], list[Claimed]] = defaultdict(list)
        for one in composed:
            if one.message is None:
                broken[one.ends_as, one.problem].append(one.claimed)
        now = self.work.outlet.clock()
        if broken:
            with self.work.database.write() as db:
                for (state, problem), those in broken.items():
                    if state is DeliveryState.PENDING:
                        self._put_back(db, those, now + LOOK_AGAIN, problem)
                    else:
                        self._end(db, those, state, problem, now)

    def _give_back(self, ids: Iterable[int]) -> None:
        """What is still claimed is due again at once, for whoever comes."""
        mine, now = list(ids), self.work.outlet.clock()
        with self.work.database.write() as db:
            move(db, mine, self.lease, DeliveryState.CLAIMED, DeliveryState.PENDING, due_at=now)

    @contextmanager
    def given_back_when_broken_off(self) -> Iterator[None]:
        """Whatever happens, no claim waits for its lease to run out.

        A service that is away is nobody's fault: as soon as the database answers, the claims are given back as if they
        had not been made. Anything else counts against them.
        """
        ids = [one.id for one in self.claimed]
        try:
            yield
        except ServiceUnreachable as error:
            self.work.outlet.outage.met(error)
            persist(self.work.database, self.work.outlet, lambda _db: None, self.until)
            self._give_back(ids)
            raise
        except EngageError:
            self._give_back(ids)
            raise
        except Exception as error:  # whatever a template, a driver or we ourselves have overlooked
            said = f"{type(error).__name__} in {self.claimed[0].campaign}"
            log.exception("delivering_failed", deliveries=ids[:5], count=len(ids))
            again = TRIED_AGAIN_AFTER * 2 ** self.claimed[0].claims
            with self.work.database.write() as db:
                give_up(db, ids, self.lease, said, self.work.outlet.clock(), again)
