"""SendGrid's Email Activity API: which messages the account has, found by what the sender marked them with.

As at SendGrid it is an extra of the account, allows six requests a minute, and may lag behind. Its query language is
known as far as comparisons joined by AND go. Sources: https://www.twilio.com/docs/sendgrid/api-reference/email-activity
and .../for-developers/sending-email/getting-started-email-activity-api.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engage.web.mailbox.answers import refused, said, unauthorized
from engage.web.mailbox.events import message_id_to
from engage.web.mailbox.faults import FaultScript, faulty, pause
from engage.web.mailbox.payload import Fault
from engage.web.mailbox.store import MailStore
from engage.web.mailbox.summary import Summary

SCOPE = "email_activity.read"
_MINUTE = timedelta(minutes=1)
_MOST = 1000
_CONDITION = re.compile(
    r"""\s*\(?\s*(?:unique_args\['(?P<arg>[^']+)'\]|(?P<field>msg_id|to_email|from_email|subject|status))
        \s*(?P<operator>=|LIKE)\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')\s*\)?\s*""",
    re.VERBOSE,
)
_AND = re.compile(r"\bAND\b(?=(?:[^\"']*[\"'][^\"']*[\"'])*[^\"']*$)")  # not one that stands in quotes

Row = dict[str, Any]


class Granted(BaseModel):
    """What the account has of it, as docs/mailbox.md explains it. `per_minute` None: no limit."""

    model_config = ConfigDict(extra="forbid")

    available: bool = True
    per_minute: Annotated[int | None, Field(ge=1)] = 6
    lag: Annotated[float, Field(ge=0)] = 0


_GRANTED = TypeAdapter(Granted)


@dataclass(frozen=True, slots=True)
class _Condition:
    """One comparison; `arg` is the custom argument that it is about, if it is about one."""

    field: str
    arg: str
    pattern: re.Pattern[str]

    def met(self, row: Row, message: Summary) -> bool:
        value = message.custom_args.get(self.arg) if self.arg else str(row[self.field])
        return value is not None and self.pattern.fullmatch(value) is not None


class Activity:
    """The messages of a store, as far as the account may see them."""

    def __init__(self, store: MailStore, clock: Callable[[], datetime], script: FaultScript) -> None:
        self._store = store
        self._clock = clock
        self._script = script
        self._granted = Granted()
        self._window_ends: datetime | None = None
        self._asked = 0

    @property
    def scopes(self) -> list[str]:
        return [SCOPE] if self._granted.available else []

    def routes(self) -> list[Route]:
        return [
            Route("/v3/messages", self.messages, methods=["GET"]),
            Route("/mailbox/activity", self.grant, methods=["POST"]),
        ]

    async def messages(self, request: Request) -> Response:
        if (step := self._script.next(request, [])) is None:
            return await self._answer(request)
        await pause(request, step.delay_before)
        answer = await self._answer(request) if step.takes else None
        await pause(request, step.delay)
        return faulty(step, answer)

    async def grant(self, request: Request) -> Response:
        granted = await said(request, _GRANTED)
        if isinstance(granted, Response):
            return granted
        self._granted, self._window_ends = granted, None
        return JSONResponse(granted.model_dump())

    async def _answer(self, request: Request) -> Response:
        if (refusal := unauthorized(request)) is not None:
            return refusal
        if not self._granted.available:
            return refused(400, Fault("authorization required"))  # so says SendGrid to accounts without it
        left, limits = self._counted()
        if left < 0:
            return JSONResponse({"errors": [Fault("too many requests").as_json()]}, 429, limits)
        text = request.query_params.get("limit", "10")
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST):
            return refused(400, Fault(f"limit must be greater than 0 and at most {_MOST}", "limit"))
        conditions = _conditions(request.query_params.get("query", ""))
        if conditions is None:
            return refused(400, Fault("invalid query", "query"))
        found = await asyncio.to_thread(lambda: list(islice(self._found(conditions), int(text))))
        return JSONResponse({"messages": found}, headers=limits)

    def _counted(self) -> tuple[int, dict[str, str]]:
        """Counts a request; how many more may come in this minute, -1 for one too many, and the headers that say so."""
        most, now = self._granted.per_minute, self._clock()
        if most is None:
            return 0, {}
        if self._window_ends is None or now >= self._window_ends:
            self._window_ends, self._asked = now + _MINUTE, 0
        self._asked += 1
        left = max(most - self._asked, -1)
        reset = int(self._window_ends.timestamp()) + 1
        limits = {"Limit": most, "Remaining": max(left, 0), "Reset": reset}
        return left, {f"X-RateLimit-{name}": str(value) for name, value in limits.items()}

    def _found(self, conditions: list[_Condition]) -> Iterator[Row]:
        until = self._clock() - timedelta(seconds=self._granted.lag)
        for chunk in self._store.every():
            for message in chunk:
                taken = datetime.fromisoformat(message.received_at)
                for row in _rows(message, taken) if taken <= until else ():
                    if all(condition.met(row, message) for condition in conditions):
                        yield row


def _rows(message: Summary, taken: datetime) -> Iterator[Row]:
    for number, address in enumerate(message.to.split(", ")):
        yield {
            "from_email": message.headers["From"].rpartition("<")[2].rstrip(">"),
            "msg_id": message_id_to(message, number),
            "subject": message.subject,
            "to_email": address,
            "status": "delivered",
            "opens_count": 0,
            "clicks_count": 0,
            "last_event_time": f"{taken:%Y-%m-%dT%H:%M:%SZ}",
        }


def _conditions(query: str) -> list[_Condition] | None:
    """The comparisons of a query, all of which have to hold; None for one that the mailbox does not understand."""
    conditions = []
    for part in _AND.split(query) if query.strip() else ():
        match = _CONDITION.fullmatch(part)
        if match is None:
            return None
        value = match["double"] if match["double"] is not None else match["single"]
        pattern = re.escape(value)
        if match["operator"] == "LIKE":
            pattern = pattern.replace("%", ".*")
        conditions.append(_Condition(match["field"] or "", match["arg"] or "", re.compile(pattern, re.DOTALL)))
    return conditions
