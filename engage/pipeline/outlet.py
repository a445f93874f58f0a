"""The way out of a worker: provider, gate, journal, and the limits that a process keeps to."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engage.logs import Outage
from engage.pipeline.gating import Gatekeeper
from engage.providers.protocol import Provider
from engage.store.journal import Entry, Journal

LEASE = timedelta(minutes=2)
"""How long a worker may hold a delivery: longer than a batch's deadline at the provider."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """All that `deliver` needs of the process it runs in.

    `allows` is SEND_TO's answer for an address. `slots(n)` waits for n of the worker's places in `sending`; `batch` is
    how many are asked for at a time. `clock` is read between one batch and the next. `stopping` is set when nothing
    new is to be begun, `outage` says in the log when nothing can be. Without a `gate` nothing is ever shut, without a
    `journal` nothing is recorded.
    """

    provider: Provider
    allows: Callable[[str], bool]
    slots: Callable[[int], AbstractContextManager[object]]
    batch: int
    clock: Callable[[], datetime]
    gate: Gatekeeper | None = None
    journal: Journal | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    lease: timedelta = LEASE
    outage: Outage = field(default_factory=lambda: Outage("delivering_stopped", "delivering_again"))

    def record(self, entries: Sequence[Entry]) -> None:
        """Journals what the provider has taken. Raises OSError."""
        if self.journal is not None and entries:
            self.journal.append(entries)
