"""Every route of the consoles, for every role and every method: who is let in, and that nobody else is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from engage.domain.accounts import Role
from engage.web.console.doors import Allowed, Visit
from tests.support.consoles import SITE, Console, MakeConsole, begin_session
from tests.support.strangers import _flat, routes_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
EVERYBODY = "admin marketing ops sales read-only"
SEERS = "admin marketing ops read-only"

TABLE = {
    ("GET", "/console"): EVERYBODY,
    ("GET", "/console/live"): SEERS,
    ("GET", "/console/machinery"): SEERS,
    ("GET", "/console/deliveries"): SEERS,
    ("POST", "/console/deliveries/move"): "admin ops",
    ("GET", "/console/deliveries/{name}"): SEERS,
    ("GET", "/console/deliveries/{name}/mail"): SEERS,
    ("GET", "/console/held"): SEERS,
    ("POST", "/console/held/decide"): "admin ops",
    ("POST", "/console/sending/{do}"): "admin ops, in every program",
    ("POST", "/console/topics/{do}"): "admin ops",
    ("POST", "/console/campaign-pauses/{do}"): "admin marketing ops",
    ("GET", "/console/campaigns"): SEERS,
    ("GET", "/console/campaigns/{program}/{name}"): SEERS,
    ("GET", "/console/campaigns/{program}/{name}/as"): SEERS,
    ("GET", "/console/campaigns/{program}/{name}/mail"): SEERS,
    ("GET", "/console/campaigns/{program}/{name}/plan"): SEERS,
    ("GET", "/console/calendar"): SEERS,
    ("GET", "/console/stories"): SEERS,
    ("GET", "/console/stories/editions"): SEERS,
    ("GET", "/console/partners"): EVERYBODY,
    ("GET", "/console/partners/{program}/{external_id:path}"): EVERYBODY,
    ("GET", "/console/partners/{program}/{external_id:path}/export"): "admin ops",
    ("POST", "/console/partners/{program}/{external_id:path}/forget"): "admin ops",
    ("GET", "/console/coaching"): "admin marketing sales read-only",
    ("GET", "/console/coaching/{alert_id:int}"): "admin marketing sales read-only",
    ("POST", "/console/coaching/{alert_id:int}/claim"): "admin marketing sales",
    ("POST", "/console/coaching/{alert_id:int}/release"): "admin marketing sales",
    ("POST", "/console/coaching/{alert_id:int}/reopen"): "admin marketing sales",
    ("POST", "/console/coaching/{alert_id:int}/resolve"): "admin marketing sales",
    ("POST", "/console/coaching/{alert_id:int}/snooze"): "admin marketing sales",
    ("POST", "/console/logout"): EVERYBODY,
    ("GET", "/console/account"): EVERYBODY,
    ("POST", "/console/account/password"): EVERYBODY,
    ("POST", "/console/account/second-factor/offer"): EVERYBODY,
    ("POST", "/console/account/second-factor/confirm"): EVERYBODY,
    ("POST", "/console/account/second-factor/remove"): EVERYBODY,
    ("POST", "/console/account/sessions"): EVERYBODY,
    ("GET", "/console/audit"): "admin ops",
    ("GET", "/console/users"): "admin, in every program",
    ("POST", "/console/users"): "admin, in every program",
    ("GET", "/console/users/{user_id:int}"): "admin, in every program",
    ("POST", "/console/users/{user_id:int}/role"): "admin, in every program",
    ("POST", "/console/users/{user_id:int}/disable"): "admin, in every program",
    ("POST", "/console/users/{user_id:int}/enable"): "admin, in every program",
    ("POST", "/console/users/{user_id:int}/reset"): "admin, in every program",
}
"""Who is let in by which door. A route that is not here is let through by this test to nobody: write its line."""

OPEN = {
    ("GET", "/console/login"),
    ("POST", "/console/login"),
    ("GET", "/console/second-factor"),
    ("POST", "/console/second-factor"),
    ("GET", "/console/link/{token}"),
    ("POST", "/console/link/{token}"),
    ("GET", "/console/oidc/start"),
    ("GET", "/console/oidc/callback"),
}
"""What strangers reach: test_entrance.py and test_oidc.py are about these."""

INSIDE = 299
"""What a route answers here to whoever has passed its door: what it would do is for other tests."""


def _routes(app: FastAPI) -> Iterator[Any]:
    return (one for one in _flat(app.router.routes) if getattr(one, "path", "").startswith("/console"))


def _doors(dependant: Any) -> list[Allowed]:
    own = [one.call for one in dependant.dependencies if isinstance(one.call, Allowed)]
    return own + [door for one in dependant.dependencies for door in _doors(one)]


class Inside(Exception):
    """Somebody has passed a door."""


@pytest.fixture
def doors(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The application with nothing behind its doors."""
    passes = Allowed.__call__

    async def passes_and_no_further(self: Allowed, request: Request) -> Visit:
        await passes(self, request)
        raise Inside

    @app.exception_handler(Inside)
    async def inside(_request: Request, _error: Exception) -> Response:
        return Response(status_code=INSIDE)

    monkeypatch.setattr(Allowed, "__call__", passes_and_no_further)
    return app


