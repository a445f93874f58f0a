"""What the mailbox does wrong when it is told to: a script of faults, one step after the other."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, field_validator, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from engage.web.mailbox.answers import refused, said
from engage.web.mailbox.payload import Fault
from engage.web.mailbox.server import refuser_of, transport_of

SEND = "/v3/mail/send"


class Step(BaseModel):
    """One fault, as docs/mailbox.md explains it. Seconds are seconds; `times` None is until the script is cleared."""

    model_config = ConfigDict(extra="forbid")

    answer: int | None = Field(None, ge=400, le=599)
    retry_after: int | None = Field(None, ge=0)
    refuse: float | None = Field(None, gt=0, le=3600)
    drop: bool = False
    accept_then_drop: bool = False
    drip: float | None = Field(None, gt=0, le=3600)
    delay: float = Field(0, ge=0, le=3600)
    delay_before: float = Field(0, ge=0, le=3600)
    take: bool = False
    times: int | None = Field(None, ge=1)
    share: float = Field(1, gt=0, le=1)
    seed: int = 0
    to: str = "*"
    path: str = SEND
    _chance: random.Random = PrivateAttr()

    @field_validator("refuse", mode="before")
    @classmethod
    def _a_second(cls, said: Any) -> Any:
        return {True: 1.0, False: None}[said] if isinstance(said, bool) else said

    @model_validator(mode="after")
    def _complete(self) -> Self:
        ends = [self.answer, self.refuse, self.drop or None, self.accept_then_drop or None, self.drip]
        if sum(end is not None for end in ends) > 1:
            raise ValueError("only one of answer, refuse, drop, accept_then_drop and drip can be")
        if self.times is None and self.share == 1:
            self.times = 1
        self._chance = random.Random(self.seed)
        return self

    @property
    def takes(self) -> bool:
        """Whether the message is taken, whatever is answered then."""
        return self.take or (self.answer is None and not self.drop)

    @property
    def breaks(self) -> bool:
        """Whether it needs a hand on the connection."""
        return self.drop or self.accept_then_drop or self.drip is not None

    def meets(self, path: str, recipients: Sequence[str]) -> bool:
        """Whether this request is one to go wrong."""
        if path != self.path or not any(fnmatchcase(one, self.to.lower()) for one in recipients or [""]):
            return False
        return self.share == 1 or self._chance.random() < self.share


_SCRIPT = TypeAdapter(list[Step] | Step)
_LONGEST_SCRIPT = 1_000
_CANNOT = "this server cannot lose connections: serve the mailbox with engage mailbox or engage web --with-mailbox"


class FaultScript:
    """The steps that are left, in their order; each request meets the first that is for it."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def routes(self) -> list[Route]:
        return [
            Route("/mailbox/faults", self.write, methods=["POST"]),
            Route("/mailbox/faults", self.show, methods=["GET"]),
            Route("/mailbox/faults", self.clear, methods=["DELETE"]),
        ]

    def next(self, request: Request, recipients: Sequence[str]) -> Step | None:
        """The step that this request meets, which counts as met; None when nothing is to go wrong."""
        for step in self._steps:
            if step.refuse is None and step.meets(request.url.path, [one.lower() for one in recipients]):
                if step.times is not None:
                    step.times -= 1
                    self._steps = [left for left in self._steps if left.times != 0]
                self._refuse(request)
                return step
        return None

    async def write(self, request: Request) -> Response:
        given = await said(request, _SCRIPT)
        if isinstance(given, Response):
            return given
        steps = given if isinstance(given, list) else [given]
        if len(steps) > _LONGEST_SCRIPT:
            return refused(400, Fault(f"A script has at most {_LONGEST_SCRIPT} steps."))
        if any(step.breaks for step in steps) and transport_of(request.scope) is None:
            return refused(501, Fault(_CANNOT))
        if any(step.refuse for step in steps) and refuser_of(request.scope) is None:
            return refused(501, Fault(_CANNOT))
        self._steps = steps
        self._refuse(request)
        await asyncio.sleep(0)  # idle connections are closed before this is answered
        return await self.show(request)

    async def show(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse([step.model_dump(exclude_defaults=True) | {"times": step.times} for step in self._steps])

    async def clear(self, request: Request) -> Response:  # noqa: ARG002
        self._steps = []
        return Response(status_code=204)

    def _refuse(self, request: Request) -> None:
        """Stops listening, if that is the next step: it waits for no request, since none will come."""
        refuse = refuser_of(request.scope)
        if self._steps and self._steps[0].refuse is not None and refuse is not None:
            refuse(self._steps.pop(0).refuse or 0)


def faulty(step: Step, taken: Response | None) -> Response:
    """What is answered in place of `taken`, the answer to a message that was taken."""
    if step.answer is not None:
        answer = refused(step.answer, Fault(f"the mailbox was told to answer {step.answer}"))
        if step.retry_after is not None:
            answer.headers["Retry-After"] = str(step.retry_after)
        return answer
    if taken is None or step.drop or step.accept_then_drop:
        return _Dropped()
    return taken if step.drip is None else _Dripped(taken, step.drip)


async def pause(request: Request, seconds: float) -> None:
    """Waits so long, or until the client has gone."""
    if seconds:
        with suppress(TimeoutError):
            await asyncio.wait_for(_gone(request.receive), seconds)


class _Dropped(Response):
    """No answer: the connection is gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        if (transport := transport_of(scope)) is not None:
            transport.abort()
        await _gone(receive)


class _Dripped(Response):
    """An answer that comes a byte at a time, from its status line on, over so many seconds."""

    def __init__(self, answer: Response, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        headers = [*answer.raw_headers, (b"connection", b"close")]
        lines = [f"HTTP/1.1 {answer.status_code} dripping".encode(), *(b": ".join(header) for header in headers)]
        self._bytes = b"\r\n".join([*lines, b"", bytes(answer.body)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        transport = transport_of(scope)
        if transport is None:
            return
        for byte in self._bytes:
            if transport.is_closing():
                break
            transport.write(bytes([byte]))
            await asyncio.sleep(self._seconds / len(self._bytes))
        transport.close()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Waits until the server knows that the connection is closed: before that it would answer 500."""
    while (await receive())["type"] != "http.disconnect":
        pass
