"""The client, and its twin for asyncio: the same names, to be awaited."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
import httpx

from engage.client.answers import Answer, ClientError
from engage.client.exchange import MOST_RECORDS, Exchange, Manners, Record, Reply, Sender, Step, Wait
from engage.client.records import Company, Event, Login, Partner, Referral, Reward, Staff

R = TypeVar("R", bound=Mapping[str, Any])

_IN_ORDER = ("staff", "partners", "companies", "referrals", "rewards", "logins", "events")
"""What a batch sends first: what others name."""

TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class Client:
    """Pushes to the engage at `url`, with a key of `engage key create`. Safe to use from several threads.

    `tries` and `longest_wait` (seconds) say how long it goes on when engage is busy or does not answer. `transport` is
    for tests. All methods raise ClientError; an address or a key that cannot be one is a ValueError.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tries: int = 6,
        longest_wait: float = 60.0,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(base_url=_address(url), headers=_headers(key), timeout=timeout, transport=transport)
        self._sender = Sender(self._http, Manners(tries, longest_wait))
        self._sleep = sleep
        self.companies: Records[Company] = Records(self, "companies")
        self.staff: Records[Staff] = Records(self, "staff")
        self.partners: Records[Partner] = Records(self, "partners")
        self.referrals: Records[Referral] = Records(self, "referrals")
        self.rewards: Records[Reward] = Records(self, "rewards")
        self.logins: Stream[Login] = Stream(self, "logins")
        self.events: Stream[Event] = Stream(self, "events")

    def batch(self) -> "Batch":
        """Gathers records and sends them as few requests: `with client.batch() as batch: batch.partners.add(...)`."""
        return Batch(self)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, exchange: Exchange) -> Answer:
        reply: Reply = None
        try:
            while True:
                step: Step = exchange.send(reply)
                reply = None
                if isinstance(step, Wait):
                    self._sleep(step.seconds)
                    continue
                try:
                    reply = self._http.send(step)
                except httpx.TransportError as error:
                    reply = error
        except StopIteration as done:
            return _answer(done)


class AsyncClient:
    """As Client, for asyncio: `async with AsyncClient(url, key) as client: await client.partners.send(...)`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tries: int = 6,
        longest_wait: float = 60.0,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=_address(url), headers=_headers(key), timeout=timeout, transport=transport
        )
        self._sender = Sender(self._http, Manners(tries, longest_wait))
        self.companies: AsyncRecords[Company] = AsyncRecords(self, "companies")
        self.staff: AsyncRecords[Staff] = AsyncRecords(self, "staff")
        self.partners: AsyncRecords[Partner] = AsyncRecords(self, "partners")
        self.referrals: AsyncRecords[Referral] = AsyncRecords(self, "referrals")
        self.rewards: AsyncRecords[Reward] = AsyncRecords(self, "rewards")
        self.logins: AsyncStream[Login] = AsyncStream(self, "logins")
        self.events: AsyncStream[Event] = AsyncStream(self, "events")

    def batch(self) -> "AsyncBatch":
        """As Client.batch: `async with client.batch() as batch: await batch.partners.add(...)`."""
        return AsyncBatch(self)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, exchange: Exchange) -> Answer:
        reply: Reply = None
        try:
            while True:
                step: Step = exchange.send(reply)
                reply = None
                if isinstance(step, Wait):
                    await anyio.sleep(step.seconds)
                    continue
                try:
                    reply = await self._http.send(step)
                except httpx.TransportError as error:
                    reply = error
        except StopIteration as done:
            return _answer(done)


class Stream(Generic[R]):
    """What is sent and has no id of its own."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name

    def send(self, records: Iterable[R]) -> Answer:
        """Sends any number, as many at a time as engage takes. Those that are refused are in the answer's problems."""
        return self._client._run(self._client._sender.many(self._name, records))


class Records(Stream[R]):
    """What has an external id."""

    def upsert(self, record: R) -> Answer:
        """Sends one. Raises NotTaken when it is refused."""
        return self._client._run(self._client._sender.one(self._name, record))


