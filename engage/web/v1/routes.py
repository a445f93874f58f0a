"""The routes of `/v1`. A request is let in, known, read, taken, answered: in this order, each cheaper than the next."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from engage.bootstrap import Services
from engage.domain.access import KeyScope
from engage.domain.errors import ServiceUnreachable
from engage.pipeline.pushing import KeyReused
from engage.sources.values import money
from engage.store.idempotency import Once
from engage.web.access import Caller, Refused
from engage.web.bodies import read_body
from engage.web.v1 import documentation
from engage.web.v1.admission import Admission
from engage.web.v1.answering import Taking
from engage.web.v1.problems import PROBLEM_TYPE, Problem, busy
from engage.web.v1.reading import LARGEST_BODY, Read, parse, read_many, read_one
from engage.web.v1.resources import EVENTS, LOGINS, UPSERTED, Resource

SECONDS_TO_ARRIVE = 10
"""How long a body may take to arrive."""

RETRY_AFTER = 10
"""In seconds: what is told while the database is away."""

LONGEST_KEY = 255
"""Characters of an idempotency key."""

_REFUSED = {403: "not-allowed", 429: "too-often"}

Reader = Callable[[Any, Callable[[str], int]], Read]
"""Makes records of a JSON document, in the money of a program."""


def build_router(services: Services) -> APIRouter:
    """The routes, over one admission for all of them."""
    router = APIRouter()
    door = Door(services)

    def serve(path: str, method: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        router.add_api_route(path, endpoint, methods=[method], include_in_schema=False)

    for resource in UPSERTED:
        serve(f"/v1/{resource.name}", "POST", door.many(resource))
        serve(f"/v1/{resource.name}/{{external_id:path}}", "PUT", door.one(resource))
    serve("/v1/logins", "POST", door.many(LOGINS))
    serve("/v1/events", "POST", door.events())
    serve("/v1/push/{public_id}", "POST", door.pushed())
    router.include_router(documentation.build_router(services))
    return router


class Door:
    """Serves requests of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._admission = Admission(services.backlog, services.settings.intake_backlog)

    def one(self, resource: Resource) -> Callable[[Request], Awaitable[Response]]:
        async def put(request: Request) -> Response:
            also = {"external_id": request.path_params["external_id"]}
            return await self._serve(
                request,
                resource.scope,
                lambda document, of: read_one(resource.name, resource.adapter, document, of, also),
            )

        return put

    def many(self, resource: Resource) -> Callable[[Request], Awaitable[Response]]:
        async def post(request: Request) -> Response:
            return await self._serve(
                request,
                resource.scope,
                lambda document, of: read_many(resource.name, resource.adapter, document, of),
            )

        return post

    def events(self) -> Callable[[Request], Awaitable[Response]]:
        async def post(request: Request) -> Response:
            return await self._serve(request, KeyScope.EVENTS, read_events)

        return post

    def pushed(self) -> Callable[[Request], Awaitable[Response]]:
        async def post(request: Request) -> Response:
            return await self._answered(self._pushed(request))

        return post

    async def _serve(self, request: Request, scope: KeyScope, reader: Reader) -> Response:
        return await self._answered(self._keyed(request, scope, reader))

    async def _answered(self, answer: Awaitable[Response]) -> Response:
        try:
            return await answer
        except Problem as problem:
            return problem.response()
        except Refused as refused:
            kind = _REFUSED.get(refused.status, "not-let-in")
            return Problem(refused.status, kind, refused.title, refused.detail, headers=refused.headers).response()
        except ServiceUnreachable:
            return busy("the database does not answer", RETRY_AFTER).response()

    async def _keyed(self, request: Request, scope: KeyScope, reader: Reader) -> Response:
        async with self._admission.guest("keys"):
            who = await self._admission.ask(partial(request.app.state.limits.let_in, request))
            who.require(scope)
            _require_json(request)
            key = _idempotency_key(request)
            body = await _body(request)
            return await self._admission.work(lambda: self._take(request, who, key, body, reader))

    async def _pushed(self, request: Request) -> Response:
        """A system that signs: who it is shows only once the body is there."""
        async with self._admission.guest("signatures"):
            _require_json(request)
            body = await _body(request)
            public_id = request.path_params["public_id"]
            who = await self._admission.ask(partial(request.app.state.limits.let_in_signed, request, public_id, body))
            who.require(KeyScope.EVENTS)
            key = request.headers["webhook-id"]
            return await self._admission.work(lambda: self._take(request, who, key, body, read_pushed))

    def _take(self, request: Request, who: Caller, key: str | None, body: bytes, reader: Reader) -> Response:
        scope = self._services.library().scope(who.program_id)
        if scope is None:
            raise Refused(403, "The key does not allow this", "the program of this key is not there any more")
        program = scope.program
        read = reader(parse(body), money(program.minor_digits, program.currency))
        once = Once(who.key_id, key, _fingerprint(request, body)) if key is not None else None
        taking = Taking(read)
        try:
            answer = self._services.push(
                scope, taking.rows, source=f"api:{who.name}", feeds=taking.feeds, once=once, answer=taking.answer
            )
        except KeyReused as error:
            raise Problem(409, "key-reused", "Another request had this key", error.hint) from None
        media_type = "application/json" if answer.status == 202 else PROBLEM_TYPE
        return Response(answer.body, answer.status, media_type=media_type)


