"""The pages that strangers see: logging in, the second factor, one-time links; and logging out.

What lets somebody in is used up by a POST from our own page: mail scanners and previews of chats follow links.
"""

import secrets
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from engage.bootstrap import Services
from engage.domain.access import hash_of
from engage.domain.accounts import LinkPurpose
from engage.pipeline.logins import Entered, enter_by_link, log_in, show_second_factor
from engage.pipeline.passwords import problem_with
from engage.store.one_time_links import Link, find_link
from engage.store.sessions import end_session, find_session
from engage.web.console.doors import (
    HOME,
    LOGIN,
    SECOND_FACTOR,
    Allowed,
    NotLoggedIn,
    Visit,
    cookie_name,
    csrf_token,
    posted,
    require_own_form,
    session_token,
    set_cookie,
    where_to,
    who,
)
from engage.web.console.shell import frame
from engage.web.limits import Limits
from engage.web.origin import origin_of
from engage.web.rendering import root_of

router = APIRouter()

LINK = f"{HOME}/link"
LONGEST_FIELD = 320
_VISITOR = "visitor"
_WRONG = "This address and this password do not belong together. Look at both once more."


@router.get(LOGIN, include_in_schema=False)
def login_page(request: Request) -> Response:
    """Where one logs in; who is logged in goes on."""
    services = _services(request)
    try:
        who(request, services)
    except NotLoggedIn:
        return _login(request)
    return RedirectResponse(root_of(request) + where_to(services, request.query_params.get("next", "")), 303)


@router.post(LOGIN, include_in_schema=False)
async def log_in_here(request: Request) -> Response:
    """Few at once: each password takes memory and time, and pages must not wait for a flood of them."""
    form, limits = await posted(request), _limits(request)
    return await to_thread.run_sync(partial(_log_in, request, form), limiter=limits.logins)


@router.get(SECOND_FACTOR, include_in_schema=False)
def second_factor_page(request: Request) -> Response:
    _half(request)
    return _second_factor(request)


@router.post(SECOND_FACTOR, include_in_schema=False)
async def show_factor(request: Request) -> Response:
    return await run_in_threadpool(_show_factor, request, await posted(request))


@router.get(LINK + "/{token}", include_in_schema=False)
def link_page(request: Request, token: str) -> Response:
    """Says what the link is for. Looking does not use it up."""
    link = _link(request, token)
    return _of_link(request, link) if link is not None else _no_link(request)


@router.post(LINK + "/{token}", include_in_schema=False)
async def use_link(request: Request, token: str) -> Response:
    form, limits = await posted(request), _limits(request)
    return await to_thread.run_sync(partial(_use_link, request, token, form), limiter=limits.logins)


@router.post(f"{HOME}/logout", include_in_schema=False)
def log_out(visit: Annotated[Visit, Depends(Allowed(None))]) -> Response:
    """Ends the session, for whoever may have its cookie."""
    with visit.services.database.write() as db:
        end_session(db, hash_of(session_token(visit.request, visit.services)))
    answer = RedirectResponse(root_of(visit.request) + LOGIN, 303)
    set_cookie(answer, visit.services, cookie_name(visit.services), "")
    return answer


def entered(request: Request, services: Services, session: Entered, to: str) -> Response:
    """Gives the browser its session, in place of any it had, and leads on: to the second factor first if need be."""
    old = session_token(request, services)
    if old:
        with services.database.write() as db:
            end_session(db, hash_of(old))
    path = to if session.whole else SECOND_FACTOR + _query(request)
    answer = RedirectResponse(root_of(request) + path, 303)
    set_cookie(answer, services, cookie_name(services), session.token)
    return answer


def _log_in(request: Request, form: dict[str, str]) -> Response:
    services = _services(request)
    _require_visitor(request, form)
    email = form.get("email", "").strip().lower()[:LONGEST_FIELD]
    if wait := _limits(request).wait_for_login(request.scope, email):
        return _too_often(request, wait)
    session = log_in(services.database, email, form.get("password", ""), origin_of(request), services.clock())
    if session is None:
        return _login(request, 401, email=email, wrong=_WRONG)
    return entered(request, services, session, where_to(services, request.query_params.get("next", "")))


