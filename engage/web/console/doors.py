"""Who is let into a page of the consoles, and whether a change was asked for by a page of ours.

Each route of the consoles takes a `Visit` that `Allowed` has made, or is one of the few that are open to strangers; a
test looks at every route. A request that changes something has to come from our own origin and bring the token that
only the session's pages know.
"""

import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from engage.bootstrap import Services
from engage.domain.access import hash_of
from engage.domain.accounts import Actor, Permission, User
from engage.domain.errors import EngageError
from engage.facts import Scope
from engage.store.sessions import find_session, use_session
from engage.web.origin import origin_of
from engage.web.rendering import root_of

HOME = "/console"
LOGIN = f"{HOME}/login"
SECOND_FACTOR = f"{HOME}/second-factor"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
_CSRF, _NEXT = "console-csrf", "console-next"
_LONGEST_NEXT = 600
_OWN_PATH = re.compile(rf"{HOME}(/(?!.*(\.\.|%2e))[\x21-\x7e]*)?(\?[\x21-\x7e]*)?", re.ASCII | re.IGNORECASE)
_SAFE = frozenset({"GET", "HEAD"})


class NotLoggedIn(Exception):
    """Nobody is logged in, or has yet to show the second factor: `to` is where they do."""

    def __init__(self, to: str) -> None:
        self.to = to


class NotAllowed(Exception):
    """Whoever is logged in may not do this; or it was not asked for by a page of ours."""

    def __init__(self, said: str) -> None:
        self.said = said


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who may make it. `form` holds what was posted, each field's last value."""

    request: Request
    services: Services
    user: User
    csrf: str
    form: Mapping[str, str]

    @property
    def now(self) -> datetime:
        return self.services.clock()

    @property
    def actor(self) -> Actor:
        """Who does it, for the audit log."""
        return Actor(self.user.email, self.user.id, origin_of(self.request))

    def scopes(self) -> dict[str, Scope]:
        """The programs that the user is let into, by key."""
        found = self.services.library().scopes()
        return {key: scope for key, scope in found.items() if self.user.sees(scope.program_id)}

    def fields(self, name: str) -> list[str]:
        """Every value of a field that may come several times, such as the boxes of a list that were ticked."""
        return [str(value) for value in getattr(self.request.state, "posted", {}).get(name, ())]

    def may(self, permission: Permission, program_id: int | None = None) -> bool:
        return self.user.may(permission, program_id)


class Allowed:
    """A dependency: makes the Visit of somebody with this permission. `everywhere`: in every program, since it concerns
    the installation as a whole. Raises NotLoggedIn or NotAllowed.
    """

    def __init__(self, permission: Permission | None, *, everywhere: bool = False) -> None:
        """`permission` None: whoever is logged in, such as for their own account."""
        self.permission = permission
        self.everywhere = everywhere

    async def __call__(self, request: Request) -> Visit:
        form = await posted(request) if request.method not in _SAFE else {}
        return await run_in_threadpool(self._visit, request, form)

    def _visit(self, request: Request, form: Mapping[str, str]) -> Visit:
        services: Services = request.app.state.services
        user, token = who(request, services)
        if request.method not in _SAFE:
            require_own_form(request, services, token, form)
        if self.permission is not None:
            may = user.may_everywhere if self.everywhere else user.may
            if not may(self.permission):
                raise NotAllowed(f"Your role, {user.role}, does not let you do this. An admin can change that.")
        return Visit(request, services, user, csrf_token(services, token), form)


async def posted(request: Request) -> dict[str, str]:
    """What a form says, each field's last value; `Visit.fields` has all of them."""
    fields: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        fields.setdefault(name, []).append(value if isinstance(value, str) else "")
    request.state.posted = fields
    return {name: values[-1] for name, values in fields.items()}


def who(request: Request, services: Services) -> tuple[User, str]:
    """Who is logged in, and the token of their session. Raises NotLoggedIn."""
    token, now = session_token(request, services), services.clock()
    with services.database.read() as db:
        found = find_session(db, hash_of(token), now) if token else None
    if found is None:
        raise NotLoggedIn(root_of(request) + LOGIN + going_on(request, services))
    user, session = found
    if not session.whole:
        raise NotLoggedIn(root_of(request) + SECOND_FACTOR + going_on(request, services))
    # A page that keeps itself up to date is not somebody at work.
    if session.worth_noting(now) and "text/event-stream" not in request.headers.get("accept", ""):
        with suppress(EngageError), services.database.write() as db:  # whose disk may be full: then pages matter most
            use_session(db, session, now)
    return user, token


def session_token(request: Request, services: Services) -> str:
    """What the session's cookie holds, "" without one."""
    return request.cookies.get(cookie_name(services), "")


def going_on(request: Request, services: Services) -> str:
    """The part of an address that says where to go on to after a login: signed, so that no link can lead elsewhere."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method != "GET" or wanted == HOME or len(wanted) > _LONGEST_NEXT:
        return ""
    return f"?next={services.signer.token(_NEXT, [wanted])}"


def where_to(services: Services, token: str) -> str:
    """The page of ours that `going_on` noted; the overview for any other text."""
    payload = services.signer.read(_NEXT, token)
    wanted = str(payload[0]) if payload else HOME
    return wanted if _OWN_PATH.fullmatch(wanted) else HOME


def cookie_name(services: Services, of: str = "session") -> str:
    """What a cookie is called. Browsers take `__Host-` by https only, and bind it to this host and path."""
    return f"__Host-engage_{of}" if services.settings.public_url.startswith("https://") else f"engage_{of}"


def csrf_token(services: Services, session_token: str) -> str:
    """What forms of this session carry: nobody else can make it, and it ends with the session."""
    return services.signer.secrets(_CSRF, session_token)[0].hex()


def require_own_form(request: Request, services: Services, token: str, form: Mapping[str, str]) -> None:
    """Raises NotAllowed unless a page of ours sent this, and one that was made for whoever has the token."""
    require_own_origin(request, services)
    given = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD, "")
    if not token or not hmac.compare_digest(given.encode(), csrf_token(services, token).encode()):
        raise NotAllowed("This page was open for too long, or is not ours. Open it again, and try once more.")


def set_cookie(answer: Response, services: Services, name: str, value: str) -> None:
    """A cookie that no script reads, no other site's form sends along, and that ends with the browser; "" ends it."""
    secure = services.settings.public_url.startswith("https://")
    age = None if value else 0
    answer.set_cookie(name, value, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")


def require_own_origin(request: Request, services: Services) -> None:
    """Raises NotAllowed when a browser says that another site asked for it, or does not say who did."""
    said = request.headers.get("origin")
    own = {_origin(services.settings.public_url), f"{request.url.scheme}://{request.headers.get('host', '')}"}
    if said not in own:
        raise NotAllowed("This was not asked for by a page of ours. Open the page here, and try once more.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def install(app: FastAPI, refused: Any) -> None:
    """Has the application answer what `Allowed` raises. `refused(request, said)` makes the page that says no."""

    @app.exception_handler(NotLoggedIn)
    async def of_stranger(request: Request, error: NotLoggedIn) -> Response:
        if request.headers.get("hx-request"):  # htmx would put the login page into a corner of this one
            return Response(status_code=401, headers={"HX-Redirect": error.to})
        return RedirectResponse(error.to, 303)

    @app.exception_handler(NotAllowed)
    async def of_refused(request: Request, error: NotAllowed) -> Response:
        return await run_in_threadpool(refused, request, error.said)
