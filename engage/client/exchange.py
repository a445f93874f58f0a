"""How requests are made and sent again, without sending them: the client and its twin for asyncio do that."""

import json
import random
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx

from engage.client.answers import Answer, ClientError, Unreachable, answer_of, retry_after

MOST_RECORDS = 1000
MOST_BYTES = 2_000_000
"""What one request holds at the most: engage takes 2 MiB."""

_AGAIN = frozenset((429, 502, 503, 504))
"""Statuses after which the same request is sent again: engage is busy, or who stands before it does not reach it."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """To do nothing for so many seconds."""

    seconds: float


Step = httpx.Request | Wait
Reply = httpx.Response | httpx.TransportError | None
Exchange = Generator[Step, Reply, Answer]
"""Yields requests, and is told the response or what went wrong; yields waits, and is told nothing."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How often a request is sent at the most, and how long is waited between: a random part of 0.5, 1, 2, ... seconds.

    What Retry-After asks is waited for, unless it is longer than `longest_wait`.
    """

    tries: int = 6
    longest_wait: float = 60.0

    def wait(self, tried: int, asked: float | None) -> float | None:
        """How long to wait before the next try; None: there is none."""
        if tried >= self.tries or (asked is not None and asked > self.longest_wait):
            return None
        backoff = random.uniform(0, min(0.5 * 2 ** (tried - 1), self.longest_wait))
        return backoff if asked is None else min(asked + backoff, self.longest_wait)


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes the requests of one client."""

    http: httpx.Client | httpx.AsyncClient
    manners: Manners

    def one(self, name: str, record: Record) -> Exchange:
        """Puts one record under its id."""
        if not record.get("external_id"):
            raise ValueError("a record needs its external_id")
        fields = {field: value for field, value in record.items() if field != "external_id"}
        path = f"v1/{name}/{quote(str(record['external_id']), safe='')}"
        return (yield from self._send("PUT", path, _json(fields), [record], None))

    def many(self, name: str, records: Iterable[Record], first: int = 0) -> Exchange:
        """Posts any number of records, as many at a time as engage takes; `first` is the place of the first."""
        answer = Answer()
        for lot, body in _lots(name, records):
            try:
                answer += yield from self._send("POST", f"v1/{name}", body, lot, first)
            except ClientError as error:
                error.so_far = answer
                raise
            first += len(lot)
        return answer

    def _send(self, method: str, path: str, body: bytes, records: Sequence[Record], first: int | None) -> Exchange:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        tried = 0
        while True:
            # the same key each time: what was taken, and its answer lost, is not taken twice
            reply = yield self.http.build_request(method, path, content=body, headers=headers)
            tried += 1
            asked = None
            if isinstance(reply, httpx.Response):
                if reply.status_code not in _AGAIN:
                    return answer_of(reply, records, first)
                asked = retry_after(reply)
            wait = self.manners.wait(tried, asked)
            if wait is None:
                if isinstance(reply, httpx.Response):
                    return answer_of(reply, records, first)
                raise Unreachable(f"no answer from {self.http.base_url} in {tried} tries: {reply!r}") from reply
            yield Wait(wait)


def _lots(name: str, records: Iterable[Record]) -> Iterator[tuple[list[Record], bytes]]:
    if isinstance(records, Mapping):
        raise TypeError(f"{name} are sent as a list: [record], not record")
    lot: list[Record] = []
    parts: list[bytes] = []
    size = 0
    for record in records:
        part = _json(record)
        if lot and (len(lot) == MOST_RECORDS or size + len(part) > MOST_BYTES):
            yield lot, _joined(name, parts)
            lot, parts, size = [], [], 0
        lot.append(record)
        parts.append(part)
        size += len(part) + 1
    if lot:
        yield lot, _joined(name, parts)


def _joined(name: str, parts: Iterable[bytes]) -> bytes:
    return b'{"' + name.encode() + b'":[' + b",".join(parts) + b"]}"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no zone: nobody could say when it was")
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"a record cannot hold {value!r}")
