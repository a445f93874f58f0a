"""The first page and the machinery: what is wrong first, with what helps; live while somebody looks."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from fastapi import Request

from engage.domain.deliveries import DeliveryState
from engage.domain.errors import ServiceUnreachable
from engage.store.counts import HourCount
from engage.store.tables import attempts, sessions
from engage.store.upkeep import AtWork
from engage.web.console import live
from engage.web.console.chart import HEIGHT, WIDTH, Span, chart_of
from engage.web.console.doors import Visit, who
from engage.web.console.live import Watch, event
from engage.web.console.overview import Part, _stream
from tests.support.consoles import Console, MakeConsole
from tests.support.engage import START, Engage
from tests.support.many_mails import Mails

STRANGE = "<script>alert('550')</script>"


def beats(engage: Engage) -> None:
    engage.services.beat("worker@a:1", "worker", [AtWork("deliver", 12, engage.now - timedelta(seconds=40))])
    engage.services.beat("scheduler@a:2", "scheduler")


def test_an_operator_reads_first_that_mail_does_not_go_out_and_has_the_button_that_helps(
    engage: Engage, console: MakeConsole
) -> None:
    beats(engage)
    with engage.services.database.write() as db:
        engage.services.gate.pause(db, "our credentials are refused: 401", engage.now)
    text = console("ops").get("/console").text
    assert text.index("Mail does not go out.") < text.index("Resume sending") < text.index("Deliveries over time")
    assert 'href="/console/held#sending"' in text


def test_where_nothing_is_wrong_it_says_so(engage: Engage, console: MakeConsole) -> None:
    beats(engage)
    assert "All is well." in console("read-only").get("/console").text


def test_the_chart_counts_what_came_to_an_end(engage: Engage, console: MakeConsole) -> None:
    mails = Mails(engage.services.database, engage.program)
    yesterday, at = engage.now - timedelta(days=1, hours=2), engage.now - timedelta(hours=2)
    mails.add(7, yesterday, state=DeliveryState.ACCEPTED, settled_at=yesterday)
    mails.add(5, at, state=DeliveryState.ACCEPTED, settled_at=at)
    mails.add(2, at, state=DeliveryState.DEAD, settled_at=at)
    while engage.services.count_deliveries():
        pass
    ops = console("ops")
    assert 'Sent <b class="number">5</b>' in ops.get("/console").text
    fortnight = ops.get("/console?over=14d").text
    assert 'Sent <b class="number">12</b>' in fortnight
    assert 'Unknown or dead <b class="number">2</b>' in fortnight
    assert ops.get("/console?over=a-year").status_code == 422
    others = console("ops", programs=[], email="elsewhere@example.com")
    assert 'class="bars"' not in others.get("/console").text, "counts of programs that one is not let into"


def test_the_machinery_tells_what_each_worker_is_at_and_what_the_provider_answered(
    engage: Engage, console: MakeConsole
) -> None:
    beats(engage)
    mails = Mails(engage.services.database, engage.program)
    [id_] = mails.add(1, engage.now, state=DeliveryState.DEAD, settled_at=engage.now)
    with engage.services.database.write() as db:
        tried = {"program_id": mails.program_id, "delivery_id": id_, "number": 1, "lease": "x", "subject": "s"}
        tried |= {"started_at": engage.now, "finished_at": engage.now, "outcome": "dead", "detail": STRANGE}
        db.execute(sa.insert(attempts), tried)
    text = console("ops").get("/console/machinery").text
    assert "deliver of 12 for 40 s" in text
    assert "monthly-newsletter" in text
    assert f'href="/console/deliveries/d-{id_}"' in text
    assert STRANGE not in text
    assert "&lt;script&gt;alert" in text


def test_sales_see_what_is_theirs_and_no_machinery(console: MakeConsole) -> None:
    sam = console("sales")
    text = sam.get("/console").text
    assert "Coaching" in text
    assert "sse-connect" not in text
    assert sam.get("/console/machinery").status_code == 403
    assert sam.get("/console/live").status_code == 403


def test_whose_program_is_another_reads_no_names_of_it(console: MakeConsole) -> None:
    text = console("ops", programs=[]).get("/console/machinery").text
    assert "monthly-newsletter" not in text


# --- live -------------------------------------------------------------------------------------------------------------


def visit_of(engage: Engage, app: object, ops: Console) -> Visit:
    """The visit of an open stream, as its route gets it."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/console/live",
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"cookie", f"engage_session={ops.token}".encode())],
        "app": app,
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }
    made = Request(scope)
    user, _ = who(made, engage.services)
    return Visit(made, engage.services, user, ops.csrf, {})


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY", 0.01)


