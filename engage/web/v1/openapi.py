"""The description of the intake API: OpenAPI 3.1, made of the same table and models that serve it."""

import re
from copy import deepcopy
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from pydantic.json_schema import models_json_schema

from engage.web.v1.models import EVENT_MODELS, EVENT_TYPES
from engage.web.v1.reading import LARGEST_BODY, MOST_RECORDS
from engage.web.v1.resources import EVENTS, LOGINS, UPSERTED, Resource

_ABOUT = f"""\
What happened at your end: records are upserted by your own ids, events are kept once.

- **202** comes after the commit: what it counts as accepted is stored. Fields that you leave out stay as they are.
- In a batch (up to {MOST_RECORDS:,} records) the good are taken; `problems` names the others, with index and field.
- Send an `Idempotency-Key` and repeat a request whose answer was lost: for 24 hours it is answered as it was.
- **503** and **429** say in `Retry-After` when to come again; nothing of the request was taken.
- Errors are `application/problem+json` (RFC 9457). Bodies may have {LARGEST_BODY // 1024 // 1024} MiB.
"""

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes this request one, however often it arrives within 24 hours. A UUID, say.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

_PROBLEMS = {
    400: "The body is not JSON, or the Idempotency-Key cannot be used",
    401: "No key, or one that is not known",
    403: "The key lacks the scope",
    408: "The body did not arrive within ten seconds",
    409: "Another request had this Idempotency-Key",
    413: f"More than {LARGEST_BODY // 1024 // 1024} MiB, or more than {MOST_RECORDS:,} records",
    415: "The body is not `application/json`",
    422: "Nothing of this can be taken: `errors` says why",
    429: "Too many requests with this key",
    503: "Too much to do, or the database is away: come again",
}
_WAITING = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer", "minimum": 0}}}

_ERROR = {
    "type": "object",
    "required": ["field", "detail"],
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "Which record of a batch, counted from 0"},
        "field": {"type": "string", "description": "Such as `partners[3].email`; empty: the whole record"},
        "detail": {"type": "string"},
    },
}
_SCHEMAS: dict[str, Any] = {
    "Error": _ERROR,
    "Taken": {
        "type": "object",
        "required": ["accepted", "unchanged", "rejected", "problems"],
        "properties": {
            "accepted": {"type": "integer", "minimum": 0, "description": "Stored or changed something"},
            "unchanged": {"type": "integer", "minimum": 0, "description": "Said nothing new"},
            "rejected": {"type": "integer", "minimum": 0},
            "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
        },
    },
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
        },
    },
}
_TAKEN_EXAMPLE = {"accepted": 1, "unchanged": 0, "rejected": 0, "problems": []}
_NOT_TAKEN_EXAMPLE = {
    "type": "urn:engage:not-taken",
    "title": "Nothing of this can be taken",
    "status": 422,
    "errors": [{"field": "at", "detail": "is no instant with an offset such as 2026-11-02T09:30:00Z"}],
}


def describe(server: str) -> dict[str, Any]:
    """The document, for an installation at `server`: of that only the path counts, so that the page may be tried out by
    whichever of its names it was opened; its policy lets it connect to no other.
    """
    paths: dict[str, Any] = {}
    for resource in UPSERTED:
        paths[f"/v1/{resource.name}"] = {"post": _many(resource)}
        paths[f"/v1/{resource.name}/{{external_id}}"] = {"put": _one(resource)}
    paths["/v1/logins"] = {"post": _many(LOGINS)}
    paths["/v1/events"] = {"post": _events()}
    paths["/v1/push/{public_id}"] = {"post": _push()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "engage: intake", "version": version("engage"), "description": _ABOUT},
        "servers": [{"url": urlsplit(server).path or "/"}],
        "tags": [{"name": resource.name} for resource in (EVENTS, *UPSERTED, LOGINS)],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS | _models(),
            "responses": {f"Problem{status}": _problem(status) for status in _PROBLEMS},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of `engage key create`, as `Authorization: Bearer ek_…`.",
                },
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "Standard Webhooks: the signature of webhook-id, webhook-timestamp and body.",
                },
            },
        },
    }


def _models() -> dict[str, Any]:
    """The schemas of the records, and of a record without its id, which the address says."""
    models = [model for resource in (*UPSERTED, LOGINS) for model in resource.models] + list(EVENT_MODELS)
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = made["$defs"]
    for resource in UPSERTED:
        name = _name(resource)
        schemas[f"{name}Fields"] = _without_id(schemas[name])
    schemas["Event"] = {
        "oneOf": [_ref(model.__name__) for model in EVENT_MODELS],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                kind: f"#/components/schemas/{model.__name__}"
                for kind, model in zip(EVENT_TYPES, EVENT_MODELS, strict=True)
            },
        },
    }
    return {name: _untitled(schema) for name, schema in schemas.items()}


