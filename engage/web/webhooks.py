"""`POST /webhooks/sendgrid`: takes what SendGrid reports. Believed only if it is signed, stored before it is answered.

Whatever goes wrong is answered with an error, and SendGrid sends the same again for a day. What a request says is read
later, by a worker: nothing of it is parsed before its signature was checked, and nothing of it is logged.
"""

import asyncio
from datetime import timedelta

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.providers.sendgrid_events import NAME
from engage.providers.webhook_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, Checked, check
from engage.settings import PREFIX
from engage.web.bodies import read_body

log = structlog.get_logger(__name__)

LARGEST_BODY = 4 * 1024 * 1024
"""In bytes. SendGrid's own requests stay below one megabyte."""

MOST_AT_ONCE = 32
"""How many requests are taken at once: together they hold no more than so many bodies in memory."""

SECONDS_TO_ARRIVE = 30
"""How long a body may take to arrive."""

RETRY_AFTER = 30
"""In seconds: what a request is told that cannot be stored now."""

_THREADS = 4  # that store: the pages that partners open need connections too


def build_router(services: Services) -> APIRouter:
    """The route. Raises SettingsError when what is set as the key is none."""
    router = APIRouter()
    places, threads = asyncio.Semaphore(MOST_AT_ONCE), CapacityLimiter(_THREADS)
    if not services.webhook_keys:
        log.warning("webhooks_are_refused", why=_NO_KEY)

    @router.post("/webhooks/sendgrid")
    async def receive(request: Request) -> Response:
        """204 when it is stored; 403 not believed, 408 too slow, 413 too large, 503 not now."""
        if not services.webhook_keys:
            return _refused(503, _NO_KEY)
        if places.locked():
            return _refused(503, "too many at once")
        async with places:
            try:
                async with asyncio.timeout(SECONDS_TO_ARRIVE):
                    body = await read_body(request, LARGEST_BODY)
            except (TimeoutError, ClientDisconnect):
                return _refused(408, "did not arrive whole")
            if body is None:
                return _refused(413, f"larger than {LARGEST_BODY:,} bytes")
            return await to_thread.run_sync(_take, services, request.headers, body, limiter=threads)

    return router


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
