"""Any SMTP server: one connection for the messages of a call, one after the other.

SMTP says no more than "taken" (RFC 5321, 6.1): bounces come as mail to the sender's address, which nobody
here reads, so an unknown stays unknown until an operator settles it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from engage.domain.errors import InputError, ServiceUnreachable
from engage.domain.messages import Message, Outcome, SendResult
from engage.providers.addresses import wire_address, without_personal_data
from engage.providers.loop_thread import LoopThread
from engage.providers.protocol import DEADLINE
from engage.providers.smtp_mime import message_id, mime

_LOOP_GRACE = 5.0
_FAREWELL = 1.0
_NOT_BEGUN = SendResult(Outcome.RETRY, detail="not begun within the deadline")
_NO_ANSWER = SendResult(Outcome.UNKNOWN, detail="no answer after the message was handed over")
_REFUSED_CREDENTIALS = (530, 534, 535, 538)  # RFC 4954, section 6


class Security(StrEnum):
    """How a connection is kept from eavesdroppers."""

    TLS = "tls"  # from the first byte (smtps)
    STARTTLS = "starttls"  # upgraded, or not used
    IF_OFFERED = "if offered"  # only towards this machine itself
    NONE = "none"  # said explicitly in the URL


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where to send, as whom and how."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    security: Security = Security.STARTTLS


def parse_smtp_url(url: str) -> SmtpServer:
    """Reads smtp://user:password@host:587 (STARTTLS) or smtps://... (TLS); `?starttls=never` for a relay without TLS.

    Raises InputError that says what is wrong and never shows the password.
    """
    example = "write it as smtp://user:password@smtp.example.com:587, with % escapes in user and password"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError("the SMTP URL cannot be read", example) from error
    options = parse_qs(parts.query, keep_blank_values=True)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or options not in ({}, {"starttls": ["never"]}):
        raise InputError("the SMTP URL cannot be read", example)
    if parts.scheme == "smtps":
        security = Security.TLS
    elif options:
        security = Security.NONE
    else:
        security = Security.IF_OFFERED if _is_this_machine(parts.hostname) else Security.STARTTLS
    return SmtpServer(
        host=parts.hostname,
        port=port or (465 if security is Security.TLS else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        security=security,
    )


class SmtpProvider:
    """Sends through one SMTP server."""

    def __init__(self, server: SmtpServer, clock: Callable[[], datetime], tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces the system's trust in certificates."""
        self._server = server
        self._clock = clock
        self._tls = tls
        self._own_name: str | None = None
        self._loop = LoopThread("engage-smtp")

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        """See `Provider.send`. `provider_id` is the Message-ID, which carries the delivery's id."""
        results = [_NOT_BEGUN] * len(messages)
        seconds = deadline.total_seconds()
        with suppress(TimeoutError):
            self._loop.run(self._send_all(messages, results, seconds), seconds + _LOOP_GRACE)
        return results

    def check(self, deadline: timedelta = DEADLINE) -> str:
        """See `Provider.check`. Connects and logs in."""
        seconds = deadline.total_seconds()
        try:
            self._loop.run(self._check(seconds), seconds + _LOOP_GRACE)
        except SMTPAuthenticationError as error:
            raise ServiceUnreachable(
                f"{self._server.host}:{self._server.port} refuses the user or password ({error.code})",
                "see that ENGAGE_SMTP_URL has both, with % escapes for special characters",
            ) from error
        except (SMTPException, OSError) as error:
            raise ServiceUnreachable(
                f"no SMTP with {self._server.host}:{self._server.port}: {without_personal_data(str(error))}",
                "see that ENGAGE_SMTP_URL is right and that this machine may connect to it",
            ) from error
        return f"{self._server.host}:{self._server.port} takes mail"

    def close(self) -> None:
        """See `Provider.close`."""

        async def nothing_kept() -> None: ...

        self._loop.stop(nothing_kept)

    async def _send_all(self, messages: Sequence[Message], results: list[SendResult], seconds: float) -> None:
        """Fills in `results`, so that each is true at any moment at which time may run out."""
        async with asyncio.timeout(seconds), self._client(seconds) as client:
            for index, message in enumerate(messages):
                try:
                    content = mime(message, self._clock())
                except ValueError as error:
                    results[index] = SendResult(Outcome.DEAD, detail=without_personal_data(str(error), message))
                    continue
                if not client.is_connected:
                    try:
                        await self._connect(client)
                    except (SMTPException, OSError) as error:
                        results[index:] = [_not_connected(error)] * (len(messages) - index)
                        return
                await self._send_one(client, message, content, results, index)

    async def _send_one(
        self, client: SMTP, message: Message, content: bytes, results: list[SendResult], index: int
    ) -> None:
        try:
            await client.mail(wire_address(message.sender.email))
            await client.rcpt(wire_address(message.to.email))
            results[index] = _NO_ANSWER
            answer = await client.data(content)
            results[index] = SendResult(Outcome.ACCEPTED, provider_id=message_id(message), status=answer.code)
        except (SMTPSenderRefused, SMTPRecipientRefused, SMTPDataError) as refusal:
            results[index] = _refused(refusal, message)
            await _start_over(client)
        except (SMTPException, OSError) as error:
            # Lost or garbled. Before the message was handed over that proves it unsent, afterwards nothing.
            outcome = Outcome.UNKNOWN if results[index] is _NO_ANSWER else Outcome.RETRY
            results[index] = SendResult(outcome, detail=without_personal_data(str(error), message))
            client.close()

    async def _check(self, seconds: float) -> None:
        async with asyncio.timeout(seconds), self._client(seconds) as client:
            await self._connect(client)

    @asynccontextmanager
    async def _client(self, seconds: float) -> AsyncIterator[SMTP]:
        """A client that is not connected yet; whatever happens, it leaves no connection behind."""
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            local_hostname=self._own_name,
            timeout=seconds,
            use_tls=server.security is Security.TLS,
            start_tls={Security.STARTTLS: True, Security.IF_OFFERED: None}.get(server.security, False),
            tls_context=self._tls,
        )
        try:
            yield client
            if client.is_connected:
                with suppress(SMTPException, OSError):
                    await client.quit(timeout=_FAREWELL)
        finally:
            client.close()

    async def _connect(self, client: SMTP) -> None:
        await client.connect()
        self._own_name = client.local_hostname  # asking DNS for it can take seconds: once is enough


