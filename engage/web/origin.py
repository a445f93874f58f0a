"""Where a request came from, in a few words for the record of changes."""

from fastapi import Request

_LONGEST = 200


def origin_of(request: Request) -> str:
    """The client's address and how it names itself, as far as that can be shown."""
    client = request.client.host if request.client else ""
    named = "".join(c for c in request.headers.get("user-agent", "") if c.isprintable())
    return f"{client} {named}".strip()[:_LONGEST]
