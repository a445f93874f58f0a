"""The way out of a worker: provider, gate, journal, and the limits that a process keeps to."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engage.logs import Outage
from engage.pipeline.gating import Gatekeeper
from engage.pipeline.tracking import Tracker
from engage.providers.protocol import Provider
from engage.store.journal import Entry, Journal

LEASE = timedelta(minutes=2)
"""How long a worker may hold a delivery: longer than a batch's deadline at the provider."""


class Places:
    """A number of places in `sending` that the threads of a process share."""

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._taking = threading.Lock()  # one takes at a time: two, each with a part, would wait for each other

    @contextmanager
    def take(self, count: int) -> Iterator[None]:
        """Waits for so many places, and gives them back at the end of the block."""
        with self._taking:
            for _ in range(count):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(count)


@dataclass(frozen=True, slots=True)
class Outlet:
    """All that `deliver` needs of the process it runs in.

    `allows` is SEND_TO's answer for an address. `slots(n)` waits for n of the worker's places in `sending`; `batch` is
    how many are asked for at a time. `clock` is read between one batch and the next. `stopping` is set when nothing
    new is to be begun, `outage` says in the log when nothing can be. Without a `gate` nothing is ever shut, without a
    `journal` nothing is recorded, without a `tracker` links lead where they lead.
    """

    provider: Provider
    allows: Callable[[str], bool]
    slots: Callable[[int], AbstractContextManager[object]]
    batch: int
    clock: Callable[[], datetime]
    gate: Gatekeeper | None = None
    journal: Journal | None = None
    tracker: Tracker | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    lease: timedelta = LEASE
    outage: Outage = field(default_factory=lambda: Outage("delivering_stopped", "delivering_again"))

    def record(self, entries: Sequence[Entry]) -> None:
        """Journals what the provider has taken. Raises OSError."""
        if self.journal is not None and entries:
            self.journal.append(entries)
