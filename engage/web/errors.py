"""What is answered when something cannot be: a page to people, application/problem+json (RFC 9457) to machines.

Nothing of a request is repeated, in an answer or in the log: addresses of pages hold tokens.
"""

import traceback
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engage.domain.errors import EngageError, ServiceUnreachable
from engage.web.audience import asked_by_machines
from engage.web.rendering import page

log = structlog.get_logger(__name__)

RETRY_AFTER = 30
"""In seconds: what is said when a service that engage needs does not answer."""

_SAID = {
    404: (
        "There is no such page",
        "The address may have been cut when it was copied. Please open the link again from the email.",
    ),
    408: ("That took too long", "What you sent did not arrive whole. Please try again."),
    413: ("That is too much", "What you sent is larger than this page takes. Please shorten it and send it again."),
    429: ("Too many at once", "Please wait a minute, then try again."),
    500: (
        "Something went wrong here",
        "It is our fault, and nothing that you did. Please try again; if it stays so, reply to the email.",
    ),
    503: ("Not just now", "This page cannot be shown for the moment. Please try again in a minute."),
}
_NOT_UNDERSTOOD = ("That was not understood", "Please go back to the page, or open the link again from the email.")


def install(app: FastAPI) -> None:
    """Has the application answer like this whatever its routes raise."""

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        detail = "" if error.detail == _phrase(error.status_code) else str(error.detail)
        return refusal(request, error.status_code, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def of_input(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001
        return refusal(request, 422)

    @app.exception_handler(EngageError)
    async def of_engage(request: Request, error: EngageError) -> Response:
        if isinstance(error, ServiceUnreachable):
            return refusal(request, 503, headers={"Retry-After": str(RETRY_AFTER)}, said=_away(request))
        log.error("request_failed", route=_route(request.scope), error=type(error).__name__, said=error.message)
        return refusal(request, 500)


def _away(request: Request) -> tuple[str, str]:
    """What people are told while a service does not answer: operators, which one it is and where to look."""
    if request.url.path.startswith("/console"):
        return (
            "The database does not answer",
            "Nothing is lost: what comes in is not acknowledged, what is due waits, and workers keep in their journal "
            "what the provider has taken. Bring the database back, and all of it goes on by itself. On the server, "
            "engage doctor says how it answers.",
        )
    return _SAID[503]


def refusal(
    request: Request,
    status: int,
    detail: str = "",
    headers: Mapping[str, str] | None = None,
    said: tuple[str, str] | None = None,
) -> Response:
    """The answer with this status. `detail` is for machines; people are told `said`, or else what they can do."""
    if asked_by_machines(request.url.path):
        problem = {"type": "about:blank", "title": _phrase(status), "status": status}
        content = problem | ({"detail": detail} if detail else {})
        return JSONResponse(content, status, headers, media_type="application/problem+json")
    heading, text = said or _SAID.get(status, _SAID[500] if status >= 500 else _NOT_UNDERSTOOD)
    answer = page(request, "refusal.html", status, heading=heading, text=text)
    answer.headers.update(headers or {})
    return answer


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _route(scope: Scope) -> str:
    """The pattern that a request matched: its own path may hold a token."""
    return getattr(scope.get("route"), "path", "")


class Contained:
    """Answers 500 for what nobody expected. The log gets where it was raised and of what type, never what it says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:  # noqa: BLE001 - whatever it is, a stranger gets no traceback
            frames = "".join(traceback.format_tb(error.__traceback__)[-8:])
            log.error("request_failed", route=_route(scope), error=type(error).__name__, where=frames)
            if started:
                raise ConnectionAbortedError from None  # the answer is cut: the server closes the connection
            await refusal(Request(scope), 500)(scope, receive, send)
