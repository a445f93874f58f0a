"""The scheduler: opens runs in time, sweeps, has sources polled, sends alarms, counts, beats. Two may run at once."""

from datetime import datetime, timedelta

import structlog

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.pipeline.library import Library
from engage.workers.stopping import StopSignal

log = structlog.get_logger(__name__)

TICK = 1.0
"""Seconds between two looks at the clock."""

SWEEP_EVERY = timedelta(seconds=5)
LOOK_UP_EVERY = timedelta(minutes=1)
COUNT_EVERY = timedelta(minutes=1)


class Scheduler:
    """Looks at the database only when a slot has come, the files have changed, or it is time to sweep."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._library: Library | None = None
        self._next_run: datetime | None = None
        self._next_sweep: datetime | None = None
        self._next_look: datetime | None = None
        self._next_count: datetime | None = None

    def run(self, stop: StopSignal) -> None:
        """Ticks until told to stop. A service that is away is waited for, not died of."""
        log.info("scheduler_ready")
        failing = False
        while not stop.wait(TICK):
            try:
                self.tick()
            except EngageError as error:
                if not failing:  # once an outage, not once a second
                    log.error("tick_failed", error=str(error), hint="it is tried again each second")
                failing = True
            else:
                if failing:
                    log.info("tick_works_again")
                failing = False

    def tick(self) -> None:
        now = self.services.clock()
        library = self.services.library()
        if library is not self._library or (self._next_run is not None and now >= self._next_run):
            self._next_run = self.services.open_runs()
            self._library = library
        if self._next_sweep is None or now >= self._next_sweep:
            self.services.sweep()
            self.services.poll_due()
            self.services.send_alarms()
            self._next_sweep = now + SWEEP_EVERY
        if self._next_look is None or now >= self._next_look:
            self.services.look_up_due()
            self.services.look_after_editions()
            self.services.figures_due()
            self.services.keep_to_policy()
            self._next_look = now + LOOK_UP_EVERY
        if self._next_count is None or now >= self._next_count:
            more = self.services.count_deliveries()
            self._next_count = now if more else now + COUNT_EVERY
