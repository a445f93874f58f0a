"""Bodies that may be large, of senders who try again: no more of them at once than there is room for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from engage.web.bodies import read_body


class NotArrived(Exception):
    """A body cannot be had; the request is answered with this status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Room:
    """The bytes that all requests together hold; of one event loop. Who sends none, slowly, keeps nobody else out."""

    def __init__(self, most: int) -> None:
        self.free = most

    @contextmanager
    def guest(self) -> Iterator["Guest"]:
        """A request: what it holds is free again when it leaves."""
        guest = Guest(self)
        try:
            yield guest
        finally:
            self.free += guest.held


class Guest:
    """What one request holds."""

    def __init__(self, room: Room) -> None:
        self.held = 0
        self._room = room

    async def body(self, request: Request, largest: int, seconds: float) -> bytes:
        """The whole body. Raises NotArrived: 408 too slow, 413 larger than that, 503 no room."""
        try:
            async with asyncio.timeout(seconds):
                body = await read_body(request, largest, self._brings)
        except (TimeoutError, ClientDisconnect):
            raise NotArrived(408, "did not arrive whole") from None
        if body is None:
            raise NotArrived(413, f"larger than {largest:,} bytes")
        return body

    def _brings(self, count: int) -> None:
        if count > self._room.free:
            raise NotArrived(503, "too much at once")
        self.held += count
        self._room.free -= count