def read_events(document: Any, of: Callable[[str], int]) -> Read:
    """One event, or `{"events": [...]}`."""
    if isinstance(document, dict) and "events" in document:
        return read_many(EVENTS.name, EVENTS.adapter, document, of)
    return read_one(EVENTS.name, EVENTS.adapter, document, of, {})


def read_pushed(document: Any, of: Callable[[str], int]) -> Read:
    """As `read_events`; an event may also be `{"type", "timestamp", "data"}`, as Standard Webhooks has them."""
    if isinstance(document, dict) and isinstance(many := document.get("events"), list):
        return read_events(document | {"events": [_unwrapped(event) for event in many]}, of)
    return read_events(_unwrapped(document), of)


def _unwrapped(event: Any) -> Any:
    if (
        not isinstance(event, dict)
        or event.keys() != {"type", "timestamp", "data"}
        or not isinstance(event["data"], dict)
    ):
        return event
    return {"at": event["timestamp"]} | event["data"] | {"type": event["type"]}


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").lower()
    if media_type != "application/json" or coding != "identity":
        detail = "send Content-Type: application/json, not compressed"
        raise Problem(415, "not-json", "The body is not JSON", detail)


def _idempotency_key(request: Request) -> str | None:
    """As draft-ietf-httpapi-idempotency-key-header has it: in quotes, or bare as many write it."""
    said = request.headers.get("idempotency-key")
    if said is None:
        return None
    key = said[1:-1] if len(said) > 1 and said[0] == said[-1] == '"' else said
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key):
        detail = f"1 to {LONGEST_KEY} visible characters are one, such as a UUID"
        raise Problem(400, "bad-key", "The Idempotency-Key cannot be used", detail)
    return key


async def _body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(SECONDS_TO_ARRIVE):
            body = await read_body(request, LARGEST_BODY)
    except (TimeoutError, ClientDisconnect):
        detail = f"a body may take {SECONDS_TO_ARRIVE} seconds to arrive"
        raise Problem(
            408, "too-slow", "The body did not arrive whole", detail, headers={"Connection": "close"}
        ) from None
    if body is None:
        raise Problem(
            413,
            "too-large",
            "The body is too large",
            f"{LARGEST_BODY:,} bytes are read",
            headers={"Connection": "close"},
        )
    return body


def _fingerprint(request: Request, body: bytes) -> str:
    said = f"{request.method} {request.url.path}\n".encode() + body
    return hashlib.sha256(said).hexdigest()
