"""Reading SendGrid's suppression lists: the real client against the real mailbox, and against trouble."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sendgrid import SendGridAPIClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engage.domain.errors import InputError, ServiceUnreachable
from engage.providers.sendgrid_suppressions import Group, Listed, SuppressionLists, read_suppressions
from engage.web.mailbox import MailStore, mailbox_app
from engage.web.mailbox.suppressed import SuppressedStore
from tests.providers.servers import HttpServer, closed_port

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def mailbox() -> Iterator[HttpServer]:
    store = MailStore()
    with HttpServer(mailbox_app(store, lambda: NOW)) as running:
        yield running
    store.close()


def read(url: str, pauses: list[float] | None = None) -> SuppressionLists:
    async def pause(seconds: float) -> None:
        (pauses if pauses is not None else []).append(seconds)

    return read_suppressions(url, "SG.key", lambda: NOW, pause=pause)


def test_all_lists_are_read_with_their_dates(mailbox: HttpServer) -> None:
    client = SendGridAPIClient("SG.key", host=mailbox.url).client
    group = int(SuppressedStore().add_group("x", "x", False)["id"])
    client.asm.groups.post(request_body={"name": "News", "description": "x"})
    client.asm.groups._(group).suppressions.post(request_body={"recipient_emails": ["ann@example.com"]})
    client.asm.suppressions._("global").post(request_body={"recipient_emails": ["bob@example.com"]})
    assert read(mailbox.url) == SuppressionLists(
        bounces=(),
        spam_reports=(),
        invalid_emails=(),
        unsubscribes=(Listed("bob@example.com", NOW),),
        groups=(Group(group, "News", (Listed("ann@example.com", NOW),)),),
    )


def test_long_lists_are_read_to_their_end(mailbox: HttpServer) -> None:
    client = SendGridAPIClient("SG.key", host=mailbox.url).client
    many = [f"p{number}@example.com" for number in range(1203)]
    client.asm.suppressions._("global").post(request_body={"recipient_emails": many})
    client.asm.groups.post(request_body={"name": "News", "description": "x"})
    client.asm.groups._(101).suppressions.post(request_body={"recipient_emails": many})
    lists = read(mailbox.url)
    assert [one.email for one in lists.unsubscribes] == many
    assert [one.email for one in lists.groups[0].members] == many
    assert all(one.at == NOW for one in lists.groups[0].members)


# -- trouble -----------------------------------------------------------------------------------------------------------

Answer = Callable[[Request], Response]


def a_server(**answers: Answer | list[Answer]) -> HttpServer:
    """Answers with empty lists, but by the last part of the path as told, one answer after the other."""

    async def answer(request: Request) -> Response:
        told = answers.get(request.url.path.rpartition("/")[2])
        if isinstance(told, list):
            told = told.pop(0) if told else None
        return told(request) if told else JSONResponse([])

    handler: Callable[[Request], Awaitable[Response]] = answer
    return HttpServer(Starlette(routes=[Route("/{path:path}", handler)]))


def says(status: int, content: Any = None, **headers: str) -> Answer:
    return lambda _: JSONResponse(
        content or {"errors": []}, status, {k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_to_the_end() -> None:
    entries = [{"email": f"p{number}@example.com", "created": 5, "reason": "", "status": ""} for number in range(7)]

    def two_at_a_time(request: Request) -> Response:
        first = int(request.query_params["offset"])
        return JSONResponse(entries[first : first + 2])

    with a_server(bounces=two_at_a_time) as server:
        assert [one.email for one in read(server.url).bounces] == [entry["email"] for entry in entries]


def test_a_server_that_knows_no_pages_is_read_once() -> None:
    with a_server(bounces=says(200, [{"email": "a@example.com", "created": 0}])) as server:
        assert read(server.url).bounces == (Listed("a@example.com", None),)


def test_a_group_that_was_removed_is_still_a_group_that_was_left() -> None:
    left = {"email": "a@example.com", "group_id": 7, "group_name": "Old", "created_at": 5}

    def answers(request: Request) -> Response:
        return JSONResponse([left] if request.url.path == "/v3/asm/suppressions" else [])

    with a_server(suppressions=answers) as server:
        (group,) = read(server.url).groups
    assert (group.id, group.name, [one.email for one in group.members]) == (7, "Old", ["a@example.com"])


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"X_RateLimit_Reset": str(int(NOW.timestamp()) + 30)}, 30.0),
        ({"X_RateLimit_Reset": str(int(NOW.timestamp()) - 30)}, 0.0),
        ({}, 1.0),
    ],
)
def test_it_waits_as_long_as_it_is_asked_to(headers: dict[str, str], waited: float) -> None:
    pauses: list[float] = []
    answers = [says(429, **headers), says(200, [{"email": "a@example.com", "created": 5}])]
    with a_server(bounces=answers) as server:
        assert len(read(server.url, pauses).bounces) == 1
    assert pauses == [waited]


@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        (says(401), "does not know this key (401)", "ENGAGE_SENDGRID_API_KEY"),
        (says(403), "does not let this key read /v3/suppression/bounces (403)", "suppression.bounces.read"),
        (says(429, Retry_After="3600"), "asks for patience", "try again after 2026-03-02 13:00 UTC"),
        (says(503), "answers 503", "try again later"),
        (says(302), "answers 302", "ENGAGE_SENDGRID_HOST"),
        (says(200, {"no": "list"}), "with something else than its lists", "ENGAGE_SENDGRID_HOST"),
        (says(200, [{"mail": "x"}]), "with something else than its lists", "ENGAGE_SENDGRID_HOST"),
        (lambda _: Response("<html>"), "with something else than its lists", "ENGAGE_SENDGRID_HOST"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(answer: Answer, said: str, hint: str) -> None:
    with a_server(bounces=answer) as server, pytest.raises(ServiceUnreachable) as refused:
        read(server.url)
    assert said in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("name", "scope"), [("groups", "asm.groups.read"), ("spam_reports", "suppression.spam_reports.read")]
)
def test_a_missing_permission_is_named(name: str, scope: str) -> None:
    with a_server(**{name: says(403)}) as server, pytest.raises(ServiceUnreachable, match="403") as refused:
        read(server.url)
    assert scope in refused.value.hint


def test_nobody_there_and_a_key_that_is_none_are_said() -> None:
    with pytest.raises(ServiceUnreachable, match="does not answer"):
        read(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(InputError, match="key"):
        read_suppressions("https://api.sendgrid.com", "two words", lambda: NOW)
    with pytest.raises(InputError, match="not the URL of a server"):
        read_suppressions("api.sendgrid.com", "key", lambda: NOW)
