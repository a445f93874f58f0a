"""`POST /webhooks/sendgrid`: takes what SendGrid reports. Believed only if it is signed, stored before it is answered.

Whatever goes wrong is answered with an error, and SendGrid sends the same again for a day. What a request says is read
later, by a worker: nothing of it is parsed before its signature was checked, and nothing of it is logged.
"""

from datetime import timedelta

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.providers.sendgrid_events import NAME
from engage.providers.webhook_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, Checked, check, recent
from engage.settings import PREFIX
from engage.web.arriving import NotArrived, Room

log = structlog.get_logger(__name__)

LARGEST_BODY = 4 * 1024 * 1024
"""In bytes. SendGrid's own requests stay below one megabyte."""

MOST_IN_MEMORY = 32 * LARGEST_BODY
"""How many bytes all bodies together may have while they arrive. Who sends none, slowly, keeps nobody else out."""

SECONDS_TO_ARRIVE = 30
"""How long a body may take to arrive."""

RETRY_AFTER = 30
"""In seconds: what a request is told that cannot be stored now."""

_THREADS = 4  # that store: the pages that partners open need connections too


def build_router(services: Services) -> APIRouter:
    """The route. Raises SettingsError when what is set as the key is none."""
    router = APIRouter()
    room, threads = Room(MOST_IN_MEMORY), CapacityLimiter(_THREADS)
    if not services.webhook_keys:
        log.warning("webhooks_are_refused", why=_NO_KEY)

    @router.post("/webhooks/sendgrid")
    async def receive(request: Request) -> Response:
        """204 when it is stored; 403 not believed, 408 too slow, 413 too large, 503 not now."""
        if not services.webhook_keys:
            return _refused(503, _NO_KEY)
        if not _could_be_genuine(services, request.headers):
            return _refused(403, "not signed, or not now")
        with room.guest() as guest:
            try:
                body = await guest.body(request, LARGEST_BODY, SECONDS_TO_ARRIVE)
            except NotArrived as refused:
                return _refused(refused.status, refused.why)
            return await to_thread.run_sync(_take, services, request.headers, body, limiter=threads)

    return router


def _could_be_genuine(services: Services, headers: Headers) -> bool:
    """Whether it is worth reading: strangers without the two headers of now cost nothing."""
    max_age = timedelta(hours=services.settings.webhook_max_age)
    return SIGNATURE_HEADER in headers and recent(headers.get(TIMESTAMP_HEADER, ""), services.clock(), max_age)


_NO_KEY = f"{PREFIX}SENDGRID_WEBHOOK_KEY is not set"


def _take(services: Services, headers: Headers, body: bytes) -> Response:
    signature, timestamp = headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    max_age = timedelta(hours=services.settings.webhook_max_age)
    checked = check(services.webhook_keys, signature, timestamp, body, services.clock(), max_age)
    if checked is not Checked.GENUINE:
        return _refused(403, checked)
    try:
        services.keep_webhook(NAME, _text(body))
    except EngageError as error:
        return _refused(503, error.message)
    return Response(status_code=204)


def _text(body: bytes) -> str:
    """As text that any database takes. What is changed was no JSON, and is none afterwards."""
    return body.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def _refused(status: int, why: str) -> Response:
    log.warning("webhook_refused", status=status, why=why)
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else {}
    return Response(status_code=status, headers=headers)
