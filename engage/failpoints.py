"""Places at which a test can have a process killed or stopped. Nothing happens unless ENGAGE_TEST_FAILPOINTS is set.

    ENGAGE_TEST_FAILPOINTS=sending-committed:3 engage worker        # kill -9 at the third time
    ENGAGE_TEST_FAILPOINTS=answered:1:STOP engage worker            # SIGSTOP instead

Without the variable `failpoint` is a function that does nothing, and `ARMED` is False.
"""

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "ENGAGE_TEST_FAILPOINTS"
ARMED = VARIABLE in os.environ

NAMES = (
    "intake-committed",  # what happened is stored, and nobody has been told
    "claimed",  # a worker has claimed deliveries
    "rendered",  # they are composed
    "sending-committed",  # their attempts are committed, no socket is open
    "request-sent",  # a request has left whole, its answer has not come
    "answered",  # the provider has answered, nothing is committed
    "settled",  # the answers are committed, the message of the queue is not acknowledged
    "sweeping",  # the sweeper has written and not committed
    "contest-deciding",  # some candidates of a contest are decided, nothing is committed
    "contest-decided",  # it is committed, and nobody has been told of the winners
)


@dataclass(frozen=True, slots=True)
class _Trap:
    hits: int
    signal: signal.Signals


_traps: dict[str, _Trap] = {}
_hits: dict[str, int] = dict.fromkeys(NAMES, 0)
_lock = threading.Lock()


def arm(said: str) -> None:
    """Sets the failpoints of this process anew, as the variable would: `name:hits[:SIGNAL]`, separated by commas.

    Raises RuntimeError where the variable is not set, and ValueError for what is no failpoint.
    """
    if not ARMED:
        raise RuntimeError(f"failpoints need {VARIABLE}, if only empty")
    traps = {}
    for one in filter(None, said.split(",")):
        name, hits, *how = one.split(":")
        if name not in NAMES:
            raise ValueError(f"there is no failpoint '{name}'")
        traps[name] = _Trap(int(hits), signal.Signals[f"SIG{how[0]}"] if how else signal.SIGKILL)
    with _lock:
        _traps.clear()
        _traps.update(traps)
        _hits.update(dict.fromkeys(NAMES, 0))


def _hit(name: str) -> None:
    with _lock:
        _hits[name] += 1
        trap = _traps.get(name)
        due = trap is not None and _hits[name] == trap.hits
    if due and trap is not None:
        os.kill(os.getpid(), trap.signal)


def _pass(name: str) -> None:
    """Does nothing."""


failpoint = _hit if ARMED else _pass
"""Marks a place by its name, one of NAMES."""

if ARMED:
    arm(os.environ[VARIABLE])


def environment(said: str = "") -> Mapping[str, str]:
    """What to add to a process's environment so that its failpoints exist."""
    return {VARIABLE: said}
