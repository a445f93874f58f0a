"""uvicorn, with a hand on its connections: HTTP alone cannot lose one, and a provider that is away does not listen.

An application under it finds the connection's transport with `transport_of(scope)`, and what stops it listening with
`refuser_of(scope)`; under any other server both are None.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT, _REFUSE = "engage.transport", "engage.refuse"


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """The connection under a request."""
    found: asyncio.Transport | None = scope.get("extensions", {}).get(_TRANSPORT, {}).get("transport")
    return found


def refuser_of(scope: Scope) -> Callable[[float], None] | None:
    """`MailboxServer.refuse` of the server that a request came to."""
    found: Callable[[float], None] | None = scope.get("state", {}).get(_REFUSE)
    return found


class _Protocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}


class MailboxServer(uvicorn.Server):
    """One server; `refuse` has it away for a while."""

    def __init__(self, config: uvicorn.Config) -> None:
        config.http = _Protocol
        super().__init__(config)
        self._coming_back: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[_REFUSE] = self.refuse
        await super().startup(sockets)

    def refuse(self, seconds: float) -> None:
        """Refuses every connection for so long and closes those that are idle; those at work end their request."""
        if self._coming_back is not None and not self._coming_back.done():
            return
        places = [(sock.family, sock.getsockname()) for server in self.servers for sock in server.sockets]
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._coming_back = asyncio.create_task(self._listen_again(_bound(places), seconds))

    async def _listen_again(self, sockets: list[socket.socket], seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            protocol = partial(
                self.config.http_protocol_class,
                config=self.config,  # type: ignore[call-arg]
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            loop = asyncio.get_running_loop()
            self.servers = [await loop.create_server(protocol, sock=sock) for sock in sockets]
        finally:
            if self.should_exit:
                for sock in sockets:
                    sock.close()


def _bound(places: list[tuple[socket.AddressFamily, Any]]) -> list[socket.socket]:
    """Sockets that keep the ports and do not listen: who connects is refused."""
    sockets = []
    for family, place in places:
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
        sockets.append(sock)
    return sockets
