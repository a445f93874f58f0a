"""People who are logged in at the consoles, without a browser: each page they get and each form they send."""

import re
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from engage.bootstrap import Services
from engage.domain.access import hash_of
from engage.domain.accounts import Role, User
from engage.store.accounts import get_user
from engage.store.tables import sessions, user_programs, users
from engage.web.console.doors import cookie_name, csrf_token

SITE = "http://testserver"
_DOMAIN = "testserver.local"  # as cookie jars call a host without dots


class Console:
    """Somebody in front of the consoles. `post` does as a form of ours: names its origin, brings the token.

    Redirects are not followed, so that a test sees where they lead; `follow` goes on to there.
    """

    def __init__(self, app: FastAPI, services: Services, user: User, token: str) -> None:
        self.services, self.user = services, user
        self.client = TestClient(app, base_url=SITE, follow_redirects=False)
        self.token = token

    @property
    def token(self) -> str:
        """What the session's cookie holds now."""
        return self.client.cookies.get(cookie_name(self.services), "")

    @token.setter
    def token(self, token: str) -> None:
        self.client.cookies.set(cookie_name(self.services), token, domain=_DOMAIN)

    @property
    def csrf(self) -> str:
        return csrf_token(self.services, self.token)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, data: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:
        """`data` values may be lists: boxes that were ticked."""
        headers = {"Origin": SITE} | more.pop("headers", {})
        return self.client.post(path, data={"csrf": self.csrf} | dict(data or {}), headers=headers, **more)

    def follow(self, answer: httpx.Response) -> httpx.Response:
        """The page that a form led on to: it says what was done."""
        assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
        return self.client.get(answer.headers["location"])

    def said(self, answer: httpx.Response) -> str:
        """What the page that a form led on to says was done."""
        found = re.search(r'<p class="note" role="status">(.*?)</p>', self.follow(answer).text, re.DOTALL)
        return found[1] if found else ""


def add_user(
    services: Services,
    role: Role = Role.ADMIN,
    programs: Collection[str] | None = None,
    email: str = "",
    password_hash: str | None = None,
) -> User:
    """A user with this role; `programs` are keys, None: every program."""
    program_ids = services.library().program_ids
    with services.database.write() as db:
        count = db.execute(sa.select(sa.func.count()).select_from(users)).scalar_one()
        row = {
            "email": email or f"{role.value}{count or ''}@example.com",
            "name": f"{role.value.title()} {count}",
            "role": role.value,
            "every_program": programs is None,
            "password_hash": password_hash,
            "created_at": services.clock(),
        }
        user_id = db.execute(sa.insert(users).returning(users.c.id), row).scalar_one()
        for key in programs or ():
            db.execute(sa.insert(user_programs), {"user_id": user_id, "program_id": program_ids[key]})
        user = get_user(db, user_id)
    assert user is not None
    return user


def begin_session(services: Services, user: User, *, whole: bool = True) -> str:
    """A session of the user, as a login makes it: what its cookie holds."""
    token, now = secrets.token_urlsafe(32), services.clock()
    row = {
        "token_hash": hash_of(token),
        "user_id": user.id,
        "whole": whole,
        "created_at": now,
        "used_at": now,
        "expires_at": now + timedelta(days=1),
        "origin": "test",
    }
    with services.database.write() as db:
        db.execute(sa.insert(sessions), row)
    return token


MakeConsole = Callable[..., Console]
"""What the fixture `console` is: `console(role, programs=None, email="")`."""
