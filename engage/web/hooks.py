"""`POST /hooks/<source>`: takes what HubSpot and Salesforce push, and answers once it is stored.

Which systems push is said in sources.yaml. Nothing of a request is parsed before its sender is known, and nothing of it
is logged. Whatever goes wrong is answered with an error: both senders try again for a day.
"""

from collections.abc import Callable

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response

from engage.bootstrap import Services
from engage.domain.errors import ServiceUnreachable
from engage.settings import environment
from engage.sources import hubspot, salesforce
from engage.sources.pushing import PushedRow
from engage.sources.watched import HubSpot, PushSource, Salesforce, SourceChanged
from engage.web.arriving import NotArrived, Room
from engage.web.errors import RETRY_AFTER, refusal

log = structlog.get_logger(__name__)

LARGEST_BODY = 4 * 1024 * 1024
"""In bytes: a hundred records with a few long texts each."""

MOST_IN_MEMORY = 16 * LARGEST_BODY
"""How many bytes all bodies together may have while they arrive."""

SECONDS_TO_ARRIVE = 10
"""How long a body may take to arrive."""

_THREADS = 2  # intake into a program is one at a time, and the other reads meanwhile

Read = Callable[[bytes], list[PushedRow]]
"""Makes rows of a body. Raises ValueError that repeats nothing of it, and Refused."""


class Refused(Exception):
    """The request is answered with this status. `why` is for the log; senders who are known are told as well."""

    def __init__(self, status: int, why: str, *, known: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.known = known


def build_router(services: Services) -> APIRouter:
    """The routes: HubSpot signs, Salesforce has a secret as the last part of the path."""
    router = APIRouter()
    room, threads = Room(MOST_IN_MEMORY), CapacityLimiter(_THREADS)

    @router.post("/hooks/{name}", include_in_schema=False)
    @router.post("/hooks/{name}/{secret}", include_in_schema=False)
    async def receive(request: Request, name: str, secret: str | None = None) -> Response:
        """2xx when it is stored; 400 not readable, 403 not believed, 404 no such source or secret, 503 not now."""
        try:
            source = await to_thread.run_sync(services.hook, name, limiter=threads)
            if source is None:
                raise Refused(404, "no such source")
            read = _reader(services, source, request, secret)
            with room.guest() as guest:
                body = await guest.body(request, LARGEST_BODY, SECONDS_TO_ARRIVE)
                await to_thread.run_sync(_take, services, source, read, body, limiter=threads)
        except Refused as refused:
            return _refused(request, refused.status, refused.why, refused.why if refused.known else "")
        except NotArrived as lost:
            return _refused(request, lost.status, lost.why)
        except (SourceChanged, ServiceUnreachable) as away:
            return _refused(request, 503, away.message)
        if secret is None:
            return Response(status_code=204)
        return Response(salesforce.ACKNOWLEDGEMENT, media_type="text/xml")

    return router


def _reader(services: Services, source: PushSource, request: Request, secret: str | None) -> Read:
    """How the body is to be read, once what comes before it has been looked at. Raises Refused, SourceChanged."""
    match source.sender, secret:
        case HubSpot(), None:
            return _from_hubspot(services, source, request)
        case Salesforce(organization=organization), str(told):
            if not salesforce.known_secret(source.secrets(environment()), told):
                raise Refused(404, "another secret")
            return lambda body: _of_organization(body, organization)
        case _:
            raise Refused(404, "no such source")


def _from_hubspot(services: Services, source: PushSource, request: Request) -> Read:
    secrets, now = source.secrets(environment()), services.clock()
    signature = request.headers.get(hubspot.SIGNATURE_HEADER, "")
    timestamp = request.headers.get(hubspot.TIMESTAMP_HEADER, "")
    if not signature or not hubspot.recent(timestamp, now):  # who has none costs nothing
        raise Refused(403, "not signed, or not now")
    # The address that HubSpot was given: the Host header says whatever a stranger or a proxy wrote.
    uri = f"{services.settings.public_url}/hooks/{source.name}"
    uri += f"?{request.url.query}" if request.url.query else ""

    def read(body: bytes) -> list[PushedRow]:
        if not hubspot.genuine(secrets, uri, body, signature, timestamp, now):
            raise Refused(403, "the signature does not fit")
        return hubspot.rows(body)

    return read


def _of_organization(body: bytes, organization: str) -> list[PushedRow]:
    try:
        return salesforce.rows(body, organization)
    except salesforce.Stranger:
        raise Refused(403, "another organization", known=True) from None


def _take(services: Services, source: PushSource, read: Read, body: bytes) -> None:
    try:
        rows = read(body)
    except ValueError as error:
        raise Refused(400, str(error), known=True) from None
    taken = services.receive(source, rows)
    if taken.rejected:
        log.warning("pushed_rows_rejected", source=source.name, rows=taken.rejected, see="engage sources rejects")


def _refused(request: Request, status: int, why: str, detail: str = "") -> Response:
    log.warning("hook_refused", status=status, why=why)
    return refusal(request, status, detail, {"Retry-After": str(RETRY_AFTER)} if status == 503 else None)
