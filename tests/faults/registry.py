"""The scenarios, in the order in which they are run."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.scenarios import (
    calendar,
    caps,
    disks,
    dropped,
    kills,
    restarts,
    shuffles,
    stopped,
    unsubscribing,
    valkey,
)
from tests.faults.stage import Measured, Where

BOTH = ("sqlite", "postgres")


@dataclass(frozen=True, slots=True)
class Scenario:
    """`small` is its scale in the subset that is part of the suite."""

    name: str
    run: Callable[[Where, str], Measured]
    small: float
    databases: tuple[str, ...] = BOTH


SCENARIOS = (
    Scenario("kills", kills.run, 0.06),
    Scenario("valkey", valkey.run, 0.1),
    Scenario("restarts", restarts.run, 0.2, ("postgres",)),
    Scenario("disk-full", disks.database, 0.3),
    Scenario("journal-full", disks.journal, 1.0),
    Scenario("database-away", disks.away, 0.4),
    Scenario("dropped", dropped.run, 0.1),
    Scenario("unsubscribing", unsubscribing.run, 0.2),
    Scenario("stopped", stopped.run, 1.0),
    Scenario("caps", caps.run, 0.1),
    Scenario("calendar", calendar.run, 0.1),
    Scenario("shuffles", shuffles.run, 0.02),
)
