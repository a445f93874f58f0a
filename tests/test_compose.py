"""docker-compose.yml says what the code does: its commands exist and start, its variables are settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engage.cli import COMMANDS
from engage.settings import PREFIX, SendTo, Settings
from tests.support.command import ROOT, EngageCommand
from tests.support.waiting import wait_for

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
LONG_RUNNING = [name for name in OURS if SERVICES[name]["restart"] != "no"]


def interpolated(value: object) -> str:
    """What compose makes of `${NAME:-default}` when nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


def variables(service: str) -> dict[str, str]:
    return {name: interpolated(value) for name, value in SERVICES[service]["environment"].items()}


def test_the_services_are_those_of_an_installation() -> None:
    assert set(SERVICES) == {"postgres", "redis", "migrate", "web", "worker", "scheduler", "mailbox", "prometheus"}
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {"mailbox": ["mailbox"], "prometheus": ["monitoring"]}


def test_metrics_are_for_prometheus_alone() -> None:
    port = SERVICES["web"]["environment"]["ENGAGE_METRICS_PORT"]
    scraped = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == [f"web:{port}"]
    assert not any(str(port) in published for published in SERVICES["web"]["ports"])
    assert all(published.startswith("127.0.0.1:") for published in SERVICES["prometheus"]["ports"])


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_service_has_a_health_check(name: str) -> None:
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    assert kind in ("CMD", "CMD-SHELL")
    assert command


def test_redis_never_evicts_and_survives_a_restart() -> None:
    options = SERVICES["redis"]["command"]
    assert options[options.index("--maxmemory-policy") + 1] == "noeviction"
    assert options[options.index("--appendonly") + 1] == "yes"
    assert SERVICES["redis"]["volumes"]


def test_workers_can_be_many() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


def test_nothing_starts_before_the_schema_is_there() -> None:
    for name in ("web", "worker", "scheduler"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_the_defaults_are_accepted(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable, value in variables(name).items():
        assert variable.removeprefix(PREFIX).lower() in Settings.model_fields
        monkeypatch.setenv(variable, value)
    settings = Settings.load()
    assert settings.database_url == "postgresql+psycopg://engage:engage@postgres/engage"
    assert settings.send_to == SendTo.parse("everybody")  # and the provider is the mailbox


def test_what_is_left_to_each_installation_can_be_said_in_dotenv() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    offered = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked <= offered


def test_what_is_said_in_dotenv_reaches_the_containers() -> None:
    fixed = "data_dir host port database_url redis_url campaigns_dir templates_dir sources mailbox_url metrics_port"
    said = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields.keys() - set(fixed.split())}
    passed = set(re.findall(r"^    (\w+): \$\{\1:-", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE))
    assert said <= passed


def test_every_named_volume_is_declared_and_every_folder_is_in_the_repository() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_image_is_made_with_the_same_tool_as_the_environment() -> None:
    (pinned,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"uv=={pinned}" in (ROOT / "Dockerfile").read_text()


def test_every_command_exists() -> None:
    for name in OURS:
        program, command = SERVICES[name]["command"]
        assert program == "engage"
        assert command in COMMANDS


# -- the processes themselves, on servers of this machine --------------------------------------------------------------


@pytest.fixture
def here(request: pytest.FixtureRequest, valkey_url: str, unused_port: int) -> dict[str, str]:
    """What stands in for the other containers: this machine's PostgreSQL and Valkey, and a free port."""
    return {
        "ENGAGE_DATABASE_URL": request.getfixturevalue("postgres_url"),
        "ENGAGE_REDIS_URL": valkey_url,
        "ENGAGE_HOST": "127.0.0.1",
        "ENGAGE_PORT": str(unused_port),
        "ENGAGE_MAILBOX_URL": f"http://127.0.0.1:{unused_port}",
        "ENGAGE_LOG_FORMAT": "json",
    }


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("name", LONG_RUNNING)
def test_every_service_starts_becomes_healthy_and_stops(
    name: str, here: dict[str, str], run_engage: EngageCommand, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    _, *command = SERVICES[name]["command"]
    _, program, *health = SERVICES[name]["healthcheck"]["test"]
    assert program == "engage"
    assert run_engage(*health, env=here).code == 3, "a service that does not run is not healthy"

    service = run_engage.start(*command, env=here, log=log)
    wait_for(lambda: not service.running() or run_engage(*health, env=here).code == 0, f"{name} to be healthy", 60)
    assert service.running(), log.read_text()
    assert service.stop() == 0, log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.postgres
def test_migrate_brings_an_empty_database_to_the_schema(
    empty_postgres_url: str, here: dict[str, str], run_engage: EngageCommand
) -> None:
    _, *command = SERVICES["migrate"]["command"]
    for _again in range(2):
        done = run_engage(*command, env={**here, "ENGAGE_DATABASE_URL": empty_postgres_url})
        assert done.code == 0, done.err
