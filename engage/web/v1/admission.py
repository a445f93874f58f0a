"""Who may come in: so many requests at once, and none while too many events wait. The rest is told so at once.

An answer late is worth less than a refusal now: whoever pushes tries again, and what was accepted stays fast. A request
is turned away before its body is read.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from engage.web.v1.problems import busy

AT_ONCE = 2
"""How many requests are worked on at once: intake into a program is one at a time, and the other reads meanwhile."""

INSIDE = 64
"""How many requests may be inside of a door: arriving, waiting and worked on. Who sends slowly keeps a place."""

WAITING = 6
"""How many requests that have arrived may wait to be worked on."""

ANSWERED_WITHIN = 0.5
"""In seconds: a request waits no longer than lets it be answered within this time, going by how long others took."""

LOOKED_AT_EVERY = 1.0
"""In seconds: how often the backlog is counted at the most."""

RETRY_SOON, RETRY_LATER = 1, 10
"""In seconds: what those are told who come at a busy moment, and those who come while too much waits."""

Result = TypeVar("Result")


class Admission:
    """Of one event loop. `backlog` counts what waits, up to a number; `most` is how much may."""

    def __init__(self, backlog: Callable[[int], int], most: int) -> None:
        self._backlog = backlog
        self._most = most
        self._inside: Counter[str] = Counter()
        self._looked_at = float("-inf")
        self._full = False
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._usual = 0.0  # how long work takes, in seconds: of the last ones most
        self._threads = CapacityLimiter(AT_ONCE)
        self._errands = CapacityLimiter(2)  # short questions to the database; they do not wait behind the work

    @asynccontextmanager
    async def guest(self, door: str) -> AsyncIterator[None]:
        """A place inside. Raises Problem (503) when there is none, or when too much waits already.

        Each door has places of its own: who is known only once the body has arrived keeps nobody out who brings a key.
        """
        if self._inside[door] >= INSIDE or self._waiting >= WAITING:
            raise busy("too many requests at once", RETRY_SOON)
        self._inside[door] += 1
        try:
            if await self._is_full():
                raise busy(f"more than {self._most:,} events wait to be matched", RETRY_LATER)
            yield
        finally:
            self._inside[door] -= 1

    async def ask(self, question: Callable[[], Result]) -> Result:
        """Runs something short in a thread."""
        return await to_thread.run_sync(question, limiter=self._errands)

    async def work(self, task: Callable[[], Result]) -> Result:
        """Runs the task in a thread as soon as its turn comes. Raises Problem (503) when that takes too long."""
        # Those that are worked on wait for one another, so that it may take twice as long as one alone.
        patience = max(0.0, ANSWERED_WITHIN - AT_ONCE * self._usual)
        self._waiting += 1
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise busy("too many requests at once", RETRY_SOON) from None
        finally:
            self._waiting -= 1
        began = time.monotonic()
        try:
            return await to_thread.run_sync(task, limiter=self._threads)
        finally:
            self._usual += (time.monotonic() - began - self._usual) / 8
            self._places.release()

    async def _is_full(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at >= LOOKED_AT_EVERY:
            self._looked_at = now  # whoever comes meanwhile goes by what was seen last
            self._full = await self.ask(lambda: self._backlog(self._most + 1) > self._most)
        return self._full
