"""Waits for a condition, as short as it takes: no test sleeps for a time it hopes is enough."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(condition: Callable[[], _T], what: str, seconds: float = 120.0) -> _T:
    """The first true answer of `condition`; fails the test when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)
    return answer
