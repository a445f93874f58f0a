"""Syncs for many at once: a disk does some hundred syncs a second, and the mailbox takes thousands of messages."""

import asyncio
from collections.abc import Callable


class GroupSync:
    """`await synced()` returns once a sync has ended that began after it was asked for.

    Whoever asks while one runs shares the next one. It runs in a thread: the event loop is never held up. Raises what
    the sync raises.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def synced(self) -> None:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        await asyncio.shield(self._next)  # who gives up waiting does not end it for the others

    async def _after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        await asyncio.to_thread(self._sync)
