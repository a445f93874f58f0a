"""The second channel: what is sent to whom, and that nothing keeps it for long."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from yarl import URL

from engage.domain.errors import ServiceUnreachable
from engage.providers.alarm_channel import LONGEST, AlarmChannel
from tests.providers.servers import HttpServer, ScriptedServer, closed_port, http_by_the_byte, http_then_reset

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Receiver:
    """Something that takes alarms, and answers with `status`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self.status = 200
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.taken.append(await request.json())
        return Response(status_code=self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()
    with HttpServer(receiver.app) as server:
        yield receiver, f"{server.url}/hook/secret-1"


def sends(url: str, said: str = "all sending is paused") -> None:
    with closing(AlarmChannel(url)) as channel:
        channel.send("sending_paused", said, AT)


def test_an_alarm_comes_as_json(receiver: tuple[Receiver, str]) -> None:
    there, url = receiver
    sends(url)
    assert there.taken == [
        {"text": "all sending is paused", "kind": "sending_paused", "raised_at": "2026-03-02T12:00:00Z"}
    ]


def test_slack_gets_the_text_alone_with_nothing_in_it_that_slack_would_act_on(
    receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, url = receiver
    monkeypatch.setattr("engage.providers.alarm_channel._SLACK", (URL(url).host,))
    sends(url, "<!channel> 401 & more")
    assert there.taken == [{"text": "&lt;!channel&gt; 401 &amp; more"}]


@pytest.mark.parametrize("status", [301, 400, 403, 404, 500])
def test_whoever_does_not_take_it_is_named_without_the_secret(receiver: tuple[Receiver, str], status: int) -> None:
    there, url = receiver
    there.status = status
    with pytest.raises(ServiceUnreachable, match=str(status)) as raised:
        sends(url)
    assert "127.0.0.1" in str(raised.value)
    assert "secret-1" not in str(raised.value)
    assert len(there.taken) == 1  # a redirect is not followed


def test_nobody_there_is_said_without_the_secret() -> None:
    with pytest.raises(ServiceUnreachable) as raised:
        sends(f"http://127.0.0.1:{closed_port()}/hook/secret-1")
    assert "secret-1" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_connection_that_is_lost_is_said() -> None:
    with ScriptedServer(http_then_reset) as server, pytest.raises(ServiceUnreachable):
        sends(server.url)


def test_a_server_that_answers_a_byte_at_a_time_is_given_up() -> None:
    begun = time.monotonic()
    with ScriptedServer(http_by_the_byte) as server, pytest.raises(ServiceUnreachable, match="in time"):
        sends(server.url)
    assert time.monotonic() - begun < LONGEST + 30, "the server goes on for minutes"
