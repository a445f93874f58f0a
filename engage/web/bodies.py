"""Bodies of requests, read up to a limit."""

import asyncio
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engage.web.audience import asked_by_machines


async def read_body(
    request: Request, largest: int, arriving: Callable[[int], object] = lambda _bytes: None
) -> bytes | None:
    """The request's bytes; None when there are more than `largest`. Raises ClientDisconnect.

    `arriving` is told of each part how many bytes it has, and may raise.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared) > largest:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        arriving(len(chunk))
        if size > largest:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


LARGEST_FORM = 64 * 1024
"""In bytes: what people write into the largest form has a tenth of it."""

SECONDS_TO_ARRIVE = 10
"""How long all of a form may take to arrive."""


class BoundedForms:
    """Refuses what no form of ours sends: 413 too large, 408 too slow. Routes for machines have limits of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not asked_by_machines(scope["path"]):
            receive = _bounded(receive)
        await self.app(scope, receive, send)


def _bounded(receive: Receive) -> Receive:
    """Raises HTTPException, which the application answers as it answers all of them."""
    arrived, whole = 0, False
    deadline: float | None = None

    async def bounded() -> Message:
        nonlocal arrived, whole, deadline
        if whole:  # from here on it waits for the client to leave
            return await receive()
        deadline = deadline or asyncio.get_running_loop().time() + SECONDS_TO_ARRIVE
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        arrived += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if arrived > LARGEST_FORM:
            raise HTTPException(413)
        return message

    return bounded
