"""Answers of the intake API that are not 202: application/problem+json (RFC 9457), with where each error lies."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Response

PROBLEM_TYPE = "application/problem+json"

MOST_ERRORS = 10
"""How many errors of one record are told: who sends nonsense learns enough from ten."""


class Problem(Exception):
    """Ends a request with this answer. `errors` are `{"index", "field", "detail"}`, as `found` makes them."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.headers = dict(headers or {})
        self.content: dict[str, Any] = {"type": f"urn:engage:{kind}", "title": title, "status": status}
        if detail:
            self.content["detail"] = detail
        if errors:
            self.content["errors"] = list(errors)

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.content)

    def response(self) -> Response:
        return Response(self.body, self.status, self.headers, PROBLEM_TYPE)


def found(index: int | None, field: str, detail: str) -> dict[str, Any]:
    """One error: in which record (None: the request is one), in which field, and what is wrong there."""
    where = {} if index is None else {"index": index}
    return {**where, "field": field[:200], "detail": detail[:1000]}


def busy(detail: str, retry_after: int) -> Problem:
    """For now there is too much to do: nothing of the request was taken, and the same may come again."""
    return Problem(503, "busy", "Too much to do", detail, headers={"Retry-After": str(retry_after)})


def not_taken(errors: list[dict[str, Any]]) -> Problem:
    """Nothing of the request can be taken."""
    return Problem(422, "not-taken", "Nothing of this can be taken", errors=errors)
