"""However two workers get in each other's way, partners get what one worker alone would have sent them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engage.domain.campaigns import EventKind
from engage.domain.facts import Feed
from engage.pipeline.journeys import advance
from engage.pipeline.match import match_events
from engage.store.database import Database
from engage.store.deliveries import due
from engage.store.events import unmatched
from engage.store.intake import hear
from engage.store.journeys import due_journeys
from engage.store.tables import (
    attempts,
    decisions,
    deliveries,
    enrollments,
    events,
    feed_readings,
    kept_messages,
    occasions,
    partners,
)
from tests.support.engage import START, Engage
from tests.support.journeys import write_trial
from tests.support.turns import Turns

STEPS = """{send: a}, {wait: 1d},
  {branch: {if: [{days_since_joining: {less_than: 100}}],
    then: [{send: b}, {wait: {until: next weekday 09:00}}, {alert: {to: owner, say: z}}],
    else: [{branch: {if: [{days_since_joining: {less_than: 200}}], then: [{wait: 12h}, {send: c}]}}]}},
  {send: d}, {wait: 2d}, {send: e}"""
PEOPLE = 9
TICKS = tuple(timedelta(hours=hours) for hours in (0, 24, 36, 47, 60.25, 90, 120))


class Crash(Exception):
    """A worker that dies before it commits."""


@dataclass(frozen=True)
class Chunk:
    """One transaction of a worker: of these people, or of whatever a sweep finds to be due; it may end in a crash."""

    people: frozenset[int] | None
    crash: bool


CHUNKS = st.builds(Chunk, st.none() | st.frozensets(st.integers(0, PEOPLE - 1), min_size=1), st.booleans())
TICK = st.tuples(
    st.lists(st.integers(0, 1), min_size=1, max_size=24), st.lists(CHUNKS, max_size=3), st.lists(CHUNKS, max_size=3)
)
PLANS = st.lists(TICK, min_size=len(TICKS), max_size=len(TICKS))


class World:
    """Nine partners who go through the trial differently; it can be lived through again and again."""

    def __init__(self, engage: Engage) -> None:
        self.engage = engage
        self.database = engage.services.database
        write_trial(
            engage,
            STEPS,
            when="{event: referral.status_changed, to: won}",
            again=None,
            stop_when="[{days_since_login: {at_least: 30}}]",
            goal="login within 30d",
        )
        for shipped in engage.services.settings.campaigns_dir.glob("*/*.yaml"):
            shipped.write_text(shipped.read_text().replace("state: live", "state: draft"))
        engage.salesperson()
        for number in range(PEOPLE):
            joined = engage.now - timedelta(days=(98, 150, 300)[number % 3])
            name = engage.partner(
                f"p{number}", joined_at=joined, owner="sam", zone=(None, "Asia/Kathmandu")[number % 2]
            )
            engage.logs_in(name, days_ago=(29, 27.5, 5)[number // 3])
            engage.refers(name, f"r{number}")
            engage.becomes(name, f"r{number}", "won")
        engage.queue.waiting.clear()
        with self.database.write() as db:
            self._ids(db)
            for number in (2, 7):
                self._will_log_in(db, number, engage.now + timedelta(days=1, hours=number))
        self.library = engage.services.library()
        self.program_id = self.library.program_ids[engage.program]
        self.expected = self.live([([0], [], []) for _ in TICKS], self.alone)

    def _ids(self, db: sa.Connection) -> None:
        p, e = partners.c, events.c
        self.partner_ids = list(db.execute(sa.select(p.id).order_by(p.external_id)).scalars())
        query = sa.select(e.id).where(e.kind == EventKind.STATUS_CHANGED, e.to_status == "won").order_by(e.id)
        self.event_ids = list(db.execute(query).scalars())
        assert len(self.event_ids) == PEOPLE

    def _will_log_in(self, db: sa.Connection, number: int, at: Any) -> None:
        some = db.execute(sa.select(events).where(events.c.kind == EventKind.LOGGED_IN)).mappings().first()
        assert some is not None
        row = {**some, "partner_id": self.partner_ids[number], "occurred_at": at, "key": f"login-to-come-{number}"}
        db.execute(sa.insert(events).values({name: value for name, value in row.items() if name != "id"}))

    def _begin(self) -> None:
        self.engage.now = START
        self.engage.provider.messages.clear()
        with self.database.write() as db:
            for table in (kept_messages, attempts, decisions, deliveries, enrollments, occasions, feed_readings):
                db.execute(sa.delete(table))
            db.execute(sa.update(events).where(events.c.id.in_(self.event_ids)).values(unmatched=True))

    def live(self, plan: Sequence[Any], workers: Callable[..., None]) -> Any:
        """Lives through all ticks, and leaves nothing undone at any; returns all that came of it."""
        self._begin()
        for at, (order, one, other) in zip(TICKS, plan, strict=True):
            self.engage.now = START + at
            with self.database.write() as db:
                for feed in Feed:
                    hear(db, self.program_id, feed, self.engage.now)
            workers(order, one, other)
            self.alone()
            self._deliver()
        with self.database.read() as db:
            return self._outcome(db)

    def do(self, database: Database, chunks: Sequence[Chunk]) -> None:
        """What a worker does, one transaction after another."""
        for chunk in chunks:
            with suppress(Crash), database.write() as db:
                now = self.engage.now
                match_events(db, self.library, self._events(db, chunk), now)
                advance(db, self.library, self._due(db, chunk), now)
                if chunk.crash:
                    raise Crash

    def _events(self, db: sa.Connection, chunk: Chunk) -> list[int]:
        if chunk.people is None:
            return unmatched(db, self.engage.now, 100)
        return [self.event_ids[number] for number in chunk.people]

    def _due(self, db: sa.Connection, chunk: Chunk) -> list[int]:
        if chunk.people is None:
            return due_journeys(db, self.engage.now, 100)
        e = enrollments.c
        ids = [self.partner_ids[number] for number in chunk.people]
        return list(db.execute(sa.select(e.id).where(e.partner_id.in_(ids)).order_by(e.id)).scalars())

    def alone(self, *_: object) -> None:
        """One worker, until nothing is left to be done."""
        while True:
            with self.database.read() as db:
                if not unmatched(db, self.engage.now, 1) and not due_journeys(db, self.engage.now, 1):
                    return
            self.do(self.database, [Chunk(None, crash=False)])

    def _deliver(self) -> None:
        with self.database.read() as db:
            waiting = due(db, self.engage.now, 1000)
        for lane in {lane for _, lane in waiting}:
            self.engage.services.deliver([id_ for id_, other in waiting if other is lane], lane)

    def _outcome(self, db: sa.Connection) -> Any:
        e, d, c = enrollments.c, deliveries.c, decisions.c
        entered = sa.select(
            e.partner_id, e.campaign, e.key, e.entered_at, e.state, e.step, e.reached_at, e.due_at, e.ended_at, e.why
        )
        sent = sa.select(d.campaign, d.step, d.recipient, d.occasion, d.state, d.created_at, d.settled_at, d.attempts)
        decided = sa.select(e.partner_id, c.step, c.phase, c.decision, c.reason, c.decided_at).join(
            enrollments, e.id == c.enrollment_id
        )
        mails = Counter((m.to.email, m.subject) for m in self.engage.provider.messages)
        return (*(Counter(tuple(row) for row in db.execute(query)) for query in (entered, sent, decided)), mails)


@contextmanager
def second_connection(engage: Engage) -> Iterator[Database]:
    database = Database(engage.services.settings.database_url)
    try:
        yield database
    finally:
        database.close()


def shows_something(world: World) -> None:
    entered, sent, decided, mails = world.expected
    states = Counter(row[4] for row in entered.elements())
    assert {"done", "stopped", "reached"} <= states.keys(), states
    assert {row[1] for row in sent} == {"send-a", "send-b", "send-c", "send-d", "send-e", "alert-z"}
    assert set(mails.values()) == {1}
    assert {row[3] for row in decided} >= {"then", "otherwise", "stop", "send"}


LIVED = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.generate],  # no shrinking: a life takes a second
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
def test_chunks_that_overlap_and_crash_come_to_what_one_worker_does(engage: Engage) -> None:
    world = World(engage)
    shows_something(world)

    with second_connection(engage) as other_database:

        @given(PLANS)
        @LIVED
        def lived(plan: Sequence[Any]) -> None:
            def in_turns(order: Sequence[int], one: Sequence[Chunk], other: Sequence[Chunk]) -> None:
                waiting = [list(one), list(other)]
                for number in [*order, *[0] * len(one), *[1] * len(other)]:
                    if waiting[number]:
                        world.do((world.database, other_database)[number], [waiting[number].pop(0)])

            assert world.live(plan, in_turns) == world.expected

        lived()


@pytest.mark.slow
@pytest.mark.postgres
def test_two_transactions_at_once_come_to_what_one_worker_does(
    postgres_url: str, tmp_path: Path, authored: tuple[Path, Path]
) -> None:
    """Statement by statement, in any order: on SQLite one transaction writes at a time."""
    engage = Engage(postgres_url, tmp_path, *authored)
    world = World(engage)
    shows_something(world)
    with second_connection(engage) as other_database:

        @given(PLANS)
        @LIVED
        def lived(plan: Sequence[Any]) -> None:
            def at_once(order: Sequence[int], one: Sequence[Chunk], other: Sequence[Chunk]) -> None:
                turns = Turns(order)
                for database in (world.database, other_database):
                    turns.watch(database)
                try:
                    turns.run(lambda: world.do(world.database, one), lambda: world.do(other_database, other))
                finally:
                    for database in (world.database, other_database):
                        turns.unwatch(database)

            assert world.live(plan, at_once) == world.expected

        lived()
    engage.services.close()
