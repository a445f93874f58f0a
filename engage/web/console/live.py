"""Keeps open pages up to date: one look at the installation for all who watch, and none while nobody does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from engage.domain.errors import EngageError
from engage.reporting.status import Status

LOOK_EVERY = 2.0
"""Seconds between two looks."""

LASTS = 300.0
"""Seconds after which a stream ends by itself; the browser asks for another."""

Seen = Status | EngageError
"""What was seen: how it stands, or why that cannot be known."""


class Watch:
    """The one who looks, in a process. `look` is called in a thread."""

    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look
        self._listeners = 0
        self._coming: asyncio.Future[Seen] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def looks(self) -> AsyncIterator[Seen]:
        """Each look from now on, until the caller has had enough, or LASTS seconds are over."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + LASTS
        self._listeners += 1
        try:
            while loop.time() < ends:
                yield await self._next(loop)
        finally:
            self._listeners -= 1

    async def _next(self, loop: asyncio.AbstractEventLoop) -> Seen:
        if self._looking is None or self._looking.done() or self._looking.get_loop() is not loop:
            self._coming = loop.create_future()
            self._looking = loop.create_task(self._go_on())
        assert self._coming is not None
        return await asyncio.shield(self._coming)  # one who leaves must not end it for the others

    async def _go_on(self) -> None:
        while self._listeners:
            try:
                seen: Seen = await run_in_threadpool(self._look)
            except EngageError as error:
                seen = error
            coming, self._coming = self._coming, asyncio.get_running_loop().create_future()
            assert coming is not None
            coming.set_result(seen)
            await asyncio.sleep(LOOK_EVERY)


def event(html: str) -> str:
    """One event of a stream (WHATWG HTML, 9.2) that brings this HTML."""
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"


def watch_of(app: Any) -> Watch:
    """The application's one."""
    if not hasattr(app.state, "watch"):
        app.state.watch = Watch(app.state.services.status)
    found: Watch = app.state.watch
    return found
