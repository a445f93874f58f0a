"""From `enqueue` to the work done, through a real Valkey and real worker processes."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest
import redis
import structlog
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from engage.queueing import Lane
from engage.workers.broker import NAMESPACE, DoorbellBroker, RedisQueue, make_broker
from engage.workers.embedded import EmbeddedValkey
from engage.workers.tether import Tethered
from tests.support.waiting import wait_for

_WORKER = Path(__file__).with_name("noting_worker.py")
_SUPERVISE = "import sys; from engage.workers.processes import supervise; sys.exit(supervise([sys.argv[1:]] * 2))"


class Workers:
    """Worker processes of one test, and what they have noted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Tethered] = []

    def command(self, redis_url: str) -> list[str]:
        return [sys.executable, str(_WORKER), redis_url, str(self._folder)]

    def start(self, redis_url: str) -> Tethered:
        return self.launch(self.command(redis_url), ready=len(self._running) + 1)

    def launch(self, command: Sequence[str], ready: int) -> Tethered:
        """Starts `command` and waits until `ready` workers have said that they take messages."""
        process = Tethered(command)
        self._running.append(process)
        wait_for(lambda: len(list(self._folder.glob("ready-*"))) == ready, "the workers to be ready")
        return process

    def lines(self) -> list[str]:
        done = self._folder / "done"
        return done.read_text().splitlines() if done.exists() else []

    def open_gate(self) -> None:
        (self._folder / "gate").touch()

    def wait_for(self, *lines: str) -> None:
        wait_for(lambda: set(lines) <= set(self.lines()), f"{lines} among what the workers noted")

    def stop(self) -> None:
        self.open_gate()
        for process in self._running:
            process.stop(grace=20.0)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    started = Workers(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def broker(valkey_url: str) -> Iterator[DoorbellBroker]:
    made = make_broker(valkey_url)
    yield made
    made.close()


@pytest.fixture
def queue(broker: DoorbellBroker) -> RedisQueue:
    return RedisQueue(broker)


def _messages(valkey_url: str, lane: Lane) -> list[list[int]]:
    """The ids of each message that waits in a lane."""
    stored = redis.Redis.from_url(valkey_url).hvals(f"{NAMESPACE}:{lane}.msgs")
    return sorted(Message.decode(data).args[0] for data in stored)  # type: ignore[arg-type, union-attr]


# -- asking for work ---------------------------------------------------------------------------------------------------


def test_many_ids_travel_in_several_messages_each_id_once(queue: RedisQueue, valkey_url: str) -> None:
    queue.enqueue("deliver", range(2_500), Lane.BULK)
    queue.enqueue("deliver", range(250), Lane.TRANSACTIONAL)
    assert [len(ids) for ids in _messages(valkey_url, Lane.BULK)] == [1000, 1000, 500]
    assert list(chain(*_messages(valkey_url, Lane.BULK))) == list(range(2_500))
    assert [len(ids) for ids in _messages(valkey_url, Lane.TRANSACTIONAL)] == [100, 100, 50]


def test_no_ids_are_no_message(queue: RedisQueue, valkey_url: str) -> None:
    queue.enqueue("match", [], Lane.EVENTS)
    assert _messages(valkey_url, Lane.EVENTS) == []


def test_redis_away_is_said_once_and_raises_nothing(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        queue = RedisQueue(make_broker(server.url))
        queue.enqueue("match", [1], Lane.EVENTS)
    with structlog.testing.capture_logs() as said:
        for event_id in (2, 3, 4):
            queue.enqueue("match", [event_id], Lane.EVENTS)
        with EmbeddedValkey(tmp_path / "valkey", port=server.port):
            queue.enqueue("match", [5], Lane.EVENTS)
            assert _messages(server.url, Lane.EVENTS) == [[1], [5]]
    assert [line["event"] for line in said] == ["redis_away", "redis_back"]


# -- doing it ----------------------------------------------------------------------------------------------------------


def test_a_worker_does_what_is_asked_of_it_by_name(queue: RedisQueue, valkey_url: str, workers: Workers) -> None:
    workers.start(valkey_url)
    for lane in Lane:
        queue.enqueue("note", [7], lane)
    wait_for(lambda: workers.lines() == ["noted 7"] * len(Lane), "one note a lane")


def test_two_workers_share_the_messages_and_do_each_once(queue: RedisQueue, valkey_url: str, workers: Workers) -> None:
    workers.start(valkey_url)
    workers.start(valkey_url)
    for number in range(100):
        queue.enqueue("note", [number], Lane.EVENTS)
    workers.wait_for(*(f"noted {number}" for number in range(100)))
    assert len(workers.lines()) == 100


def test_a_bulk_lane_full_of_slow_tasks_does_not_hold_up_a_transactional_one(
    queue: RedisQueue, valkey_url: str, workers: Workers
) -> None:
    workers.start(valkey_url)
    for number in range(20):
        queue.enqueue("hold", [number], Lane.BULK)
    workers.wait_for("began 0")
    queue.enqueue("note", [99], Lane.TRANSACTIONAL)
    workers.wait_for("noted 99")
    assert not {"noted 0", "noted 1"} & set(workers.lines())


def test_a_task_that_fails_is_tried_again(queue: RedisQueue, valkey_url: str, workers: Workers) -> None:
    workers.start(valkey_url)
    queue.enqueue("stumble", [7], Lane.EVENTS)
    workers.wait_for("noted 7")
    assert workers.lines() == ["tried 7", "tried 7", "noted 7"]


# -- when Redis fails --------------------------------------------------------------------------------------------------


def test_a_message_whose_ring_was_lost_is_found_all_the_same(
    broker: DoorbellBroker, valkey_url: str, workers: Workers
) -> None:
    workers.start(valkey_url)
    silent = Message(queue_name=Lane.EVENTS, actor_name="note", args=([1],), kwargs={}, options={})
    RedisBroker.enqueue(broker, silent)
    workers.wait_for("noted 1")


def test_a_doorbell_whose_connection_is_cut_is_mended(queue: RedisQueue, valkey_url: str, workers: Workers) -> None:
    workers.start(valkey_url)
    client = redis.Redis.from_url(valkey_url)
    (listener,) = wait_for(lambda: client.client_list(_type="pubsub"), "the worker to listen")
    client.client_kill_filter(_id=listener["id"])
    queue.enqueue("note", [1], Lane.EVENTS)
    workers.wait_for("noted 1")
    (mended,) = wait_for(lambda: client.client_list(_type="pubsub"), "the worker to listen again")
    assert mended["id"] != listener["id"]


def test_a_worker_works_on_after_redis_was_flushed(queue: RedisQueue, valkey_url: str, workers: Workers) -> None:
    workers.start(valkey_url)
    queue.enqueue("hold", [1], Lane.EVENTS)
    workers.wait_for("began 1")
    redis.Redis.from_url(valkey_url).flushall()
    workers.open_gate()
    queue.enqueue("note", [2], Lane.EVENTS)
    workers.wait_for("noted 1", "noted 2")


def test_a_worker_survives_a_restart_of_redis(workers: Workers) -> None:
    with EmbeddedValkey() as server:
        workers.start(server.url)
        queue = RedisQueue(make_broker(server.url))
        queue.enqueue("note", [1], Lane.EVENTS)
        workers.wait_for("noted 1")
    with EmbeddedValkey(port=server.port):
        queue.enqueue("note", [2], Lane.TRANSACTIONAL)
        workers.wait_for("noted 2")


# -- stopping ----------------------------------------------------------------------------------------------------------


def test_a_worker_told_to_stop_finishes_what_is_in_flight_and_leaves_the_rest(
    queue: RedisQueue, valkey_url: str, workers: Workers
) -> None:
    process = workers.start(valkey_url)
    for number in range(6):
        queue.enqueue("hold", [number], Lane.ALERTS)  # a lane with one thread
    workers.wait_for("began 0")
    process.ask_to_stop()
    workers.open_gate()
    assert process.process.wait(15) == 0
    noted = [line for line in workers.lines() if line.startswith("noted")]
    left = [number for ids in _messages(valkey_url, Lane.ALERTS) for number in ids]
    assert "noted 0" in noted
    assert len(noted) + len(left) == 6


@pytest.mark.slow
def test_a_worker_whose_task_never_ends_stops_within_fifteen_seconds(
    queue: RedisQueue, valkey_url: str, workers: Workers
) -> None:
    process = workers.start(valkey_url)
    queue.enqueue("hold", [1], Lane.BULK)
    workers.wait_for("began 1")
    process.ask_to_stop()
    assert process.process.wait(15) == 0


def test_a_worker_stops_while_redis_is_away(workers: Workers) -> None:
    with EmbeddedValkey() as server:
        process = workers.start(server.url)
        server.stop()
        process.ask_to_stop()
        assert process.process.wait(15) == 0


def test_supervised_workers_stop_with_their_supervisor(valkey_url: str, workers: Workers) -> None:
    supervisor = workers.launch([sys.executable, "-c", _SUPERVISE, *workers.command(valkey_url)], ready=2)
    supervisor.ask_to_stop()
    assert supervisor.process.wait(15) == 0
    client = redis.Redis.from_url(valkey_url)
    wait_for(lambda: not client.client_list(_type="pubsub"), "both workers to be gone")


def test_a_supervised_worker_that_dies_takes_the_others_with_it(
    valkey_url: str, workers: Workers, tmp_path: Path
) -> None:
    supervisor = workers.launch([sys.executable, "-c", _SUPERVISE, *workers.command(valkey_url)], ready=2)
    victim = next(int(path.name.removeprefix("ready-")) for path in tmp_path.glob("ready-*"))
    os.kill(victim, signal.SIGKILL)
    assert supervisor.process.wait(20) == 1
