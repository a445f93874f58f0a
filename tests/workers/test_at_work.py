"""What the threads of a worker are at, as its heart tells it."""

from datetime import UTC, datetime

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from engage.store.upkeep import AtWork
from engage.workers.at_work import TellsWhatItDoes

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("fails", [False, True])
def test_a_message_is_told_of_while_it_is_worked_on_however_it_ends(fails: bool) -> None:
    telling = TellsWhatItDoes(lambda: NOW)
    broker = StubBroker(middleware=[telling])
    seen: list[list[AtWork]] = []

    @dramatiq.actor(broker=broker, queue_name="bulk")
    def deliver(ids: list[int]) -> None:
        seen.append(telling.doing())
        if fails:
            raise ValueError(str(ids))

    broker.declare_queue("bulk")
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        deliver.send([1, 2, 3])
        broker.join("bulk")
        worker.join()
    finally:
        worker.stop()
    assert seen == [[AtWork("deliver", 3, NOW)]]
    assert telling.doing() == []
