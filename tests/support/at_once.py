"""Several browsers at once: their requests run in one event loop, as a server's do.

A TestClient by itself makes a loop for each request, and what limits how many requests of an application run side by
side does not work across loops: who waits in one is never told by another that it is their turn.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi.testclient import TestClient

Answer = TypeVar("Answer")


def at_once(browsers: Iterable[TestClient], do: Callable[[TestClient], Answer]) -> list[Answer]:
    """What `do` answers for each browser, all begun at once; the browsers are of one application."""
    browsers = list(browsers)
    first, *others = browsers
    with first, ThreadPoolExecutor(len(browsers)) as threads:
        for other in others:
            other.portal = first.portal
        return list(threads.map(do, browsers))
