"""Whatever happens in whatever order, a journey takes no step twice, and none after it has ended."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from engage.domain.facts import Feed
from engage.domain.messages import Outcome, SendResult
from engage.domain.records import AliasRecord, PartnerRecord
from engage.pipeline.journeys import advance
from engage.store.intake import hear
from engage.store.journeys import due_journeys
from engage.store.tables import decisions, deliveries, enrollments, partners
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, write_trial

BRANCH = "{branch: {if: [{referrals: {last: 30d, at_least: 1}}], then: [{send: b}, {wait: 2d}], else: [{send: c}]}}"
VERSIONS = (
    f"{{send: a}}, {{wait: 1d}}, {BRANCH}, {{wait: {{until: next weekday 09:00}}}}, {{send: d}}",
    "{wait: 6h}, {send: b}, {wait: 1d}, {send: a}, {wait: 1d}, {send: d}",
    f"{BRANCH}, {{wait: {{until: next day 17:00}}}}, {{alert: {{to: owner, say: z}}}}",
)
KEYS = {"stop_when": "[{wins: {last: 10d, at_least: 1}}]", "goal": "login within 30d", "send_within": "5d"}
NAMES = st.sampled_from(("ann", "bob", "cat", "dan"))
ZONES = st.sampled_from(("America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "Europe/London"))


class Crash(Exception):
    """A worker that dies before it commits."""


class Lives(RuleBasedStateMachine):
    """Four partners, a journey that is edited, paused and ended, workers that crash, and a clock that goes on."""

    engage: Engage  # set before each life

    def __init__(self) -> None:
        super().__init__()
        self.merged: set[str] = set()
        self.referrals = 0
        self.ended: dict[int, tuple[object, ...]] = {}
        self.engage = type(self).begin()
        write_trial(self.engage, VERSIONS[0], **KEYS)
        self.engage.salesperson()
        for name in ("ann", "bob", "cat", "dan"):
            self.engage.logs_in(self.engage.partner(name, owner="sam"), days_ago=1)
        self.hear()

    @classmethod
    def begin(cls) -> Engage:
        raise NotImplementedError

    def teardown(self) -> None:
        self.engage.services.close()

    def hear(self) -> None:
        library = self.engage.services.library()
        with self.engage.services.database.write() as db:
            for feed in Feed:
                hear(db, library.program_ids[self.engage.program], feed, self.engage.now)

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(hours=st.sampled_from((1, 6, 13, 24, 31, 80)), heard=st.booleans())
    def time_goes_on(self, hours: int, heard: bool) -> None:
        self.engage.now += timedelta(hours=hours)
        if heard:
            self.hear()
        self.engage.sweeps()

    @rule()
    def a_slot_comes(self) -> None:
        library = self.engage.services.library()
        self.engage.now += timedelta(days=1)
        self.hear()
        if (self.engage.program, TRIAL) in library.campaigns:
            self.engage.services.run_now(library.find(TRIAL))

    @rule(hours=st.integers(1, 40))
    def a_worker_crashes(self, hours: int) -> None:
        self.engage.now += timedelta(hours=hours)
        library = self.engage.services.library()
        with suppress(Crash), self.engage.services.database.write() as db:
            advance(db, library, due_journeys(db, self.engage.now, 100), self.engage.now)
            raise Crash

    @rule()
    def hints_come_twice_and_too_early(self) -> None:
        with self.engage.services.database.read() as db:
            ids = list(db.execute(sa.select(enrollments.c.id)).scalars())
        self.engage.services.advance(ids)
        self.engage.services.advance(ids)
        self.engage.work()

    @rule(version=st.integers(0, 2), state=st.sampled_from(("live", "live", "paused", "ended")))
    def the_file_is_edited(self, version: int, state: str) -> None:
        write_trial(self.engage, VERSIONS[version], **KEYS, state=state)

    @rule()
    def the_file_is_deleted(self) -> None:
        (self.engage.services.settings.campaigns_dir / "trial.yaml").unlink(missing_ok=True)
        rereads(self.engage)

    @rule(name=NAMES)
    def somebody_refers(self, name: str) -> None:
        if name not in self.merged:
            self.referrals += 1
            self.engage.refers(name, f"r{self.referrals}", days_ago=0)

    @rule(name=NAMES)
    def somebody_wins(self, name: str) -> None:
        if name not in self.merged:
            self.referrals += 1
            self.engage.refers(name, f"r{self.referrals}", days_ago=1)
            self.engage.becomes(name, f"r{self.referrals}", "won")

    @rule(name=NAMES)
    def somebody_logs_in(self, name: str) -> None:
        if name not in self.merged:
            self.engage.logs_in(name)

    @rule(name=NAMES, zone=ZONES)
    def somebody_moves(self, name: str, zone: str) -> None:
        self.engage.takes(PartnerRecord(name, zone=zone), news=False)

    @rule(fails=st.booleans())
    def the_provider_has_a_mood(self, fails: bool) -> None:
        answers = {
            f"{name}@example.com": SendResult(Outcome.RETRY, status=503) for name in ("ann", "bob", "cat", "dan")
        }
        self.engage.provider.answers = answers if fails else {}

    @precondition(lambda self: len(self.merged) < 2)
    @rule(name=st.sampled_from(("bob", "cat")))
    def two_are_one(self, name: str) -> None:
        if name not in self.merged:
            self.merged.add(name)
            self.engage.takes(AliasRecord("partner", name, "ann"))

    # --- what never does ----------------------------------------------------------------------------------------------

    @invariant()
    def no_step_is_taken_twice(self) -> None:
        c, d = decisions.c, deliveries.c
        with self.engage.services.database.read() as db:
            decided = sa.select(c.enrollment_id, c.step).where(c.phase.in_(("enroll", "journey")))
            taken = Counter(tuple(row) for row in db.execute(decided))
            sent = Counter(tuple(row) for row in db.execute(sa.select(d.enrollment_id, d.step)))
        assert max(taken.values(), default=1) == 1, taken
        assert max(sent.values(), default=1) == 1, sent

    @invariant()
    def what_has_ended_stays_as_it_was(self) -> None:
        e, c, d = enrollments.c, decisions.c, deliveries.c
        with self.engage.services.database.read() as db:
            rows = db.execute(sa.select(e.id, e.state, e.step, e.due_at, e.ended_at, e.why).where(e.campaign == TRIAL))
            standing = {row.id: tuple(row)[1:] for row in rows}
            late = sa.select(c.id).join(enrollments, e.id == c.enrollment_id)
            assert db.execute(late.where(c.phase != "send", c.decided_at > e.ended_at)).all() == []
            made = sa.select(d.id).join(enrollments, e.id == d.enrollment_id)
            assert db.execute(made.where(d.created_at > e.ended_at)).all() == []
        for id_, was in self.ended.items():
            assert standing[id_] == was
        for id_, found in standing.items():
            state, step, due_at, ended_at, _ = found
            assert (state == "active") == (step is not None) == (due_at is not None) == (ended_at is None), found
            if state != "active":
                self.ended[id_] = found

    @invariant()
    def nobody_is_left_behind(self) -> None:
        """A journey that goes on belongs to somebody who is there."""
        e, p = enrollments.c, partners.c
        query = sa.select(e.id).join(partners, p.id == e.partner_id).where(e.state == "active")
        with self.engage.services.database.read() as db:
            assert db.execute(query.where(p.merged_into_id.is_not(None))).all() == []


@pytest.mark.slow
def test_no_step_is_taken_twice_nor_after_the_end(tmp_path: Path, authored: tuple[Path, Path]) -> None:
    lives = 0

    class Lived(Lives):
        @classmethod
        def begin(cls) -> Engage:
            nonlocal lives
            lives += 1
            folder = tmp_path / str(lives)
            folder.mkdir()
            return Engage(f"sqlite:///{folder / 'engage.db'}", folder, *authored)

    run_state_machine_as_test(
        Lived,
        settings=settings(
            max_examples=6,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
