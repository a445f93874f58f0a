"""What Prometheus reads: how the installation stands, out of the database, and the intake of this process.

What is in the database is the same whichever web process is asked; counters of the intake are one process's own. Never
on the port that partners reach without a token: names of campaigns and sources are nobody else's business.
"""

import hmac
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from wsgiref.simple_server import WSGIServer

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.domain.gates import State
from engage.reporting.status import Severity, Status
from engage.web.errors import refusal

log = structlog.get_logger(__name__)
disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began says nothing that its resets do not

PATH = "/metrics"
LOOKED_AT_EVERY = 5.0
"""In seconds: whoever scrapes more often gets what was seen last."""

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The metrics of one web process. `look` says how the installation stands."""

    def __init__(self, look: Callable[[], Status]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(look))
        self._requests = Counter(
            "engage_intake_requests",
            "Requests to the intake API that this process has answered, by status code.",
            ["status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "engage_intake_seconds",
            "How long requests to the intake API took that were accepted.",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def answered(self, status: int, seconds: float) -> None:
        """Counts an answer of the intake API."""
        self._requests.labels(str(status)).inc()
        if status < 300:
            self._seconds.observe(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)

    def serve(self, host: str, port: int) -> WSGIServer:
        """Serves it on a port of its own, in a thread, until the server is shut down."""
        server, _ = start_http_server(port, host, self._registry)
        return server


def build_router(metrics: Metrics, services: Services) -> APIRouter:
    """The page for who brings the token; without a token in the settings there is no page."""
    router = APIRouter()
    token = services.settings.metrics_token

    if token is not None:
        expected = f"Bearer {token.get_secret_value()}".encode()

        @router.get(PATH, include_in_schema=False)
        def scrape(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, expected):
                return refusal(request, 401, headers={"WWW-Authenticate": "Bearer"})
            return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router


class CountedIntake:
    """Counts what the intake API answers. Plain ASGI."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        began = time.monotonic()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"], time.monotonic() - began)
            await send(message)

        await self.app(scope, receive, counting)


