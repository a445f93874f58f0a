"""The scenarios, in the order in which they are run."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.scenarios import dropped, kills, restarts, stopped, unsubscribing, valkey
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
    Scenario("dropped", dropped.run, 0.1),
    Scenario("unsubscribing", unsubscribing.run, 0.2),
    Scenario("stopped", stopped.run, 1.0),
)