def test_an_open_page_hears_of_trouble(engage: Engage, app: object, console: MakeConsole) -> None:
    beats(engage)
    visit = visit_of(engage, app, console("ops"))

    async def listen() -> list[str]:
        stream = _stream(visit, Part.OVERVIEW)
        heard = [await anext(stream)]
        with engage.services.database.write() as db:
            engage.services.gate.pause(db, "a wrong price", engage.now)
        heard.append(await anext(stream))
        await stream.aclose()
        return heard

    first, then = asyncio.run(listen())
    assert "All is well." in first
    assert "Mail does not go out." in then
    assert all(line.startswith("data: ") for line in then.strip().splitlines())


def test_nothing_is_sent_while_nothing_changes_and_a_stream_ends_with_its_session(
    engage: Engage, app: object, console: MakeConsole
) -> None:
    beats(engage)
    ops = console("ops")
    visit = visit_of(engage, app, ops)

    async def listen() -> int:
        heard = 0
        async for _ in _stream(visit, Part.MACHINERY):
            heard += 1
            with engage.services.database.write() as db:
                db.execute(sa.delete(sessions))
        return heard

    assert asyncio.run(listen()) == 1


def test_an_open_page_says_when_the_database_is_away_and_goes_on(
    engage: Engage, app: object, console: MakeConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = visit_of(engage, app, console("ops"))
    look = engage.services.status
    away = ServiceUnreachable("the database failed: no answer", "see that it runs")
    answers = iter((away, None))

    def looks() -> object:
        if (error := next(answers, None)) is not None:
            raise error
        return look()

    monkeypatch.setattr(engage.services, "status", looks)

    async def listen() -> tuple[str, str]:
        stream = _stream(visit, Part.OVERVIEW)
        heard = await anext(stream), await anext(stream)
        await stream.aclose()
        return heard

    first, then = asyncio.run(listen())
    assert "the database failed: no answer" in first
    assert "the database failed" not in then


def test_one_look_serves_all_who_listen_and_none_is_made_for_nobody() -> None:
    looked = []
    watch = Watch(lambda: looked.append(1) or SimpleNamespace())  # type: ignore[arg-type, return-value, func-returns-value]

    async def one(times: int) -> None:
        heard = 0
        async for _ in watch.looks():
            heard += 1
            if heard == times:
                break

    async def all_of_them() -> None:
        await asyncio.gather(*(one(3) for _ in range(20)))
        async with asyncio.timeout(30):
            while len(asyncio.all_tasks()) > 1:  # until the one who looks sees that nobody listens, and ends
                await asyncio.sleep(0)

    asyncio.run(all_of_them())
    assert len(looked) <= 5


def test_an_event_is_one_however_many_lines_it_has() -> None:
    assert event("a\nb") == "data: a\ndata: b\n\n"


def test_bars_fill_the_height_and_lie_beside_each_other() -> None:
    counts = [
        HourCount(START - timedelta(hours=1), "accepted", 900),
        HourCount(START - timedelta(hours=1), "dead", 100),
        HourCount(START, "skipped", 1),
        HourCount(START, "created", 50),
        HourCount(START - timedelta(days=3), "accepted", 5),
    ]
    chart = chart_of(counts, Span.DAY, START + timedelta(minutes=20))
    assert (chart.highest, chart.totals, len(chart.columns)) == (1000, (900, 1, 100), 24)
    assert [bar.css for bar in chart.bars] == ["sent", "stuck", "kept"]
    sent, stuck, kept = chart.bars
    assert sent.height == HEIGHT * 0.9
    assert stuck.y == 0
    assert kept.height == 1.0, "one among a thousand is still seen"
    assert kept.x + kept.width <= WIDTH
    assert len(chart_of(counts, Span.FORTNIGHT, START).columns) == 14
