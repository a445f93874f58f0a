"""What every answer of SendGrid's API has in common: who may ask, how much, and how a refusal looks."""

from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from engage.web.bodies import read_body
from engage.web.mailbox.payload import LARGEST_REQUEST, Fault

_T = TypeVar("_T")


def unauthorized(request: Request) -> Response | None:
    """The refusal of a request without a key; None if it has one. Any key will do."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return refused(401, Fault("authorization required"))
    if scheme.lower() != "bearer" or not key.strip():
        return refused(401, Fault("The provided authorization grant is invalid, expired, or revoked"))
    return None


async def json_body(request: Request) -> tuple[bytes, Any] | Response:
    """The request's bytes and what they say, or the refusal of something that is no JSON or too large."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return refused(415, Fault("Content-Type should be application/json."))
    try:
        raw = await read_body(request, LARGEST_REQUEST)
    except ClientDisconnect:
        return refused(400, Fault("The request did not arrive whole."))
    if raw is None:
        return refused(413, Fault(f"The request may not exceed {LARGEST_REQUEST} bytes."))
    try:
        return raw, orjson.loads(raw)
    except orjson.JSONDecodeError:
        return refused(400, Fault("Bad Request"))


async def said(request: Request, wanted: TypeAdapter[_T]) -> _T | Response:
    """What a request to the mailbox itself says, or the refusal of what it cannot mean, which names each field."""
    read = await json_body(request)
    if isinstance(read, Response):
        return read
    try:
        return wanted.validate_python(read[1])
    except ValidationError as error:
        found = {(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()}
        return refused(400, *(Fault(message, field) for field, message in sorted(found)))


def refused(status: int, *found: Fault) -> Response:
    return JSONResponse({"errors": [fault.as_json() for fault in found]}, status)