def _show_factor(request: Request, form: dict[str, str]) -> Response:
    services, now = _services(request), _services(request).clock()
    token = session_token(request, services)
    user_id = _half(request)
    require_own_form(request, services, token, form)
    if wait := _limits(request).wait_for_code(user_id):
        return _too_often(request, wait)
    code = form.get("code", "")[:LONGEST_FIELD]
    with services.database.write() as db:
        session = show_second_factor(db, services.signer, token, code, origin_of(request), now)
    if session is None:
        return _second_factor(
            request, 401, wrong="That code does not count, or was used before. Wait for the next one."
        )
    return entered(request, services, session, where_to(services, request.query_params.get("next", "")))


def _half(request: Request) -> int:
    """Whose half session it is. Raises NotLoggedIn, which leads whoever has none to where they should be."""
    services = _services(request)
    token = session_token(request, services)
    with services.database.read() as db:
        found = find_session(db, hash_of(token), services.clock()) if token else None
    if found is None:
        raise NotLoggedIn(root_of(request) + LOGIN)
    if found[1].whole:
        raise NotLoggedIn(root_of(request) + HOME)
    return found[0].id


def _link(request: Request, token: str) -> Link | None:
    services = _services(request)
    with services.database.read() as db:
        return find_link(db, hash_of(token), services.clock())


def _use_link(request: Request, token: str, form: dict[str, str]) -> Response:
    services, link = _services(request), _link(request, token)
    _require_visitor(request, form)
    if link is None:
        return _no_link(request)
    password = None
    if link.purpose is not LinkPurpose.LOGIN:
        password = form.get("password", "")
        if wrong := problem_with(password, link.user.email, link.user.name):
            return _of_link(request, link, 422, wrong=wrong)
        if password != form.get("again", ""):
            return _of_link(request, link, 422, wrong="The two are not the same.")
    with services.database.write() as db:
        session = enter_by_link(db, token, password, origin_of(request), services.clock())
    return entered(request, services, session, HOME) if session is not None else _no_link(request)


def _require_visitor(request: Request, form: dict[str, str]) -> None:
    """A form of a stranger has to come from a page that this browser was shown."""
    services = _services(request)
    require_own_form(request, services, request.cookies.get(cookie_name(services, _VISITOR), ""), form)


def _login(request: Request, status: int = 200, **values: Any) -> Response:
    said = {"email": "", "wrong": "", "by_identity": bool(_services(request).settings.oidc_issuer)} | values
    return _page(request, "login.html", status, **said)


def _second_factor(request: Request, status: int = 200, wrong: str = "") -> Response:
    services = _services(request)
    csrf = csrf_token(services, session_token(request, services))
    return frame(request, "second_factor.html", status, services.clock(), csrf=csrf, wrong=wrong, query=_query(request))


def _of_link(request: Request, link: Link, status: int = 200, wrong: str = "") -> Response:
    by_login = link.purpose is LinkPurpose.LOGIN
    return _page(request, "link.html", status, who=link.user.email, by_login=by_login, wrong=wrong)


def _no_link(request: Request) -> Response:
    return _page(request, "no_link.html", 404)


def _too_often(request: Request, wait: int) -> Response:
    answer = _page(request, "too_often.html", 429, minutes=-(-wait // 60))
    answer.headers["Retry-After"] = str(wait)
    return answer


def _page(request: Request, name: str, status: int, **values: Any) -> Response:
    """A page for a stranger: a cookie and the forms' token tell that it was this browser that was shown it."""
    services = _services(request)
    held = request.cookies.get(cookie_name(services, _VISITOR), "")
    visitor = held or secrets.token_urlsafe(32)
    csrf = csrf_token(services, visitor)
    answer = frame(request, name, status, services.clock(), csrf=csrf, query=_query(request), **values)
    if not held:
        set_cookie(answer, services, cookie_name(services, _VISITOR), visitor)
    return answer


def _query(request: Request) -> str:
    """What of this page's address its form is sent to as well: where to go on to, if we have signed it."""
    token = request.query_params.get("next", "")
    return f"?next={token}" if where_to(_services(request), token) != HOME else ""


def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def _limits(request: Request) -> Limits:
    found: Limits = request.app.state.limits
    return found
