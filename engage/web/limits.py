"""Who may ask how often: a key by itself, a link that we signed by itself, and everybody else by their address.

Many partners share an address (an office, a mail provider, a scanner that follows every link of every mail), so an
address says little of who has a genuine link. One-click unsubscribes are never limited: mail providers post them from
few addresses, and each must count.
"""

import ipaddress

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from engage.bootstrap import Services
from engage.signing import Signer
from engage.web.access import Caller, Refused, caller, signed_caller
from engage.web.audience import asked_by_machines
from engage.web.buckets import Buckets, OwnBuckets, Rate
from engage.web.errors import refusal

_THREADS = 4
_LOGINS_AT_ONCE = 2  # each takes 64 MiB and some 50 ms of a processor

_LOGINS_OF_ADDRESS = Rate(1 / 6, 20)
_LOGINS_OF_ACCOUNT = Rate(1 / 60, 10)
_CODES_OF_ACCOUNT = Rate(1 / 300, 5)  # a million codes, three of which are right at any time
_FREE = ("/static/", "/brand/", "/healthz", "/readyz", "/mailbox")

_LINKS = {
    "unsubscribe": "unsubscribe",
    "preferences": "preferences",
    "answer": "answer",
    "c": "click",
    "o": "open",
    "p": "page",
    "refer": "refer",
}
"""Pages behind signed links: what their paths begin with, and for which purpose their tokens are signed."""


class Limits:
    """The limits of one application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._buckets = Buckets(services.settings.redis_url)
        self._of_keys = Rate.of(services.settings.key_rate)
        self._of_pages = Rate.of(services.settings.page_rate)
        self._own = OwnBuckets()
        self.logins = CapacityLimiter(_LOGINS_AT_ONCE)

    def let_in(self, request: Request) -> Caller:
        """Who calls with a bearer key, and has not called too often. Call it in a thread.

        Raises Refused (401, 403, or 429 with Retry-After) or ServiceUnreachable.
        """
        try:
            found = caller(self._services, request.headers)
        except Refused:
            self._count_stranger(request)
            raise
        self._count(found)
        return found

    def let_in_signed(self, request: Request, public_id: str, body: bytes) -> Caller:
        """Who signed this body, as `let_in`."""
        try:
            found = signed_caller(self._services, public_id, request.headers, body)
        except Refused:
            self._count_stranger(request)
            raise
        self._count(found)
        return found

    def wait_for_page(self, scope: Scope) -> int:
        """How many seconds this request for a page has to wait: 0 to go on."""
        token = _genuine_token(self._services.signer, scope["path"])
        if token is None:
            return self._buckets.take("address", _network(scope), self._of_pages)
        if scope["method"] == "POST" and scope["path"].startswith("/unsubscribe/"):
            return 0
        return self._buckets.take("link", token, self._of_pages)

    def wait_for_login(self, scope: Scope, email: str) -> int:
        """How many seconds who tries this address of an account has to wait: 0 to go on. The account need not exist."""
        return self._take("login-from", _network(scope), _LOGINS_OF_ADDRESS) or self.wait_for_password(email)

    def wait_for_password(self, email: str) -> int:
        """How many seconds until a password of this account may be tried: 0 to go on."""
        return self._take("login-of", email, _LOGINS_OF_ACCOUNT)

    def wait_for_code(self, user_id: int) -> int:
        """How many seconds until a code of this user's second factor may be tried: 0 to go on."""
        return self._take("second-factor", str(user_id), _CODES_OF_ACCOUNT)

    def _take(self, kind: str, name: str, rate: Rate) -> int:
        """Of a bucket that all processes share, and of this process's own: Redis that is away opens no door."""
        return self._buckets.take(kind, name, rate) or self._own.take(kind, name, rate)

    def _count(self, found: Caller) -> None:
        if wait := self._buckets.take("key", str(found.key_id), self._of_keys):
            raise _too_many(f"this key may make {self._of_keys.a_second:g} requests a second", wait)

    def _count_stranger(self, request: Request) -> None:
        if wait := self._buckets.take("stranger", _network(request.scope), self._of_pages):
            raise _too_many("too many requests without a valid key", wait)


class LimitedPages:
    """Answers 429 to who asks for pages too often. Plain ASGI."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self._limits = limits
        self._threads = CapacityLimiter(_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_page(scope["path"]):
            wait = await to_thread.run_sync(self._limits.wait_for_page, scope, limiter=self._threads)
            if wait:
                await refusal(Request(scope), 429, headers={"Retry-After": str(wait)})(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_page(path: str) -> bool:
    """Whether people ask for it: machines have limits of their own. What pages are made of costs too little for one."""
    return not asked_by_machines(path) and not path.startswith(_FREE)


def _genuine_token(signer: Signer, path: str) -> str | None:
    """The token in the path of a page behind a link, if it is one of ours."""
    parts = path.split("/")
    purpose = _LINKS.get(parts[1]) if len(parts) > 2 else None
    return parts[2] if purpose and signer.read(purpose, parts[2]) is not None else None


def _network(scope: Scope) -> str:
    """Whose request it is: the address, of IPv6 the network that one customer has."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return host


def _too_many(detail: str, wait: int) -> Refused:
    return Refused(429, "Too many requests", detail, {"Retry-After": str(wait)})
