"""Servers to send to: the mailbox over HTTP, a real SMTP server, and one that misbehaves as told."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from email import message_from_bytes
from types import TracebackType
from typing import Self

import uvicorn
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.types import ASGIApp

from engage.web.mailbox.server import MailboxServer

Script = Callable[[socket.socket, "ScriptedServer"], None]


class HttpServer:
    """An ASGI application on a free port of loopback, in a thread."""

    def __init__(self, app: ASGIApp, **options: object) -> None:
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", **options)  # type: ignore[arg-type]
        self._server = MailboxServer(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        pause = threading.Event()
        while not self._server.started and self._thread.is_alive():
            pause.wait(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()


class SmtpServer:
    """A real SMTP server that takes everything, but from addresses beginning with the answer to give, such as 550-."""

    def __init__(self, tls: ssl.SSLContext | None = None, starttls: bool = True) -> None:
        self.received: list[bytes] = []
        self.connections = 0
        if starttls:
            options: dict[str, object] = {"tls_context": tls, "require_starttls": tls is not None}
        else:
            options = {"ssl_context": tls}
        self._controller = Controller(self, hostname="127.0.0.1", port=0, **options)  # type: ignore[arg-type]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._controller.port = free.getsockname()[1]

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def ids(self) -> list[str]:
        """The ids of the deliveries that came, in their order."""
        found = [message_from_bytes(content)["Message-ID"] for content in self.received]
        return [name.strip("<>").partition("@")[0] for name in found]

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        del server, envelope
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        answer, dash, _ = address.partition("-")
        if dash and answer.isdigit():
            return f"{answer} <{address}>: not here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        if b"Subject: refuse the content" in envelope.content:
            return "554 no such content here"
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()


class ScriptedServer:
    """A TCP server on loopback that does with each connection what `script` says; it knows what was sent to it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.stopped = threading.Event()
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._script(connection, self)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# -- what a script is made of ------------------------------------------------------------------------------------------


def read_http(connection: socket.socket, server: ScriptedServer) -> bytes:
    """One whole request; nothing when the client has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    server.requests.append(head + b"\r\n\r\n" + body)
    return body or head


def http_answers(*answers: bytes) -> Script:
    """Gives these answers, one to each request, then closes."""

    def script(connection: socket.socket, server: ScriptedServer) -> None:
        for answer in answers:
            if not read_http(connection, server):
                return
            connection.sendall(answer)

    return script


def reset(connection: socket.socket) -> None:
    """Closes with RST, as a host does that lost its state."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def http_then_reset(connection: socket.socket, server: ScriptedServer) -> None:
    """Takes a whole request and resets the connection."""
    read_http(connection, server)
    reset(connection)


def http_by_the_byte(connection: socket.socket, server: ScriptedServer) -> None:
    """Takes a request and answers a byte every 20 ms, without end."""
    read_http(connection, server)
    drip(connection, server, b"HTTP/1.1 202 Accepted\r\n" + b"X-Slow: yes\r\n" * 1000)


def garbage(connection: socket.socket, server: ScriptedServer) -> None:
    """Speaks no protocol at all."""
    del server
    connection.sendall(b"\x00\xffnothing that anybody speaks\r\n" * 10)
    connection.recv(65536)


def smtp_until_content(connection: socket.socket, server: ScriptedServer) -> None:
    """Leads an SMTP conversation up to the end of a message's content, which it does not answer."""
    connection.sendall(b"220 scripted\r\n")
    lines = connection.makefile("rb")
    content: list[bytes] | None = None
    for line in lines:
        if content is not None:
            content.append(line)
            if line == b".\r\n":
                server.requests.append(b"".join(content))
                return
        elif line.upper().startswith(b"DATA"):
            content = []
            connection.sendall(b"354 go on\r\n")
        else:
            connection.sendall(b"250 OK\r\n")


def smtp_then_reset(connection: socket.socket, server: ScriptedServer) -> None:
    """Takes a whole message and resets the connection."""
    smtp_until_content(connection, server)
    reset(connection)


def smtp_by_the_byte(connection: socket.socket, server: ScriptedServer) -> None:
    """Takes a message and answers a byte every 20 ms, without end."""
    smtp_until_content(connection, server)
    drip(connection, server, b"250-slowly\r\n" * 1000)


def drip(connection: socket.socket, server: ScriptedServer, data: bytes) -> None:
    """Sends `data` a byte every 20 ms until the client or the test has had enough."""
    for byte in data:
        if server.stopped.wait(0.02):
            return
        connection.sendall(bytes([byte]))
