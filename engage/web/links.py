"""`/c/…` leads to where a link of a mail leads, `/o/…` is the picture that tells that a mail was opened.

Who clicks is led on first; what was seen is stored afterwards, and whether it can be stored delays nobody. There is no
open redirect: where a link leads is looked up by the id that its token names.
"""

import base64

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.pipeline.tracking import CLICK_PATH, OPEN_PATH, Seen, read_click, read_open
from engage.store.links import Followed
from engage.web.rendering import page_of_no_link

log = structlog.get_logger(__name__)

PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
"""A transparent GIF of one pixel, in 43 bytes."""

MOST_WAITING = 1000
"""How many clicks may wait to be stored: of more at once, which no readers make, nothing is kept."""

_THREADS = 2  # that store: the pages that partners open need connections too
_FETCHED_AHEAD = ("sec-purpose", "purpose", "x-moz", "x-purpose")


def build_router(services: Services) -> APIRouter:
    router, recorder = APIRouter(), _Recorder(services)

    @router.api_route(CLICK_PATH + "{token}", methods=["GET", "HEAD"], include_in_schema=False)
    def follow(request: Request, token: str) -> Response:
        """Leads on. A browser asks anew each time it is clicked, and tells the page behind nothing of the mail."""
        with services.database.read() as db:
            mail = read_click(db, services.signer, token)
        if mail is None:
            return page_of_no_link(request, "unknown_page.html", token)
        headers = {"Location": mail.url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return Response(status_code=302, headers=headers, background=recorder.later(request, mail))

    @router.api_route(OPEN_PATH + "{token}", methods=["GET", "HEAD"], include_in_schema=False)
    def show(request: Request, token: str) -> Response:
        """The same picture for each mail. It is part of a mail, which may be read on whatever host."""
        with services.database.read() as db:
            mail = read_open(db, services.signer, token)
        if mail is None:
            return page_of_no_link(request, "unknown_page.html", token)
        headers = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "cross-origin"}
        return Response(PICTURE, headers=headers, media_type="image/gif", background=recorder.later(request, mail))

    return router


class _Recorder:
    """Stores what was seen, some at a time; of one event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = CapacityLimiter(_THREADS)
        self._waiting = 0

    def later(self, request: Request, mail: Followed) -> BackgroundTask:
        """Stores, once it is answered, that the mail was used."""
        ahead = any("prefetch" in request.headers.get(name, "").lower() for name in _FETCHED_AHEAD)
        by_machine = ahead or request.method == "HEAD"
        seen = Seen(mail, self._services.clock(), request.headers.get("user-agent", ""), by_machine)
        return BackgroundTask(self._store, seen)

    async def _store(self, seen: Seen) -> None:
        if self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        try:
            await to_thread.run_sync(self._services.record, seen, limiter=self._threads)
        except EngageError as error:
            log.warning("click_not_stored", error=type(error).__name__)
        finally:
            self._waiting -= 1
