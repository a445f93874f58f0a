"""Measures each request, by the pattern of its route: its own path may hold a token. Plain ASGI."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engage.telemetry import span


class Traced:
    """A span for each request, while anything is traced."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with span("request", method=scope["method"]) as note:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    note("status", message["status"])
                await send(message)

            try:
                await self.app(scope, receive, noting)
            finally:
                note("route", getattr(scope.get("route"), "path", ""))