class _Standing(Collector):
    """Reads the status when it is asked for, and not more often than every LOOKED_AT_EVERY seconds."""

    def __init__(self, look: Callable[[], Status]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._seen: list[Metric] = []
        self._seen_at = float("-inf")

    def describe(self) -> Iterable[Metric]:
        return ()  # asked at registration, when there need not be a database yet

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if time.monotonic() - self._seen_at >= LOOKED_AT_EVERY:
                self._seen = list(self._seen_now())
                self._seen_at = time.monotonic()
            yield from self._seen

    def _seen_now(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("engage_database_up", "Whether the database answered when this was read.")
        try:
            status = self._look()
        except EngageError as error:
            log.warning("metrics_not_read", error=type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from families(status)


def families(status: Status) -> Iterator[Metric]:
    """Everything of a status that can be drawn or alerted on. Ages and lags are in seconds."""
    now = status.at
    yield _gauge(
        "engage_problems",
        "Problems as the overview shows them, by how bad they are.",
        ["severity", "kind"],
        _tally((one.severity, one.kind) for one in status.problems),
    )
    worst = 0 if status.worst is None else len(Severity) - status.worst.rank
    yield _gauge("engage_worst_severity", "The worst problem: 0 none, 1 note, 2 warning, 3 error.", [], {(): worst})
    lanes = {(queue.lane.value,): queue for queue in status.queues}
    yield _gauge("engage_queue_due", "What a worker should take now.", ["lane"], {k: q.due for k, q in lanes.items()})
    yield _gauge(
        "engage_queue_waiting",
        "What waits, with that whose time has not come; counted up to 10,000.",
        ["lane"],
        {k: q.waiting for k, q in lanes.items()},
    )
    yield _gauge(
        "engage_queue_oldest_due_seconds",
        "How long the oldest of what is due has been due; 0 when nothing is.",
        ["lane"],
        {k: _age(q.oldest_due, now) or 0 for k, q in lanes.items()},
    )
    rates = {
        (*k, way): rate
        for k, q in lanes.items()
        for way, rate in (("in", q.in_a_minute), ("out", q.out_a_minute))
        if rate is not None
    }
    yield _gauge("engage_queue_per_minute", "What came in and went out, a minute.", ["lane", "way"], rates)
    counts = status.counts
    waiting = {
        "unknown": counts.unknown,
        "dead": counts.dead,
        "held_runs": counts.held_runs,
        "held_bursts": counts.held_bursts,
        "alarms_unsent": counts.alarms_unsent,
        "in_hands": counts.in_hands,
    }
    yield _gauge(
        "engage_deliveries_waiting",
        "What waits for somebody, counted up to 10,000; in_hands is with a worker now.",
        ["what"],
        {(what,): number for what, number in waiting.items()},
    )
    yield from _of_processes(status)
    yield from _of_provider(status)
    yield from _of_schedules_and_sources(status)


def _of_processes(status: Status) -> Iterator[Metric]:
    beats: dict[tuple[str, ...], float] = {}
    for process in status.processes:
        age = _age(process.beat_at, status.at) or 0
        beats[process.role,] = min(age, beats.get((process.role,), age))
    yield _gauge(
        "engage_processes", "Processes that beat.", ["role"], _tally((process.role,) for process in status.processes)
    )
    yield _gauge("engage_heartbeat_age_seconds", "The youngest heartbeat of the role.", ["role"], beats)
    longest: dict[tuple[str, ...], float] = {}
    for doing in (one for process in status.processes for one in process.doing):
        age = _age(doing.since, status.at) or 0
        longest[doing.task,] = max(age, longest.get((doing.task,), 0))
    yield _gauge("engage_task_seconds", "How long the longest of the tasks at work has taken.", ["task"], longest)


def _of_provider(status: Status) -> Iterator[Metric]:
    provider = status.provider
    states = {(provider.name, state.name.lower()): int(provider.state is state) for state in State}
    yield _gauge(
        "engage_provider_state", "1 for the state that the provider's gate is in.", ["provider", "state"], states
    )
    yield _gauge(
        "engage_provider_failures",
        "Attempts in a row that it did not take.",
        ["provider"],
        {(provider.name,): provider.failures},
    )
    for name, value, said in (
        ("engage_provider_rate", provider.rate, "The rate it is kept to, in messages a second."),
        ("engage_provider_budget", provider.budget, "Messages of the rate that are free just now."),
    ):
        if value is not None:
            yield _gauge(name, said, ["provider"], {(provider.name,): value})
    if (age := _age(status.last_webhook, status.at)) is not None:
        yield _gauge("engage_webhook_age_seconds", "Since the provider last reported anything.", [], {(): age})


def _of_schedules_and_sources(status: Status) -> Iterator[Metric]:
    yield _gauge(
        "engage_schedule_lateness_seconds",
        "How long a slot has been due that is not carried out.",
        ["program", "campaign"],
        {(one.program, one.campaign): one.lateness.total_seconds() for one in status.schedules},
    )
    lags = {(one.program, one.name): one.lag.total_seconds() for one in status.sources if one.lag is not None}
    yield _gauge("engage_source_lag_seconds", "Since the last poll that succeeded.", ["program", "source"], lags)
    yield _gauge(
        "engage_source_rejected",
        "Rows of a source that could not be taken.",
        ["program", "source"],
        {(one.program, one.name): one.rejected for one in status.sources},
    )
    yield _gauge(
        "engage_feed_fresh",
        "1 while a feed was heard of lately, 0 when it is stale or was never connected.",
        ["program", "feed"],
        {(one.program, one.feed): int(one.fresh) for one in status.feeds},
    )


def _gauge(name: str, said: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=labels)
    for key, value in values.items():
        family.add_metric([str(part) for part in key], value)
    return family


def _tally(keys: Iterable[tuple[str, ...]]) -> Mapping[tuple[str, ...], float]:
    return Tally(keys)


def _age(at: datetime | None, now: datetime) -> float | None:
    return max(0.0, (now - at).total_seconds()) if at is not None else None