def _without_id(schema: dict[str, Any]) -> dict[str, Any]:
    fields = deepcopy(schema)
    del fields["properties"]["external_id"]
    fields["required"] = [name for name in fields["required"] if name != "external_id"]
    return fields


def _untitled(schema: Any) -> Any:
    """Without what says nothing: titles that are made of names, and that what is left out is not known."""
    if isinstance(schema, list):
        return [_untitled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    said = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    return {name: _untitled(value) for name, value in said.items() if not (name == "title" and isinstance(value, str))}


def _many(resource: Resource) -> dict[str, Any]:
    body = _batch(resource.name, _ref(_name(resource)))
    return _operation(
        resource,
        f"Send {resource.name}",
        f"send_{resource.name}",
        body,
        {"batch": {"value": {resource.name: [resource.example]}}},
    )


def _one(resource: Resource) -> dict[str, Any]:
    fields = {name: value for name, value in resource.example.items() if name != "external_id"}
    operation = _operation(
        resource,
        f"Put {resource.one}",
        f"put_{re.sub('[^a-z]', '_', _name(resource).lower())}",
        _ref(f"{_name(resource)}Fields"),
        {"one": {"value": fields}},
    )
    operation["parameters"] = [
        {
            "name": "external_id",
            "in": "path",
            "required": True,
            "description": "Your id of it, which may hold any character that shows.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "example": resource.example["external_id"],
        },
        *operation["parameters"],
    ]
    return operation


def _events() -> dict[str, Any]:
    login = {"type": "partner.logged_in", "partner": "P-1", "at": "2026-11-03T07:45:00Z"}
    return _operation(
        EVENTS,
        "Send events",
        "send_events",
        {"anyOf": [_ref("Event"), _batch("events", _ref("Event"))]},
        {"one": {"value": EVENTS.example}, "batch": {"value": {"events": [EVENTS.example, login]}}},
    )


def _push() -> dict[str, Any]:
    wrapped = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "enum": list(EVENT_TYPES)},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "description": "The event's other fields"},
        },
    }
    at = EVENTS.example["at"]
    data = {name: value for name, value in EVENTS.example.items() if name not in ("type", "at")}
    event = {"type": EVENTS.example["type"], "timestamp": at, "data": data}
    operation = _operation(
        EVENTS,
        "Push events, signed",
        "push_events",
        {"anyOf": [wrapped, _ref("Event"), _batch("events", {"anyOf": [wrapped, _ref("Event")]})]},
        {"one": {"value": event}},
    )
    operation["description"] = (
        "For systems that sign what they push as Standard Webhooks has it (`engage key create NAME --signed`). The "
        "webhook-id is the idempotency key."
    )
    operation["security"] = [{"signature": []}]
    operation["parameters"] = [
        {
            "name": "public_id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": "0123456789abcdef",
        },
        {"name": "webhook-id", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "webhook-timestamp", "in": "header", "required": True, "schema": {"type": "string"}},
    ]
    return operation


def _operation(
    resource: Resource, summary: str, name: str, schema: dict[str, Any], examples: dict[str, Any]
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "202": {
            "description": "Committed",
            "content": {
                "application/json": {
                    "schema": _ref("Taken"),
                    "examples": {"taken": {"value": _TAKEN_EXAMPLE}},
                }
            },
        }
    }
    responses |= {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in _PROBLEMS}
    return {
        "tags": [resource.name],
        "summary": summary,
        "operationId": name,
        "description": f"The key needs the scope `{resource.scope}`.",
        "security": [{"key": []}],
        "parameters": [_KEY],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": examples}},
        },
        "responses": responses,
    }


def _problem(status: int) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _ref("Problem")}
    if status == 422:
        content["examples"] = {"problem": {"value": _NOT_TAKEN_EXAMPLE}}
    said: dict[str, Any] = {"description": _PROBLEMS[status], "content": {"application/problem+json": content}}
    return said | ({"headers": _WAITING} if status in (429, 503) else {})


def _batch(name: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name],
        "additionalProperties": False,
        "properties": {name: {"type": "array", "minItems": 1, "maxItems": MOST_RECORDS, "items": item}},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _name(resource: Resource) -> str:
    return resource.models[0].__name__
