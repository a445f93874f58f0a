"""The tests' own eyes: what a visitor must complain of is complained of."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from engage.web.headers import StrictHeaders
from tests.providers.servers import HttpServer
from tests.support.npm import npm_package
from tests.support.pages import Pages, Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

WRONG = {
    "wide": ("<p><img alt='' width=600 height=10>", "pixels wide on 375"),
    "small": ("<p><button>Go</button>", "too small to press"),
    "unnamed": ("<p><input type=image width=60 height=60>", "serious|critical"),
    "styled": ("<p style='color: red'>Red", "Content Security Policy"),
    "scripted": ("<script>1</script><p>Text", "Content Security Policy"),
}


def page_of(request: Request) -> HTMLResponse:
    body = WRONG.get(request.path_params["name"], ("",))[0]  # browsers ask for an icon too
    head = "<meta charset=utf-8><meta name=viewport content='width=device-width'><title>t</title>"
    return HTMLResponse(
        f"<!doctype html><html lang=en><head>{head}</head><body><main><h1>One</h1>{body}</main></body></html>"
    )


@pytest.fixture
def visitor(chromium_of_pages: Browser) -> Iterator[Visitor]:
    app = StrictHeaders(Starlette(routes=[Route("/{name}", page_of)]), secure=False)
    with HttpServer(app) as server:
        pages = Pages(chromium_of_pages, server.url, npm_package("axe-core"), None)
        yield pages.visitor()
        pages.close()


@pytest.mark.parametrize("name", WRONG)
def test_what_keeps_somebody_out_is_found(visitor: Visitor, name: str) -> None:
    visitor.opens(f"/{name}")
    with pytest.raises(AssertionError, match=WRONG[name][1]):
        visitor.finds_it_fine(name)
