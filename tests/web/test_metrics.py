"""What Prometheus reads says how the installation stands, and only to who may know."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from engage.domain.errors import ServiceUnreachable
from engage.reporting.status import Status
from engage.web.app import build_app
from engage.web.metrics import LOOKED_AT_EVERY, Metrics
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped
from tests.support.statuses import a_status

TOKEN = "a-token-that-is-long-enough"


def value(text: str, metric: str) -> float:
    found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.M)
    assert found, f"no {metric} in\n{text}"
    return float(found[1])


def test_all_that_an_alert_needs_is_there() -> None:
    text = Metrics(a_status).text().decode()
    assert value(text, "engage_database_up") == 1
    assert value(text, "engage_worst_severity") == 3
    assert value(text, 'engage_problems{kind="provider_away",severity="error"}') == 1
    assert value(text, 'engage_queue_due{lane="bulk"}') == 3
    assert value(text, 'engage_queue_oldest_due_seconds{lane="transactional"}') == 120
    assert value(text, 'engage_queue_per_minute{lane="bulk",way="out"}') == 4.5
    assert value(text, 'engage_deliveries_waiting{what="dead"}') == 5
    assert value(text, 'engage_processes{role="worker"}') == 2
    assert value(text, 'engage_heartbeat_age_seconds{role="worker"}') == 4
    assert value(text, 'engage_task_seconds{task="deliver"}') == 9
    assert value(text, 'engage_provider_state{provider="sendgrid",state="broken"}') == 1
    assert value(text, 'engage_provider_state{provider="sendgrid",state="open"}') == 0
    assert value(text, 'engage_provider_budget{provider="sendgrid"}') == 12.5
    assert value(text, 'engage_schedule_lateness_seconds{campaign="welcome",program="main"}') == 30
    assert value(text, 'engage_source_lag_seconds{program="main",source="crm"}') == 61
    assert value(text, 'engage_feed_fresh{feed="logins",program="main"}') == 0
    assert value(text, "engage_webhook_age_seconds") == 3600


def test_a_database_that_is_away_is_a_metric_and_no_error() -> None:
    def look() -> Status:
        raise ServiceUnreachable("the database does not answer")

    text = Metrics(look).text().decode()
    assert value(text, "engage_database_up") == 0
    assert "engage_queue_due{" not in text


def test_who_scrapes_often_reads_the_database_no_more_often() -> None:
    asked = []
    metrics = Metrics(lambda: asked.append(1) or a_status())  # type: ignore[func-returns-value]
    metrics.text()
    metrics.text()
    assert len(asked) == 1, f"looked at more often than every {LOOKED_AT_EVERY} s"


def test_a_port_of_its_own_serves_the_metrics_and_nothing_else(unused_port: int) -> None:
    server = Metrics(a_status).serve("127.0.0.1", unused_port)
    try:
        answer = httpx.get(f"http://127.0.0.1:{unused_port}/metrics")
    finally:
        server.shutdown()
        server.server_close()
    assert answer.status_code == 200
    assert value(answer.text, "engage_worst_severity") == 3


@pytest.fixture
def client_with(sqlite_url: str, tmp_path: Path) -> Callable[[str | None], TestClient]:
    def make(token: str | None) -> TestClient:
        engage = Engage(sqlite_url, tmp_path, *copy_shipped(tmp_path))
        update = {"metrics_token": SecretStr(token) if token else None}
        engage.services.settings = engage.services.settings.model_copy(update=update)
        return TestClient(build_app(engage.services), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)

    return make


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}"])
def test_beside_the_pages_only_the_token_opens_them(client_with: Callable[..., TestClient], given: str) -> None:
    answer = client_with(TOKEN).get("/metrics", headers={"Authorization": given})
    assert answer.status_code == 401
    assert "engage_" not in answer.text


def test_without_a_token_in_the_settings_there_is_no_such_page(client_with: Callable[..., TestClient]) -> None:
    assert client_with(None).get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_the_token_shows_the_real_installation_and_what_was_pushed(client_with: Callable[..., TestClient]) -> None:
    client = client_with(TOKEN)
    assert client.post("/v1/events", json={}).status_code == 401
    text = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    assert value(text, 'engage_intake_requests_total{status="401"}') == 1
    assert value(text, 'engage_deliveries_waiting{what="dead"}') == 0
    assert value(text, "engage_database_up") == 1
