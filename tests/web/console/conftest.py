"""The application in one process on the small programme, and people who are logged in at its consoles."""

from collections.abc import Collection

import pytest
from fastapi import FastAPI

from engage.domain.accounts import Role
from engage.web.app import build_app
from tests.support.consoles import Console, MakeConsole, add_user, begin_session
from tests.support.engage import Engage


@pytest.fixture
def app(engage: Engage) -> FastAPI:
    return build_app(engage.services)


@pytest.fixture
def console(engage: Engage, app: FastAPI) -> MakeConsole:
    """`console("ops")` is a logged-in client with this role; `programs` are the keys of those it is let into."""

    def made(role: Role | str = Role.ADMIN, programs: Collection[str] | None = None, email: str = "") -> Console:
        user = add_user(engage.services, Role(role), programs, email)
        return Console(app, engage.services, user, begin_session(engage.services, user))

    return made