def outcome_of_reply(code: int) -> Outcome:
    """What a reply other than success proves about the message it answers, at any stage of handing it over."""
    if 400 <= code < 500 or code in _REFUSED_CREDENTIALS:
        return Outcome.RETRY
    return Outcome.DEAD if 500 <= code < 600 else Outcome.UNKNOWN


def _refused(refusal: SMTPSenderRefused | SMTPRecipientRefused | SMTPDataError, message: Message) -> SendResult:
    return SendResult(
        outcome_of_reply(refusal.code),
        status=refusal.code,
        detail=without_personal_data(f"{refusal.code} {refusal.message}", message),
        auth_failed=refusal.code in _REFUSED_CREDENTIALS,
    )


def _not_connected(error: Exception) -> SendResult:
    if not isinstance(error, SMTPResponseException):
        return SendResult(Outcome.RETRY, detail=without_personal_data(f"no connection: {error}"))
    return SendResult(
        Outcome.RETRY,
        status=error.code,
        detail=without_personal_data(f"no connection: {error.code} {error.message}"),
        auth_failed=isinstance(error, SMTPAuthenticationError) and error.code >= 500,
    )


async def _start_over(client: SMTP) -> None:
    """Makes the connection fit for the next message, or closes it."""
    try:
        if client.is_connected:
            await client.rset()
    except (SMTPException, OSError):
        client.close()


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
