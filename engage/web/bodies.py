"""Bodies of requests, read up to a limit."""

from collections.abc import Callable

from starlette.requests import Request


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
