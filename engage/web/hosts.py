"""Answers requests for this host only: another name in a request's Host header is refused before anything reads it."""

from urllib.parse import urlsplit

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from engage.settings import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")  # no page of a stranger's can have one of these as its host
_ANY_HOST = frozenset({"/healthz", "/readyz"})  # probes ask by whatever address they know


class KnownHosts(TrustedHostMiddleware):
    """Refuses (400) hosts that the settings do not name."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        own = [urlsplit(url).hostname or "" for url in (settings.public_url, settings.mailbox_url)]
        own.append(settings.host)
        bracketed = (f"[{host}]" if ":" in host else host for host in own)
        super().__init__(app, [*_LOOPBACK, *bracketed, *settings.further_hosts], www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trusted = self.app if scope.get("path") in _ANY_HOST else super().__call__
        await trusted(scope, receive, send)
