"""Runs the workers of one process until it is told to stop, and stops without dropping what is in flight."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog
from dramatiq import Worker
from dramatiq.common import dq_name

from engage.queueing import Lane
from engage.workers.broker import DoorbellBroker
from engage.workers.stopping import StopSignal

THREADS: Mapping[Lane, int] = {
    Lane.EVENTS: 2,
    Lane.TRANSACTIONAL: 2,
    Lane.BULK: 1,  # one with large batches costs a third less processor time an email than two with half of them
    Lane.ALERTS: 1,
    Lane.UPKEEP: 1,
    Lane.SOURCES: 2,
    Lane.FEEDBACK: 1,
}
"""Threads of a process for each lane. No lane borrows from another: a newsletter never holds up a status update."""

_WAKE_MS = 500
_FINISH_MS = 12_000  # with the second and a half that idle threads take to notice, all is over within 15 s

log = structlog.get_logger(__name__)


def run_worker(broker: DoorbellBroker, stopping: Callable[[], object] = lambda: None) -> None:
    """Works on all lanes until SIGTERM or SIGINT, then takes nothing new, finishes what is in flight and returns.

    To be called in the main thread, after the actors are declared. `stopping` is called when the signal has come: what
    is at work may then give back what it has not begun. Returns within 15 seconds of the signal; what was not finished
    by then is found again by the sweeper.
    """
    stop = StopSignal()
    workers = [_LaneWorker(broker, lane) for lane in Lane]
    for worker in workers:
        worker.start()
    log.info("worker_ready", lanes=[worker.lane.value for worker in workers])
    stop.wait()
    stopping()
    log.info("worker_stopping", hint="finishing what is in flight")
    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(lambda worker: worker.stop(timeout=_FINISH_MS), workers))
    broker.close()


class _LaneWorker(Worker):
    """dramatiq's worker for one lane and its delayed messages."""

    def __init__(self, broker: DoorbellBroker, lane: Lane) -> None:
        super().__init__(broker, queues={lane}, worker_timeout=_WAKE_MS, worker_threads=THREADS[lane])
        self.lane = lane
        # No more than is being worked on: what one process hoards, another could have done.
        self.queue_prefetch = THREADS[lane]

    def start(self) -> None:
        # As Worker.start, without a middleware that would start consumers for queues declared later: all are known.
        self.broker.emit_before("worker_boot", self)
        self._add_consumer(self.lane.value)
        self._add_consumer(dq_name(self.lane.value), delay=True)
        for _ in range(self.worker_threads):
            self._add_worker()
        self.broker.emit_after("worker_boot", self)
