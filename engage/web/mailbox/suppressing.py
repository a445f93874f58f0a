"""SendGrid's suppression endpoints over HTTP, and one of the mailbox's own for what SendGrid only finds out itself.

Source: https://www.twilio.com/docs/sendgrid/api-reference, of bounces, spam reports, invalid emails, global
suppressions and unsubscribe groups.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engage.web.mailbox.answers import json_body, refused, unauthorized
from engage.web.mailbox.payload import Fault
from engage.web.mailbox.suppressed import LISTS, Entry, SuppressedStore

SCOPES = [
    *(f"suppression.{name}.read" for name in LISTS),
    "asm.groups.create",
    "asm.groups.read",
    "asm.groups.suppressions.create",
    "asm.groups.suppressions.read",
    "asm.suppressions.global.create",
]
_LARGEST_PAGE = 500
_LONGEST_NAME, _LONGEST_DESCRIPTION = 30, 100


def suppression_routes(store: SuppressedStore, clock: Callable[[], datetime]) -> list[Route]:
    """The routes, to come before those of single messages."""
    lists = _Lists(store, clock)
    return [
        Route("/v3/suppression/{name}", lists.entries, methods=["GET"]),
        Route("/v3/asm/groups", lists.groups, methods=["GET"]),
        Route("/v3/asm/groups", lists.add_group, methods=["POST"]),
        Route("/v3/asm/groups/{id:int}/suppressions", lists.members, methods=["GET"]),
        Route("/v3/asm/groups/{id:int}/suppressions", lists.leave_group, methods=["POST"]),
        Route("/v3/asm/suppressions", lists.all_members, methods=["GET"]),
        Route("/v3/asm/suppressions/global", lists.leave_all, methods=["POST"]),
        Route("/mailbox/suppressions", lists.find_out, methods=["POST"]),
    ]


class _Lists:
    def __init__(self, store: SuppressedStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def entries(self, request: Request) -> Response:
        if (refusal := unauthorized(request)) is not None:
            return refusal
        name = request.path_params["name"]
        if name not in LISTS:
            return refused(404, Fault("resource not found"))
        return _page(request, self._store.entries(name), "created")

    async def groups(self, request: Request) -> Response:
        if (refusal := unauthorized(request)) is not None:
            return refusal
        wanted = request.query_params.getlist("id")
        return JSONResponse([one for one in self._store.groups() if not wanted or str(one["id"]) in wanted])

    async def add_group(self, request: Request) -> Response:
        body = await _body(request)
        if isinstance(body, Response):
            return body
        name, description = (body.get(key) if isinstance(body, dict) else None for key in ("name", "description"))
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            return refused(400, Fault(f"name must be a string of 1 to {_LONGEST_NAME} characters", "name"))
        if not isinstance(description, str) or not 0 < len(description) <= _LONGEST_DESCRIPTION:
            message = f"description must be a string of 1 to {_LONGEST_DESCRIPTION} characters"
            return refused(400, Fault(message, "description"))
        if any(group["name"] == name for group in self._store.groups()):
            return refused(400, Fault("there is a group of this name already", "name"))
        return JSONResponse(self._store.add_group(name, description, bool(body.get("is_default"))), 201)

    async def members(self, request: Request) -> Response:
        if (refusal := unauthorized(request)) is not None:
            return refusal
        found = self._store.members(request.path_params["id"])
        return refused(404, Fault("resource not found")) if found is None else JSONResponse(found)

    async def all_members(self, request: Request) -> Response:
        return unauthorized(request) or _page(request, self._store.all_members(), "created_at")

    async def leave_group(self, request: Request) -> Response:
        emails = await _recipient_emails(request)
        if isinstance(emails, Response):
            return emails
        self._store.leave(request.path_params["id"], emails, self._now())
        return JSONResponse({"recipient_emails": emails}, 201)

    async def leave_all(self, request: Request) -> Response:
        emails = await _recipient_emails(request)
        if isinstance(emails, Response):
            return emails
        self._store.add("unsubscribes", [{"email": email, "created": self._now()} for email in emails])
        return JSONResponse({"recipient_emails": emails}, 201)

    async def find_out(self, request: Request) -> Response:
        """Puts entries on a list that SendGrid fills by itself: `[{"list": "bounces", "email": …, "created": …}]`."""
        read = await json_body(request)
        if isinstance(read, Response):
            return read
        given = read[1]
        if not isinstance(given, list) or not all(map(_is_entry, given)):
            message = f"This must be a list of objects with email and list, which is one of {', '.join(LISTS)}."
            return refused(400, Fault(message))
        for name, more in LISTS.items():
            entries = [
                {"created": one.get("created", self._now()), "email": one["email"]}
                | {key: str(one.get(key, "")) for key in more}
                for one in given
                if one["list"] == name
            ]
            if entries:
                self._store.add(name, entries)
        return Response(status_code=204)

    def _now(self) -> int:
        return int(self._clock().timestamp())


async def _body(request: Request) -> Any:
    """What an authorised request says, or the refusal."""
    if (refusal := unauthorized(request)) is not None:
        return refusal
    read = await json_body(request)
    return read if isinstance(read, Response) else read[1]


async def _recipient_emails(request: Request) -> list[str] | Response:
    body = await _body(request)
    if isinstance(body, Response):
        return body
    emails = body.get("recipient_emails") if isinstance(body, dict) else None
    if not isinstance(emails, list) or not all(isinstance(email, str) and "@" in email for email in emails):
        return refused(400, Fault("recipient_emails must be a list of email addresses", "recipient_emails"))
    return emails


def _is_entry(given: Any) -> bool:
    return (
        isinstance(given, dict)
        and given.get("list") in LISTS
        and isinstance(given.get("email"), str)
        and isinstance(given.get("created", 0), int)
    )


def _page(request: Request, entries: Sequence[Entry], created: str) -> Response:
    """A page of a list: `limit` from `offset`, of those made between `start_time` and `end_time`, both included."""
    numbers: dict[str, int] = {}
    for name in ("limit", "offset", "start_time", "end_time"):
        text = request.query_params.get(name, "")
        if text:
            if not (text.isascii() and text.isdigit()):
                return refused(400, Fault(f"{name} must be a whole number", name))
            numbers[name] = int(text)
    start, end = numbers.get("start_time", 0), numbers.get("end_time")
    found = [one for one in entries if one[created] >= start and (end is None or one[created] <= end)]
    first = numbers.get("offset", 0)
    return JSONResponse(found[first : first + min(numbers.get("limit") or _LARGEST_PAGE, _LARGEST_PAGE)])
