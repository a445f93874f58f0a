"""The gate as many workers share it: none of their news is lost, one of them probes, one alarm is raised."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from engage.domain.gates import FAILURES_IN_A_ROW, Gate, Open, Probe, Shut
from engage.domain.messages import Outcome, SendResult
from engage.pipeline.gating import PAUSED, Gatekeeper
from engage.store.alarms import last_alarms
from engage.store.database import Database
from engage.store.tables import gates

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WORKERS = 8

TAKEN = SendResult(Outcome.ACCEPTED, "x-1", 202)
FAILED = SendResult(Outcome.RETRY, detail="connection refused")
BAD_KEY = SendResult(Outcome.RETRY, status=401, detail="401 authorization required", auth_failed=True)

keeper = Gatekeeper("sendgrid api.sendgrid.com", rate=10.0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


def at_once(work: Callable[[int], object]) -> list[object]:
    """What each of several workers returns that do the same at the same time."""
    with ThreadPoolExecutor(WORKERS) as workers:
        return list(workers.map(work, range(WORKERS)))


def sends(database: Database, *results: SendResult, now: datetime = NOW) -> None:
    """A worker that asks the gate and tells it what became of its messages."""
    with database.write() as db:
        passage = keeper.passage(db, now)
        keeper.note(db, passage, results, now)


def breaks(database: Database) -> datetime:
    """Opens the breaker; returns when one mail may be tried."""
    sends(database, *[FAILED] * FAILURES_IN_A_ROW)
    until = gate(database).shut_until
    assert until is not None
    return until


def gate(database: Database) -> Gate:
    with database.read() as db:
        return keeper.gate(db)


def alarms(database: Database) -> list[tuple[str, str]]:
    with database.read() as db:
        return [(alarm.kind, alarm.said) for alarm in last_alarms(db, 10)]


def test_while_all_is_well_one_row_is_read_and_nothing_is_written(database: Database) -> None:
    breaks(database)
    sends(database, TAKEN, now=NOW + 2 * SECOND)  # the row is there from earlier trouble
    statements: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda _c, _r, text, *_: statements.append(text))
    with database.write() as db:
        passage = keeper.passage(db, NOW + 2 * SECOND)
        keeper.note(db, passage, [TAKEN] * 28, NOW + 3 * SECOND)
    assert isinstance(passage, Open)
    [statement] = [text for text in statements if not text.startswith("BEGIN")]
    assert statement.startswith("SELECT")
    assert "FOR UPDATE" not in statement


def test_a_provider_that_never_failed_has_no_row(database: Database) -> None:
    sends(database, TAKEN)
    with database.read() as db:
        assert db.execute(sa.select(gates)).all() == []


def test_failures_of_several_workers_at_once_are_all_counted(database: Database) -> None:
    for before in range(0, FAILURES_IN_A_ROW - 1, 2):
        assert gate(database).failures == before
        with ThreadPoolExecutor(2) as workers:
            list(workers.map(lambda _: sends(database, FAILED), range(2)))
    assert isinstance(keeper_passage(database, NOW), Open)
    sends(database, FAILED)
    assert isinstance(keeper_passage(database, NOW), Shut)


def keeper_passage(database: Database, now: datetime) -> object:
    with database.read() as db:
        return keeper.passage(db, now)


def test_of_all_workers_one_probes(database: Database) -> None:
    then = breaks(database)

    def probe(_: int) -> bool:
        with database.write() as db:
            assert isinstance(keeper.passage(db, then), Probe | Shut)
            return keeper.take_probe(db, then, 30 * SECOND)

    assert sum(map(bool, at_once(probe))) == 1
    assert isinstance(keeper_passage(database, then), Shut)


def test_nobody_probes_while_the_gate_is_shut_closed_or_paused(database: Database) -> None:
    with database.write() as db:
        assert not keeper.take_probe(db, NOW, 30 * SECOND)
    then = breaks(database)
    with database.write() as db:
        assert not keeper.take_probe(db, then - SECOND, 30 * SECOND)
        keeper.pause(db, "looking into it", NOW)
        assert not keeper.take_probe(db, then, 30 * SECOND)


@pytest.mark.parametrize(("result", "shut_for"), [(TAKEN, None), (FAILED, 4 * SECOND)])
def test_a_probe_closes_the_breaker_or_opens_it_for_longer(
    database: Database, result: SendResult, shut_for: timedelta | None
) -> None:
    then = breaks(database)
    with database.write() as db:
        passage = keeper.passage(db, then)
        assert keeper.take_probe(db, then, 30 * SECOND)
        keeper.note(db, passage, [result], then)
    match keeper_passage(database, then):
        case Open():
            assert shut_for is None
        case Shut(_, until, _):
            assert until == then + (shut_for or SECOND)


def test_a_probe_that_came_to_nothing_is_given_back(database: Database) -> None:
    then = breaks(database)
    with database.write() as db:
        passage = keeper.passage(db, then)
        assert keeper.take_probe(db, then, 30 * SECOND)
        keeper.note(db, passage, [], then)
        assert keeper.take_probe(db, then, 30 * SECOND)


def test_a_key_refused_to_many_workers_at_once_raises_one_alarm(database: Database) -> None:
    at_once(lambda _: sends(database, *[BAD_KEY] * 28))
    assert gate(database).paused_at == NOW
    [(kind, said)] = alarms(database)
    assert kind == PAUSED
    assert "sendgrid api.sendgrid.com" in said
    assert "401 authorization required" in said


def test_each_pause_has_its_own_alarm(database: Database) -> None:
    for again in range(3):
        sends(database, BAD_KEY, now=NOW + again * SECOND)
        with database.write() as db:
            assert keeper.resume(db, "the key is mended", NOW)
    assert len(alarms(database)) == 3


def test_an_operator_pauses_and_resumes_once_and_the_words_are_kept(database: Database) -> None:
    with database.write() as db:
        assert not keeper.resume(db, "nothing is shut", NOW)
        assert keeper.pause(db, "a wrong price went out", NOW)
        assert not keeper.pause(db, "me too", NOW + SECOND)
    assert keeper_passage(database, NOW) == Shut(gate(database), None, "a wrong price went out")
    with database.write() as db:
        assert keeper.resume(db, "mended", NOW + SECOND)
        assert not keeper.resume(db, "mended", NOW + SECOND)
    assert gate(database) == Gate(resumed_at=NOW + SECOND, resumed_why="mended")
    assert alarms(database) == []


def test_gates_of_two_providers_know_nothing_of_each_other(database: Database) -> None:
    sends(database, BAD_KEY)
    with database.read() as db:
        assert isinstance(Gatekeeper("sendgrid api.eu.sendgrid.com").passage(db, NOW), Open)


def test_without_a_rate_the_database_is_not_asked(database: Database) -> None:
    database.close()
    sa.event.listen(database.engine, "connect", lambda *_: pytest.fail("it was asked"))
    assert Gatekeeper("mailbox").take(database, 28, NOW).granted == 28


def test_taking_tokens_leaves_the_breaker_as_it_is_and_the_other_way_round(database: Database) -> None:
    assert keeper.take(database, 4, NOW).granted == 4
    sends(database, FAILED, FAILED)
    assert keeper.take(database, 10, NOW).granted == 6
    assert gate(database).failures == 2


def test_the_rate_is_shared_by_all_processes(database_url: str) -> None:
    method = multiprocessing.get_context("spawn")
    with method.Pool(3) as processes:
        granted = processes.map(_takes_much, [database_url] * 3, chunksize=1)
    # each asks at 0, 0.5 and 1 s: a bucket of ten, and what comes in a second
    assert sum(granted) == 20


def _takes_much(url: str) -> int:
    database = Database(url)
    moments = [NOW] * 4 + [NOW + 0.5 * SECOND] * 4 + [NOW + SECOND] * 4
    granted = sum(keeper.take(database, 3, moment).granted for moment in moments)
    database.close()
    return granted