def _path(pattern: str) -> str:
    return re.sub(r"\{.*?\}", "1", pattern)


def test_every_route_is_in_the_table_and_has_a_door(app: FastAPI) -> None:
    there = {(method, path) for method, path in routes_of(app) if path.startswith("/console")}
    assert sorted(there - OPEN - TABLE.keys()) == [], "say in TABLE who is let in"
    assert sorted((OPEN | TABLE.keys()) - there) == [], "there are no such routes any more"
    for route in _routes(app):
        doors = _doors(route.dependant)
        assert len(doors) == (0 if (*route.methods, route.path) in OPEN else 1), route.path


@pytest.mark.parametrize("role", Role)
def test_each_role_is_let_in_where_the_table_says_and_nowhere_else(
    doors: FastAPI, console: MakeConsole, role: Role
) -> None:
    somebody, scoped = console(role), console(role, programs=[])
    wrong = []
    for (method, pattern), who in TABLE.items():
        names, _, everywhere = who.partition(", ")
        for one, wanted in ((somebody, role in names.split()), (scoped, role in names.split() and not everywhere)):
            answer = _asks(one, method, _path(pattern))
            let_in = answer.status_code in (INSIDE, 422)  # 422: a field is missing, of a form that may be sent
            if let_in != wanted or not (let_in or answer.status_code == 403):
                wrong.append((method, pattern, one is scoped, answer.status_code))
    assert wrong == []
    assert doors is somebody.client.app


@pytest.mark.usefixtures("doors")
def test_nobody_is_let_in_by_a_method_that_a_route_does_not_have(console: MakeConsole) -> None:
    admin = console("admin")
    known = [(method, re.compile(re.sub(r"\{.*?\}", ".+", path))) for method, path in (*TABLE, *OPEN)]
    for path in {_path(pattern) for _, pattern in (*TABLE, *OPEN)}:
        for method in METHODS:
            if not any(method == one and pattern.fullmatch(path) for one, pattern in known):
                assert _asks(admin, method, path).status_code in (404, 405), (method, path)


@pytest.mark.parametrize("cookie", ["", "made-up", "half"])
def test_strangers_are_led_to_the_login_and_see_nothing(doors: FastAPI, console: MakeConsole, cookie: str) -> None:
    known = console("admin")
    stranger = TestClient(doors, base_url=SITE, follow_redirects=False)
    token = begin_session(known.services, known.user, whole=False) if cookie == "half" else cookie
    if token:
        stranger.cookies.set("engage_session", token)
    to = "/console/second-factor" if cookie == "half" else "/console/login"
    for method, pattern in TABLE:
        answer = stranger.request(method, _path(pattern), headers={"Origin": SITE}, data={"csrf": known.csrf})
        assert answer.status_code == 303, (method, pattern)
        assert answer.headers["location"].partition("?")[0] == to
        assert answer.text == ""


@pytest.mark.usefixtures("doors")
def test_nothing_is_done_for_who_does_not_bring_the_token_or_comes_from_elsewhere(console: MakeConsole) -> None:
    admin, other = console("admin"), console("admin")
    for method, pattern in TABLE:
        if method == "GET":
            continue
        path = _path(pattern)
        for csrf, origin in (
            ("", SITE),
            (other.csrf, SITE),
            (admin.csrf, "https://evil.example"),
            (admin.csrf, "null"),
        ):
            assert admin.post(path, {"csrf": csrf}, headers={"Origin": origin}).status_code == 403, (pattern, origin)
        assert admin.client.post(path, data={"csrf": admin.csrf}).status_code == 403, "nobody says where it comes from"


def test_a_login_without_a_permission_is_said_in_words(console: MakeConsole) -> None:
    answer = console("sales").get("/console/deliveries")
    assert answer.status_code == 403
    assert "Your role, sales, does not let you do this" in answer.text


def _asks(who: Console, method: str, path: str) -> Any:
    data = {"csrf": who.csrf} if method not in ("GET", "HEAD") else None
    return who.client.request(method, path, data=data, headers={"Origin": SITE})
