"""What people and machines are told when something cannot be answered, and what is not told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from engage.domain.errors import ServiceUnreachable
from engage.web import bodies
from engage.web.app import build_app
from engage.web.bodies import LARGEST_FORM
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped

SECRET = "eyJh.secret-token"


@pytest.fixture
def app(sqlite_url: str, tmp_path: Path) -> Iterator[FastAPI]:
    running = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield build_app(running.services)
    running.services.close()


@pytest.fixture
def web(app: FastAPI) -> TestClient:
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize("path", ["/nothing", f"/unsubscribe/{SECRET}/", "/static/nothing.css", "/brand/nobody.css"])
def test_people_get_a_page_for_what_is_not_there(web: TestClient, path: str) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize("path", ["/v1/nothing", "/hooks/nothing/else", "/webhooks/nothing"])
def test_machines_get_a_problem(web: TestClient, path: str) -> None:
    answer = web.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code


def test_a_method_that_is_not_for_this_page_is_a_page_too_and_says_which_are(web: TestClient) -> None:
    answer = web.delete(f"/unsubscribe/{SECRET}")
    assert answer.status_code == 405
    assert "That was not understood" in answer.text
    assert answer.headers["allow"]


def test_a_service_that_is_away_is_said_with_when_to_come_again(app: FastAPI, web: TestClient) -> None:
    @app.get("/away")
    def away() -> None:
        raise ServiceUnreachable(f"the database at {SECRET}")

    answer = web.get("/away")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "Not just now" in answer.text
    assert SECRET not in answer.text


def test_what_nobody_expected_is_a_page_without_a_word_of_it_and_the_log_has_only_where(
    app: FastAPI, web: TestClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    @app.get("/broken/{token}")
    def broken(token: str) -> None:
        raise KeyError(token)

    answer = web.get(f"/broken/{SECRET}")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert answer.headers["content-security-policy"]
    said = caplog.text + "".join(capsys.readouterr())
    assert "KeyError" in said
    assert "/broken/{token}" in said
    assert SECRET not in said + answer.text


def forms(app: FastAPI) -> None:
    @app.post("/form")
    async def form(request: Request) -> int:
        return len(await request.body())


def test_a_form_that_is_too_large_is_refused_whether_it_says_so_or_not(app: FastAPI, web: TestClient) -> None:
    forms(app)
    assert web.post("/form", content=b"x" * LARGEST_FORM).text == str(LARGEST_FORM)
    assert web.post("/form", content=b"x" * (LARGEST_FORM + 1)).status_code == 413
    parts = (b"x" * 1000 for _ in range(LARGEST_FORM // 1000 + 1))
    answer = web.post("/form", content=parts)
    assert answer.status_code == 413
    assert "That is too much" in answer.text


def test_a_form_that_does_not_arrive_in_time_is_let_go(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    forms(app)
    monkeypatch.setattr(bodies, "SECONDS_TO_ARRIVE", 0.05)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def ask() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.post("/form", content=slowly())).status_code

    assert asyncio.run(ask()) == 408


def test_too_much_at_once_says_when_to_come_again(app: FastAPI, web: TestClient) -> None:
    @app.get("/often")
    def often() -> None:
        raise HTTPException(429, headers={"Retry-After": "7"})

    answer = web.get("/often")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert "Too many at once" in answer.text
