"""What others are told of errors and durations: enough to mend it, and nothing of anybody."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import structlog
from dramatiq.brokers.stub import StubBroker
from starlette.testclient import TestClient

from engage import telemetry
from engage.logs import configure, masked
from engage.web.app import build_app
from engage.workers.tracing import Traced
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped

SECRET = "ann.secret@example.com"


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What Sentry would get."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    events: list[dict[str, Any]] = []

    class Noting(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.append(envelope.get_event())

    configure("json")
    telemetry.report_errors("https://key@example.com/1", "worker", masked, transport=Noting)
    yield events
    sentry_sdk.init()
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_an_error_is_told_by_its_name_with_ids_and_no_address(told: list[dict[str, Any]]) -> None:
    structlog.get_logger("engage.test").error("not_stored", deliveries=[7], said=f"of {SECRET}")
    (event,) = told
    assert event["logentry"]["message"] == "not_stored"
    assert event["extra"]["deliveries"] == [7]
    assert event["tags"]["role"] == "worker"
    assert "secret" not in str(event)


def test_of_an_exception_no_variable_goes_out(told: list[dict[str, Any]]) -> None:
    def fails(token: str) -> None:
        raise ValueError(f"of {token}")

    try:
        fails(SECRET)
    except ValueError:
        logging.getLogger("engage.test").exception("failed")
    (event,) = told
    (exception,) = event["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert [frame["function"] for frame in exception["stacktrace"]["frames"]][-1] == "fails"
    assert "secret" not in str(event)


def test_warnings_are_for_the_log(told: list[dict[str, Any]]) -> None:
    structlog.get_logger("engage.test").warning("not_accepted")
    assert told == []


def test_requests_tasks_and_statements_are_measured_without_what_they_say(sqlite_url: str, tmp_path: Path) -> None:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
    app = build_app(engage.services)
    spans = InMemorySpanExporter()
    end = telemetry.trace("web", engage.services.database.engine, spans)
    try:
        TestClient(app, base_url="http://127.0.0.1:8000").get("/unsubscribe/a-token-of-somebody", params={"q": SECRET})
        broker = StubBroker(middleware=[Traced()])

        @dramatiq.actor(broker=broker)
        def match(ids: list[int]) -> None:
            engage.services.match(ids)

        worker = dramatiq.Worker(broker, worker_threads=1)
        worker.start()
        match.send([1, 2])
        broker.join("default")
        worker.stop()
        engage.partner("ann", email=SECRET)
    finally:
        end()
    found = {span.name: dict(span.attributes or {}) for span in spans.get_finished_spans()}
    assert found["request"]["route"] == "/unsubscribe/{token}"
    assert found["request"]["status"] == 404
    assert found["task match"]["ids"] == 2
    assert any(name.startswith("SELECT") for name in found), found
    assert "token-of" not in str(found)
    assert "secret" not in str(found)


def test_an_extra_that_is_not_there_is_named() -> None:
    error = telemetry.ExtraMissing("sentry")
    assert error.extra == "sentry"
    assert "sentry" in str(error)