class AsyncStream(Generic[R]):
    """As Stream."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self._name = name

    async def send(self, records: Iterable[R]) -> Answer:
        return await self._client._run(self._client._sender.many(self._name, records))


class AsyncRecords(AsyncStream[R]):
    """As Records."""

    async def upsert(self, record: R) -> Answer:
        return await self._client._run(self._client._sender.one(self._name, record))


# --- batches ----------------------------------------------------------------------------------------------------------


class _Gathered:
    """Records by what they are, and what became of those that were sent."""

    def __init__(self, sender: Sender) -> None:
        self.answer = Answer()
        self._sender = sender
        self._waiting: dict[str, list[Record]] = {name: [] for name in _IN_ORDER}
        self._sent = dict.fromkeys(_IN_ORDER, 0)

    def add(self, name: str, records: Iterable[Record]) -> Exchange:
        """Sends what has become a whole request, and before it all that it may name."""
        answer = Answer()
        for record in records:
            self._waiting[name].append(record)
            if len(self._waiting[name]) >= MOST_RECORDS:
                answer += yield from self.send(name)
        return answer

    def send(self, last: str = _IN_ORDER[-1]) -> Generator[Step, Reply, Answer]:
        """Sends all that waits, up to what is named `last`."""
        answer = Answer()
        for name in _IN_ORDER[: _IN_ORDER.index(last) + 1]:
            records, self._waiting[name] = self._waiting[name], []
            try:
                taken = yield from self._sender.many(name, records, self._sent[name])
            except ClientError as error:
                self.answer += error.so_far
                raise
            self._sent[name] += len(records)
            self.answer += taken
            answer += taken
        return answer


class Batch:
    """Sends what is added when there are a thousand, and the rest at the end of the `with`, in an order in which each
    is known before it is named. When the `with` ends by an error, what was not sent is not.

    `answer` says what became of all; a problem's `index` counts what was added of its kind, `record` is what was added.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._gathered = _Gathered(client._sender)
        self.companies: Adding[Company] = Adding(self, "companies")
        self.staff: Adding[Staff] = Adding(self, "staff")
        self.partners: Adding[Partner] = Adding(self, "partners")
        self.referrals: Adding[Referral] = Adding(self, "referrals")
        self.rewards: Adding[Reward] = Adding(self, "rewards")
        self.logins: Adding[Login] = Adding(self, "logins")
        self.events: Adding[Event] = Adding(self, "events")

    @property
    def answer(self) -> Answer:
        return self._gathered.answer

    def send(self) -> Answer:
        """Sends what waits, now."""
        return self._client._run(self._gathered.send())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.send()


class AsyncBatch:
    """As Batch."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._gathered = _Gathered(client._sender)
        self.companies: AsyncAdding[Company] = AsyncAdding(self, "companies")
        self.staff: AsyncAdding[Staff] = AsyncAdding(self, "staff")
        self.partners: AsyncAdding[Partner] = AsyncAdding(self, "partners")
        self.referrals: AsyncAdding[Referral] = AsyncAdding(self, "referrals")
        self.rewards: AsyncAdding[Reward] = AsyncAdding(self, "rewards")
        self.logins: AsyncAdding[Login] = AsyncAdding(self, "logins")
        self.events: AsyncAdding[Event] = AsyncAdding(self, "events")

    @property
    def answer(self) -> Answer:
        return self._gathered.answer

    async def send(self) -> Answer:
        return await self._client._run(self._gathered.send())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.send()


class Adding(Generic[R]):
    """Where records of one kind are added to a batch."""

    def __init__(self, batch: Batch, name: str) -> None:
        self._batch = batch
        self._name = name

    def add(self, *records: R) -> None:
        self._batch._client._run(self._batch._gathered.add(self._name, records))


class AsyncAdding(Generic[R]):
    """As Adding."""

    def __init__(self, batch: AsyncBatch, name: str) -> None:
        self._batch = batch
        self._name = name

    async def add(self, *records: R) -> None:
        await self._batch._client._run(self._batch._gathered.add(self._name, records))


def _address(url: str) -> str:
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("the address of engage begins with http:// or https://")  # it may be the key: not shown either
    return url


def _headers(key: str) -> dict[str, str]:
    if not key or not all("!" <= letter <= "~" for letter in key):  # and the key itself is in no message
        raise ValueError("the key is no key of engage: it is empty, or holds a space, a line's end or the like")
    return {"Authorization": f"Bearer {key}", "Accept": "application/json, application/problem+json"}


def _answer(done: StopIteration) -> Answer:
    answer: Answer = done.value
    return answer
