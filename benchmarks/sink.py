"""A provider that costs next to nothing: takes `POST /v3/mail/send` on loopback, answers 202, remembers who and when.

Runs as a process of its own (`python -m benchmarks.sink`), prints its URL and serves until SIGTERM. Connections are
kept alive. `GET /count` answers the number of messages, `GET /messages` a JSON list of [Unix seconds, recipient, bytes]
in order of arrival, `POST /reset` forgets them all.
"""

import argparse
import asyncio
import json
import signal
import time

_HEAD_END = b"\r\n\r\n"


class Sink:
    """What has arrived so far."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str, int]] = []

    def answer(self, head: bytes, body: bytes) -> bytes:
        """The whole response to one request; `head` ends before the blank line."""
        method, path, _ = head.split(b" ", 2)
        if path == b"/v3/mail/send" and method == b"POST":
            self.messages.append((time.time(), recipient_of(body), len(body)))
            number = len(self.messages)
            return b"HTTP/1.1 202 Accepted\r\nX-Message-Id: sink-%d\r\nContent-Length: 0\r\n\r\n" % number
        if path == b"/count":
            return _document(len(self.messages))
        if path == b"/messages":
            return _document(self.messages)
        if path == b"/reset" and method == b"POST":
            self.messages.clear()
            return _document(0)
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class _Connection(asyncio.Protocol):
    """Reads requests with a Content-Length, one after the other, and answers each at once."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._needed = 0  # bytes that must be there before looking again

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= self._needed:
            head_end = buffer.find(_HEAD_END)
            if head_end < 0:
                return
            head = bytes(buffer[:head_end])
            start = head_end + len(_HEAD_END)
            self._needed = start + _content_length(head)
            if len(buffer) < self._needed:
                return
            body = bytes(buffer[start : self._needed])
            del buffer[: self._needed]
            self._needed = 0
            self._transport.write(self._sink.answer(head, body))
            if b"\r\nconnection: close" in head.lower():
                self._transport.close()


def recipient_of(body: bytes) -> str:
    """The first address of the first `to` in a body of /v3/mail/send; empty when there is none."""
    to = body.find(b'"to":')
    if to < 0:
        return ""
    key = body.find(b'"email":', to)
    start = body.find(b'"', key + len(b'"email":')) + 1
    return body[start : body.find(b'"', start)].decode()


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    at += len(b"\r\ncontent-length:")
    end = lowered.find(b"\r\n", at)
    return int(lowered[at:end] if end >= 0 else lowered[at:])


def _document(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def serve(port: int) -> None:
    """Serves until SIGTERM or SIGINT; prints the URL once it takes connections."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sink = Sink()
    server = await loop.create_server(lambda: _Connection(sink), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A light HTTP provider on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
