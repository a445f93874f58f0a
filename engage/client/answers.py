"""What engage answered: how many records were taken and what was wrong with the others, or why nothing was."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Problem:
    """One record could not be taken: which (by its place in what was sent; None: it was the only one) and why."""

    index: int | None
    field: str
    detail: str
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of records: all but those that `problems` names are committed."""

    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: "Answer") -> "Answer":
        return Answer(
            self.accepted + other.accepted,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
            (*self.problems, *other.problems),
        )


class ClientError(Exception):
    """Something was not taken. `so_far`: what became of the records that were sent before it by the same call."""

    so_far = Answer()


class Unreachable(ClientError):
    """No answer came, however often it was tried. What was sent may have been taken: send it again."""


class Refusal(ClientError):
    """engage has refused a request, with this status; nothing of it was taken."""

    def __init__(
        self, status: int, title: str, detail: str = "", kind: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(": ".join(filter(None, (f"{status} {title}", detail, *(map(_said, problems[:3]))))))
        self.status = status
        self.title = title
        self.detail = detail
        self.kind = kind
        self.problems = tuple(problems)


class NotTaken(Refusal):
    """422: nothing of it could be taken; `problems` says what is wrong and where."""


class NotAllowed(Refusal):
    """401 or 403: the key is not known, was revoked, or has not the scope."""


class KeyReused(Refusal):
    """409: another request had the same idempotency key."""


class Busy(Refusal):
    """429 or 503, however often it was tried. `retry_after`: in how many seconds to come again, if that was said."""

    retry_after: float | None = None


_ERRORS: dict[int, type[Refusal]] = {
    **dict.fromkeys((401, 403), NotAllowed),
    **dict.fromkeys((429, 503), Busy),
    409: KeyReused,
    422: NotTaken,
}


def answer_of(response: httpx.Response, records: Sequence[Mapping[str, Any]], first: int | None) -> Answer:
    """The answer to these records, of which the first was the `first` of all (None: there was one). Raises Refusal.

    Of many, that none could be taken is an answer as any other: what was sent before and after them counts.
    """
    content = _content(response)
    if response.status_code == 202:
        accepted, unchanged, rejected = (content.get(name, 0) for name in ("accepted", "unchanged", "rejected"))
        return Answer(accepted, unchanged, rejected, _problems(content.get("problems"), records, first))
    problems = _problems(content.get("errors"), records, first)
    if response.status_code == 422 and first is not None and problems and all(p.index is not None for p in problems):
        return Answer(rejected=len(records), problems=problems)
    title = str(content.get("title") or response.reason_phrase)
    kind = _ERRORS.get(response.status_code, Refusal)
    error = kind(response.status_code, title, str(content.get("detail", "")), str(content.get("type", "")), problems)
    if isinstance(error, Busy):
        error.retry_after = retry_after(response)
    raise error


def retry_after(response: httpx.Response) -> float | None:
    """How many seconds the Retry-After header asks to wait; None where it does not."""
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _content(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of an answer; what a proxy in between answered may be none."""
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _problems(told: Any, records: Sequence[Mapping[str, Any]], first: int | None) -> tuple[Problem, ...]:
    found = []
    for one in told if isinstance(told, list) else []:
        place = one.get("index")
        problem = Problem(None, str(one.get("field", "")), str(one.get("detail", "")))
        if first is None:
            problem = replace(problem, record=records[0])
        elif isinstance(place, int) and 0 <= place < len(records):
            problem = replace(problem, index=first + place, record=records[place])
        found.append(problem)
    return tuple(found)


def _said(problem: Problem) -> str:
    return f"{problem.field} {problem.detail}".strip()
