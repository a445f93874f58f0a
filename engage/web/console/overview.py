"""The first page, and the machinery: what is wrong, how the installation stands, live while it is looked at."""

from collections import defaultdict
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from engage.domain.accounts import Permission
from engage.reporting.headline import headline_of
from engage.reporting.movement import SILENT
from engage.reporting.status import ProblemKind, Severity, Status
from engage.reporting.words import counted, rate, span
from engage.store.alarms import last_alarms
from engage.store.counts import by_hour
from engage.web.console import coaching
from engage.web.console.chart import GROUPS, HEIGHT, WIDTH, Chart, Span, chart_of
from engage.web.console.doors import HOME, Allowed, NotLoggedIn, Visit, who
from engage.web.console.live import Seen, event, watch_of
from engage.web.console.shell import TABS, show

router = APIRouter(include_in_schema=False)

_ALARMS = 10
_HELPS = defaultdict(
    lambda: "Look",
    {
        ProblemKind.SENDING_PAUSED: "Resume sending",
        ProblemKind.TOPIC_PAUSED: "Resume the topic",
        ProblemKind.CAMPAIGN_PAUSED: "Resume the campaign",
        ProblemKind.HELD: "Release or drop",
        ProblemKind.UNKNOWN: "Settle them",
        ProblemKind.DEAD: "Retry or drop",
    },
)
"""What is written on the button that leads to where a problem is mended."""


class Part(StrEnum):
    """The parts of pages that keep themselves up to date."""

    OVERVIEW = "overview"
    MACHINERY = "machinery"


@router.get(HOME)
def overview(visit: Annotated[Visit, Depends(Allowed(None))], over: Span = Span.DAY) -> Response:
    """What is wrong, the worst first; for whoever sees no operations: where they may go."""
    if not visit.may(Permission.SEE_OPERATIONS):
        tabs = [tab for tab in TABS[1:] if tab.permission is None or visit.may(tab.permission)]
        return show(visit, "welcome.html", places=tabs, to_call=coaching.in_words(visit))
    return _show(
        visit,
        "overview.html",
        visit.services.status(),
        chart=_chart(visit, over),
        groups=GROUPS,
        chart_width=WIDTH,
        chart_height=HEIGHT,
        spans=tuple(Span),
    )


@router.get(f"{HOME}/machinery")
def machinery(visit: Annotated[Visit, Depends(Allowed(Permission.SEE_OPERATIONS))]) -> Response:
    """Provider, queues, workers, schedules and sources, each with all that is known of it."""
    with visit.services.database.read() as db:
        alarms = last_alarms(db, _ALARMS)
    return _show(visit, "machinery.html", visit.services.status(), alarms=alarms)


@router.get(f"{HOME}/live")
async def live(
    visit: Annotated[Visit, Depends(Allowed(Permission.SEE_OPERATIONS))], part: Part = Part.OVERVIEW
) -> Response:
    """A stream of server-sent events: the part anew each time that something in it has changed."""
    headers = {"X-Accel-Buffering": "no"}  # a proxy that gathers would make it late
    return StreamingResponse(_stream(visit, part), media_type="text/event-stream", headers=headers)


async def _stream(visit: Visit, part: Part) -> AsyncIterator[str]:
    before = ""
    async for seen in watch_of(visit.request.app).looks():
        html = await run_in_threadpool(_rendered, visit, part, seen)
        if html is None:
            return
        if html != before:
            before = html
            yield event(html)


def _rendered(visit: Visit, part: Part, seen: Seen) -> str | None:
    """The part as it is now; None when whoever watches may not see it any more."""
    if not isinstance(seen, Status):
        answer = show(visit, "live_away.html", problem=seen)
    else:
        try:
            user, _ = who(visit.request, visit.services)
        except NotLoggedIn:
            return None
        if user != visit.user:
            return None
        answer = _show(visit, f"{part}_live.html", seen)
    return bytes(answer.body).decode()


def _show(visit: Visit, name: str, status: Status, **more: object) -> Response:
    mine = status if visit.user.program_ids is None else status.of_programs(visit.user.program_ids)
    words = {"span": span, "counted": counted, "rate": rate, "helps": _HELPS}
    values = {"stands": mine, "headline": headline_of(mine), "severities": Severity, "silent": SILENT}
    return show(visit, name, 200, **words, **values, **more)


def _chart(visit: Visit, over: Span) -> Chart:
    ids = [scope.program_id for scope in visit.scopes().values()]
    with visit.services.database.read() as db:
        counts = by_hour(db, ids, over.begins(visit.now), visit.now)
    return chart_of(counts, over, visit.now)
