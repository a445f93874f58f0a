"""Asks SendGrid's records whether it has a message of ours: the Email Activity API, an extra of an account.

It allows six requests a minute, and what is not found there may still be on its way. Sources:
https://www.twilio.com/docs/sendgrid/api-reference/email-activity and
https://www.twilio.com/docs/sendgrid/for-developers/sending-email/getting-started-email-activity-api
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import aiohttp
import orjson

from engage.domain.errors import EngageError
from engage.providers.addresses import without_personal_data
from engage.providers.sendgrid import request_headers, server_url
from engage.providers.sendgrid_wire import retry_time

REQUESTS = 6
WINDOW = timedelta(minutes=1)
NOT_HAD = timedelta(hours=1)
"""How long an account that does not have it is not asked again."""

_LIMITS = aiohttp.ClientTimeout(total=15, connect=5)
_LONGEST_ANSWER = 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A message that SendGrid has. `provider_id` is what it answered when it took it."""

    provider_id: str
    status: str


class NotNow(EngageError):
    """The records cannot be asked before `until`; the message says why."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class SendGridActivity:
    """The records of one account. Safe to use from several threads; asks at most six times a minute by itself."""

    def __init__(self, host: str, api_key: str, clock: Callable[[], datetime]) -> None:
        """`host` is a URL such as https://api.sendgrid.com. Raises InputError when host or key cannot be right."""
        url = server_url(host)
        self._host = f"{url.host}:{url.port}"
        self._url = url / "v3/messages"
        self._headers = request_headers(api_key)
        self._clock = clock
        self._lock = Lock()
        self._asked: deque[datetime] = deque(maxlen=REQUESTS)
        self._not_now: NotNow | None = None

    def find(self, delivery: str) -> list[Found]:
        """The messages that bear the public id of a delivery; none proves nothing.

        Raises NotNow when the account does not have the records, the limit is used up, or nobody answers.
        """
        with self._lock:
            self._count()
            status, headers, body = self._ask(delivery)
            if status == 200:
                return self._read(body)
            raise self._put_off(*self._refused(status, headers, body))

    def _count(self) -> None:
        now = self._clock()
        if self._not_now is not None and now < self._not_now.until:
            raise NotNow(self._not_now.message, self._not_now.until)
        if len(self._asked) == REQUESTS and now - self._asked[0] < WINDOW:
            raise NotNow(f"its records were asked {REQUESTS} times within a minute", self._asked[0] + WINDOW)
        self._asked.append(now)

    def _ask(self, delivery: str) -> tuple[int, dict[str, str], bytes]:
        query = {"query": f"(unique_args['engage_delivery']=\"{delivery}\")", "limit": "10"}

        async def ask() -> tuple[int, dict[str, str], bytes]:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=_LIMITS) as session,
                session.get(self._url, params=query, allow_redirects=False) as answer,
            ):
                return answer.status, dict(answer.headers), await answer.content.read(_LONGEST_ANSWER)

        try:
            return asyncio.run(ask())
        except (aiohttp.ClientError, OSError) as error:
            said = without_personal_data(str(error)) or "nothing came in time"
            raise self._put_off(f"{self._host} does not answer: {said}", WINDOW) from error

    def _read(self, body: bytes) -> list[Found]:
        try:
            rows = orjson.loads(body)["messages"] or []
            # "<what it answered>.<where it was handled>"
            return [Found(str(row["msg_id"]).partition(".")[0], str(row.get("status", ""))) for row in rows]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._put_off(f"{self._host} answers with something else than its records", NOT_HAD) from error

    def _refused(self, status: int, headers: dict[str, str], body: bytes) -> tuple[str, timedelta]:
        """Why there is no answer now, and for how long."""
        # SendGrid answers 400 "authorization required" to accounts that have not bought it
        if status in (401, 403, 404) or (status == 400 and b"authorization" in body):
            return f"this account or key may not read {self._host}/v3/messages ({status})", NOT_HAD
        if status == 429:
            asked = retry_time(headers, self._clock())
            wait = asked - self._clock() if asked is not None else WINDOW
            return f"{self._host} asks for patience (429)", max(wait, timedelta(seconds=1))
        return f"{self._host} answers {status} when asked for its records", WINDOW

    def _put_off(self, why: str, wait: timedelta) -> NotNow:
        self._not_now = NotNow(why, self._clock() + wait)
        return self._not_now
