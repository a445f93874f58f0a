"""Too much at once: what is let in is answered soon, and the rest is told at once to come again."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from engage.queueing import Lane
from engage.web.app import build_app
from engage.web.v1 import routes
from engage.web.v1.admission import AT_ONCE, INSIDE, WAITING, Admission
from engage.web.v1.problems import Problem
from tests.support.engage import Engage
from tests.support.intake_api import Pusher
from tests.support.shipped import copy_shipped


@pytest.fixture
def crm(sqlite_url: str, tmp_path: Path) -> Iterator[Pusher]:
    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    yield Pusher(engage)
    engage.services.close()


def test_who_does_not_get_a_turn_soon_is_turned_away_and_who_comes_behind_many_at_once() -> None:
    admission = Admission(lambda _most: 0, 10)
    busy, go_on = threading.Semaphore(0), threading.Event()

    def work() -> str:
        busy.release()
        assert go_on.wait(20)
        return "done"

    async def one() -> str:
        try:
            async with admission.guest("keys"):
                return await admission.work(work)
        except Problem as problem:
            return f"{problem.status}, {problem.headers['Retry-After']}"

    async def story() -> None:
        first = [asyncio.create_task(one()) for _ in range(AT_ONCE)]
        for _ in first:
            await asyncio.to_thread(busy.acquire)
        behind = [asyncio.create_task(one()) for _ in range(WAITING)]
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await one() == "503, 1"
        assert time.monotonic() - began < 0.2, "at once"
        assert await asyncio.gather(*behind) == ["503, 1"] * WAITING
        go_on.set()
        assert await asyncio.gather(*first) == ["done"] * AT_ONCE
        assert await one() == "done"

    asyncio.run(story())


def test_the_backlog_is_counted_once_a_second_and_closes_the_door() -> None:
    asked: list[int] = []

    def waiting(most: int) -> int:
        asked.append(most)
        return most

    async def story() -> None:
        admission = Admission(waiting, 10)
        for _ in range(3):
            with pytest.raises(Problem) as refused:
                async with admission.guest("keys"):
                    pass
            assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "10"})

    asyncio.run(story())
    assert asked == [11]


def test_no_more_is_taken_than_the_workers_can_keep_up_with(crm: Pusher) -> None:
    services = crm.engage.services
    services.settings = services.settings.model_copy(update={"intake_backlog": 2})
    crm.restart()
    crm.engage.partner("ann")
    for minute in range(3):
        login = {"partner": "ann", "at": f"2026-03-01T10:0{minute}:00Z"}
        assert crm.post("/v1/logins", {"logins": [login]}).status_code == 202
    crm.restart()  # one that has not looked within this second
    refused = crm.post("/v1/partners", {"partners": [{"external_id": "P-1"}]})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert "2 events wait" in refused.json()["detail"]
    assert any(lane is Lane.EVENTS for _, _, lane in crm.engage.queue.waiting)
    crm.engage.work()
    crm.restart()
    assert crm.post("/v1/partners", {"partners": [{"external_id": "P-1"}]}).status_code == 202


def test_who_sends_slowly_gives_the_place_back_and_keeps_no_known_key_out(
    crm: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "SECONDS_TO_ARRIVE", 0.5)

    async def story() -> None:
        transport = httpx.ASGITransport(build_app(crm.engage.services))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=30) as client:
            usual = {"Content-Type": "application/json"}

            async def trickle() -> AsyncIterator[bytes]:
                yield b"{"
                await asyncio.sleep(20)

            slow = [
                asyncio.create_task(client.post("/v1/push/nobody", content=trickle(), headers=usual))
                for _ in range(INSIDE)
            ]
            await asyncio.sleep(0.2)
            signed = await client.post("/v1/push/nobody", content=b"{}", headers=usual)
            assert signed.status_code == 503
            keyed = usual | {"Authorization": f"Bearer {crm.key}"}
            assert (await client.put("/v1/partners/P-1", content=b"{}", headers=keyed)).status_code == 202
            assert {answer.status_code for answer in await asyncio.gather(*slow)} == {408}
            assert (await client.post("/v1/push/nobody", content=b"{}", headers=usual)).status_code == 401

    asyncio.run(story())
