"""A site with the programme as it is shipped, and a Chromium that looks at it."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from engage.domain.accounts import Role
from engage.web.app import build_app
from engage.web.console.doors import cookie_name
from tests.providers.servers import HttpServer
from tests.support.command import ROOT
from tests.support.consoles import add_user, begin_session
from tests.support.engage import Engage
from tests.support.npm import npm_package
from tests.support.pages import LoggedIn, Pages, Visitor, kept_pictures, running_chromium


@pytest.fixture(scope="module")  # not longer: other tests of this process run event loops of their own
def chromium_of_pages(chromium: Path) -> Iterator[Browser]:
    with running_chromium(chromium) as browser:
        yield browser


@pytest.fixture
def engage(sqlite_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(sqlite_url, tmp_path, ROOT / "campaigns", ROOT / "email_templates")
    yield running
    running.services.close()


@pytest.fixture
def pages(engage: Engage, chromium_of_pages: Browser) -> Iterator[Pages]:
    axe = npm_package("axe-core")
    with HttpServer(build_app(engage.services)) as server:
        pages = Pages(chromium_of_pages, server.url, axe, kept_pictures())
        yield pages
        pages.close()


@pytest.fixture
def ann(pages: Pages) -> Visitor:
    """A partner with a phone."""
    return pages.visitor()


@pytest.fixture
def logged_in(engage: Engage, pages: Pages) -> LoggedIn:
    """`logged_in(Role.OPS)` is a browser in which somebody with this role has logged in."""

    def made(role: Role, programs: Collection[str] | None = None, email: str = "") -> Visitor:
        visitor = pages.visitor()
        token = begin_session(engage.services, add_user(engage.services, role, programs, email))
        visitor.opens("/healthz")
        cookie = {"name": cookie_name(engage.services), "value": token, "url": visitor.page.url}
        visitor.page.context.add_cookies([cookie])  # type: ignore[list-item]
        return visitor

    return made
