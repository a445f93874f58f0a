"""SendGrid's v3 Mail Send over kept-alive connections, all messages of a call in flight at once.

One event loop in a daemon thread serves every worker thread of the process. A POST is never repeated: aiohttp repeats
idempotent methods only.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import aiohttp
from yarl import URL

from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.messages import Message, Outcome, SendResult
from engage.failpoints import ARMED, failpoint
from engage.providers.addresses import without_personal_data
from engage.providers.loop_thread import LoopThread
from engage.providers.protocol import DEADLINE, MAX_MESSAGES
from engage.providers.sendgrid_wire import payload, read_answer, scopes

# Shorter than any server's (uvicorn's is 5 s): a connection that the server is about to close is not used again,
# for a message written into it would be unknown.
KEEP_ALIVE = 3.0
_LONGEST_CONNECT = 10.0
_LOOP_GRACE = 5.0  # past the deadline, for a loop that is starved of CPU
_LONGEST_EXPLANATION = 16_384


class SendGridProvider:
    """Sends through SendGrid, or through anything that speaks its v3 Mail Send, such as the local mailbox."""

    def __init__(
        self,
        host: str,
        api_key: str,
        clock: Callable[[], datetime],
        if_unreachable: str = "see that ENGAGE_SENDGRID_HOST is right and that this machine may connect to it",
    ) -> None:
        """`host` is a URL such as https://api.sendgrid.com; `if_unreachable` is what to do when a check finds nobody.

        Raises InputError when the host or the key cannot be right.
        """
        url = server_url(host)
        self._host = f"{url.host}:{url.port}"
        self._send_url = url / "v3/mail/send"
        self._scopes_url = url / "v3/scopes"
        self._headers = request_headers(api_key)
        self._clock = clock
        self._if_unreachable = if_unreachable
        self._loop = LoopThread("engage-sendgrid")
        self._session: aiohttp.ClientSession | None = None

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        """See `Provider.send`. RETRY only where it is proven that SendGrid does not have the message."""
        # Filled in as answers come: what has none when time is up stays unknown.
        results = [SendResult(Outcome.UNKNOWN, detail="no answer within the deadline")] * len(messages)
        with suppress(TimeoutError):
            self._loop.run(self._send_all(messages, results, _limits(deadline)), deadline.total_seconds() + _LOOP_GRACE)
        return results

    def check(self, deadline: timedelta = DEADLINE) -> str:
        """See `Provider.check`. Asks for the key's scopes; `mail.send` has to be one of them."""
        try:
            return self._loop.run(self._check(_limits(deadline)), deadline.total_seconds() + _LOOP_GRACE)
        except (aiohttp.ClientError, OSError) as error:
            raise ServiceUnreachable(
                f"{self._host} does not answer: {without_personal_data(str(error)) or 'nothing came in time'}",
                self._if_unreachable,
            ) from error

    def close(self) -> None:
        """See `Provider.close`."""
        self._loop.stop(self._close_session)

    async def _send_all(
        self, messages: Sequence[Message], results: list[SendResult], limits: aiohttp.ClientTimeout
    ) -> None:
        session = self._open_session()

        async def send_one(index: int, message: Message) -> None:
            results[index] = await self._send_one(session, message, limits)

        fates = await asyncio.gather(
            *(send_one(index, message) for index, message in enumerate(messages)), return_exceptions=True
        )
        for index, fate in enumerate(fates):
            if isinstance(fate, Exception):  # such as a session closed under it: nothing is proven
                results[index] = SendResult(Outcome.UNKNOWN, detail=type(fate).__name__)

    async def _send_one(
        self, session: aiohttp.ClientSession, message: Message, limits: aiohttp.ClientTimeout
    ) -> SendResult:
        try:
            body = payload(message)
        except ValueError as error:
            return SendResult(Outcome.DEAD, detail=without_personal_data(str(error), message))
        try:
            async with session.post(self._send_url, data=body, timeout=limits, allow_redirects=False) as answer:
                explanation = b"" if answer.status == 202 else await _explanation(answer)
                return read_answer(answer.status, answer.headers, explanation, self._clock(), message)
        except (aiohttp.ClientError, OSError) as error:
            outcome = Outcome.RETRY if _never_left(error) else Outcome.UNKNOWN
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return SendResult(outcome, detail=without_personal_data(said, message))

    async def _check(self, limits: aiohttp.ClientTimeout) -> str:
        session = self._open_session()
        async with session.get(self._scopes_url, timeout=limits, allow_redirects=False) as answer:
            granted = scopes(await _explanation(answer)) if answer.status == 200 else []
            if "mail.send" in granted:
                return f"{self._host} takes mail with this key"
            if granted or answer.status in (401, 403):
                raise ServiceUnreachable(
                    f"{self._host} does not take mail with this key ({answer.status})",
                    "give ENGAGE_SENDGRID_API_KEY a key with the permission Mail Send",
                )
            raise ServiceUnreachable(
                f"{self._host} answers {answer.status} when asked for the key's scopes, as SendGrid would not",
                self._if_unreachable,
            )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_MESSAGES, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                trace_configs=[_traced()] if ARMED else None,
            )
        return self._session

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()


def request_headers(api_key: str) -> dict[str, str]:
    """The headers of every request. Raises InputError for what cannot be a key."""
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise InputError("the SendGrid API key is empty or has characters that no key has", "copy it again")
    return {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "engage",
    }


def server_url(host: str) -> URL:
    """`host`, a URL such as https://api.sendgrid.com, parsed. Raises InputError when it is none."""
    try:
        url = URL(host)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError(f"'{host}' is not the URL of a server", "write it as https://api.sendgrid.com")
    return url


def _limits(deadline: timedelta) -> aiohttp.ClientTimeout:
    total = deadline.total_seconds()
    # Waiting for a connection ends well before the whole does: what times out later may have been sent.
    return aiohttp.ClientTimeout(total=total, connect=min(total / 2, _LONGEST_CONNECT), ceil_threshold=60)


def _traced() -> aiohttp.TraceConfig:
    """Passes the failpoint `request-sent` as soon as a request has been written."""

    async def written(*_: object) -> None:
        # called right before the bytes go to the socket, without a pause in between
        asyncio.get_running_loop().call_soon(failpoint, "request-sent")

    config = aiohttp.TraceConfig()
    config.on_request_chunk_sent.append(written)
    return config


def _never_left(error: BaseException) -> bool:
    """Whether `error` proves that the request did not leave whole: no connection, or one that closed before it."""
    unsent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectionResetError)
    return isinstance(error, unsent) or isinstance(error.__cause__, aiohttp.ClientConnectionResetError)


async def _explanation(answer: aiohttp.ClientResponse) -> bytes:
    """The beginning of an answer's body, as far as it comes."""
    try:
        return await answer.content.readexactly(_LONGEST_EXPLANATION)
    except asyncio.IncompleteReadError as cut:
        return cut.partial
    except (aiohttp.ClientError, OSError):
        return b""
