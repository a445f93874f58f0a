"""The mailbox over HTTP: SendGrid's API to put mail in, pages to look at it.

Plain Starlette routes: FastAPI's body models would cost more than the whole of the rest.
"""

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from engage.clock import utc_now
from engage.web.mailbox import pages
from engage.web.mailbox.activity import Activity
from engage.web.mailbox.answers import json_body, refused, unauthorized
from engage.web.mailbox.faults import SEND, FaultScript, faulty, pause
from engage.web.mailbox.payload import Fault, faults, recipients
from engage.web.mailbox.store import MailStore
from engage.web.mailbox.summary import Summary
from engage.web.mailbox.suppressed import SuppressedStore
from engage.web.mailbox.suppressing import SCOPES, suppression_routes
from engage.web.mailbox.syncing import GroupSync
from engage.web.mailbox.webhooks import Reporter, Webhooks

_SCOPES = ["mail.send", "mail.batch.create", "mail.batch.read", *SCOPES]
_NO_SUCH_MESSAGE = Response("no such message; it may have been removed", 404, media_type="text/plain")


def build_router(
    store: MailStore, clock: Callable[[], datetime] = utc_now, webhooks: Webhooks | None = None
) -> APIRouter:
    """SendGrid's API under /v3 and everything under /mailbox, to include in an application at its root.

    `webhooks` is where it reports to when it is asked to.
    """
    router = APIRouter()
    for route in _routes(store, clock, webhooks):
        router.add_route(route.path, route.endpoint, methods=list(route.methods or ()), include_in_schema=False)
    return router


def mailbox_app(
    store: MailStore, clock: Callable[[], datetime] = utc_now, webhooks: Webhooks | None = None
) -> Starlette:
    """The mailbox on its own; / leads to /mailbox."""

    async def home(request: Request) -> Response:  # noqa: ARG001
        return RedirectResponse("/mailbox")

    return Starlette(routes=[Route("/", home), *_routes(store, clock, webhooks)])


def _routes(store: MailStore, clock: Callable[[], datetime], webhooks: Webhooks | None) -> list[Route]:
    reader = _Reader(store)
    script = FaultScript()
    intake = _Intake(store, clock, script)
    activity = Activity(store, clock, script)

    async def scopes(request: Request) -> Response:
        return unauthorized(request) or JSONResponse({"scopes": [*_SCOPES, *activity.scopes]})

    return [
        Route(SEND, intake.send, methods=["POST"]),
        Route("/v3/scopes", scopes, methods=["GET"]),
        *activity.routes(),
        *suppression_routes(SuppressedStore(store.folder), clock),
        *script.routes(),
        *Reporter(store, clock, webhooks).routes(),
        Route("/mailbox", reader.inbox, methods=["GET"]),
        Route("/mailbox/messages.json", reader.messages, methods=["GET"]),
        Route("/mailbox/messages", reader.clear, methods=["DELETE"]),
        Route("/mailbox/static/{name}", reader.static, methods=["GET"]),
        Route("/mailbox/{id}", reader.message, methods=["GET"]),
        Route("/mailbox/{id}/html", reader.html, methods=["GET"]),
        Route("/mailbox/{id}/raw", reader.raw, methods=["GET"]),
    ]


class _Intake:
    """Answers as SendGrid does."""

    def __init__(self, store: MailStore, clock: Callable[[], datetime], script: FaultScript) -> None:
        self._store = store
        self._disk = GroupSync(store.sync)
        self._clock = clock
        self._script = script

    async def send(self, request: Request) -> Response:
        if (refusal := unauthorized(request)) is not None:
            return refusal
        read = await json_body(request)
        if isinstance(read, Response):
            return read
        raw, body = read
        step = self._script.next(request, recipients(body))
        if step is None:
            return await self._take(raw, body)
        await pause(request, step.delay_before)
        taken = await self._take(raw, body) if step.takes else None
        await pause(request, step.delay)
        return faulty(step, taken)

    async def _take(self, raw: bytes, body: Any) -> Response:
        if found := faults(body):
            return refused(400, *found)
        summary = Summary.of(body, secrets.token_urlsafe(16), self._clock())
        try:
            self._store.append(summary, raw)
        except OSError as error:
            return refused(503, Fault(f"The mailbox cannot keep the message: {error}"))
        try:
            await self._disk.synced()
        except OSError as error:  # it may be on the disk or not: an answer that says neither
            return refused(500, Fault(f"The mailbox cannot tell whether the message is kept: {error}"))
        return Response(status_code=202, headers={"X-Message-Id": summary.id})


class _Reader:
    """Shows what has come."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    async def inbox(self, request: Request) -> Response:
        etag = f'"{self._store.version}"'
        headers = {**pages.HEADERS, "ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        query = request.query_params
        before = query.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() else None
        campaign, to = query.get("campaign", ""), query.get("to", "")
        page = self._store.page(campaign, to, number)
        return _html(pages.inbox(self._store, page, campaign, to, newest=number is None), headers)

    async def messages(self, request: Request) -> Response:
        query = request.query_params
        chunks = self._store.every(query.get("campaign", ""), query.get("to", ""))
        return StreamingResponse(_json_list(chunks), media_type="application/json")

    async def clear(self, request: Request) -> Response:  # noqa: ARG002
        self._store.clear()
        return Response(status_code=204)

    async def message(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return _html(pages.missing(), pages.HEADERS, 404)
        summary, body = found
        return _html(pages.message(summary, body, self._store.neighbours(summary.id)), pages.HEADERS)

    async def html(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return _NO_SUCH_MESSAGE
        return _html(pages.framed(found[1]), pages.FRAME_HEADERS)

    async def raw(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return _NO_SUCH_MESSAGE
        return Response(pages.as_json(found[1]), headers=pages.HEADERS, media_type="application/json")

    async def static(self, request: Request) -> Response:
        asset = pages.STATIC.get(request.path_params["name"])
        if asset is None:
            return Response("not found", 404, media_type="text/plain")
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": "no-cache"})

    def _find(self, request: Request) -> tuple[Summary, dict[str, Any]] | None:
        try:
            summary, raw = self._store.read(request.path_params["id"])
        except KeyError:
            return None
        return summary, orjson.loads(raw)


def _html(text: str, headers: dict[str, str], status: int = 200) -> Response:
    return Response(text, status, headers=headers, media_type="text/html")


def _json_list(chunks: Iterator[list[Summary]]) -> Iterator[bytes]:
    opening = b"["
    for chunk in chunks:
        yield opening + b",\n".join(orjson.dumps(summary.public()) for summary in chunk)
        opening = b",\n"
    yield b"]\n" if opening != b"[" else b"[]\n"
