"""What is not as it should be around the command: services, settings, folders, ports. Each is a clear message."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.commands.saying import assert_said
from tests.support.installation import Installation

NO_POSTGRES = {"ENGAGE_DATABASE_URL": "postgresql://ann:secret@127.0.0.1:1/engage"}
NO_REDIS = {"ENGAGE_REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["plan monthly", "migrate", "doctor"])
def test_a_database_that_is_down_is_exit_code_3(fresh: Installation, command: str) -> None:
    ran = fresh.run(*command.split(), env=NO_POSTGRES)
    assert_said(ran, 3, "the database at postgresql://ann:***@127.0.0.1:1/engage failed", "Connection refused")
    assert_said(ran, 3, "see that it runs and that ENGAGE_DATABASE_URL is right")
    assert "secret" not in ran.err + ran.out


def test_an_import_into_a_database_that_is_down_is_exit_code_3(fresh: Installation) -> None:
    assert_said(fresh.imports(env=NO_POSTGRES), 3, "failed", "ENGAGE_DATABASE_URL")


@pytest.mark.postgres
def test_an_empty_postgres_is_told_to_be_migrated_and_then_works(fresh: Installation, empty_postgres_url: str) -> None:
    there = {"ENGAGE_DATABASE_URL": empty_postgres_url}
    assert_said(fresh.imports(env=there), 3, "the database is empty", "run: engage migrate")
    assert fresh.run("migrate", env=there).code == 0
    assert fresh.imports(env=there).code == 0


def test_a_worker_needs_redis_and_an_import_does_not(fresh: Installation) -> None:
    assert_said(fresh.run("worker", env=NO_REDIS), 3, "Redis does not answer", "ENGAGE_REDIS_URL")
    assert_said(fresh.run("scheduler"), 3, "ENGAGE_REDIS_URL is not set", "engage up")
    assert fresh.imports("--live", env=NO_REDIS).code == 0


@pytest.mark.parametrize("command", ["web", "demo"])
def test_a_port_in_use_is_said_before_anything_starts(fresh: Installation, command: str, busy_port: int) -> None:
    ran = fresh.run(command, env={"ENGAGE_PORT": str(busy_port)})
    assert_said(ran, 1, f"port {busy_port} on 127.0.0.1 cannot be used: Address already in use", "ENGAGE_PORT")


@pytest.mark.parametrize("command", ["plan monthly", "demo", "mailbox"])
def test_a_data_folder_that_cannot_be_made_is_said(fresh: Installation, command: str, unused_port: int) -> None:
    file = fresh.folder / "file"
    file.touch()
    ran = fresh.run(*command.split(), env={"ENGAGE_DATA_DIR": str(file / "x"), "ENGAGE_PORT": str(unused_port)})
    assert ran.code in (1, 3)
    assert_said(ran, ran.code, str(file / "x"), "set ENGAGE_DATA")


def test_a_file_that_is_no_database_is_said(fresh: Installation) -> None:
    file = fresh.folder / "notes.txt"
    file.write_text("These are notes and not a database. " * 20)
    ran = fresh.run("plan", "monthly", env={"ENGAGE_DATABASE_URL": f"sqlite:///{file}"})
    assert_said(ran, 3, "file is not a database", "ENGAGE_DATABASE_URL")


def test_settings_that_are_wrong_are_named_all_at_once(fresh: Installation) -> None:
    wrong = {
        "ENGAGE_PROT": ("8001", "no such setting; did you mean ENGAGE_PORT?"),
        "ENGAGE_PORT": ("http", "must be a valid integer"),
        "ENGAGE_DATABASE_URL": ("mysql://localhost/x", "not a database engage knows"),
        "ENGAGE_REDIS_URL": ("redis://host:port", "the port is not a number"),
        "ENGAGE_PROVIDER": ("sendgird", "must be 'mailbox', 'sendgrid' or 'smtp'"),
        "ENGAGE_SEND_TO": ("some", "'some' is none of the four choices"),
    }
    ran = fresh.run("plan", "monthly", env={name: value for name, (value, _) in wrong.items()})
    assert_said(ran, 1, *(f"{name}: {said}" for name, (_, said) in wrong.items()))


def test_a_database_url_that_is_none_is_said(fresh: Installation) -> None:
    ran = fresh.run("plan", "monthly", env={"ENGAGE_DATABASE_URL": "postgresql://host:port/x"})
    assert_said(ran, 1, "ENGAGE_DATABASE_URL is not a database URL")


def test_nothing_starts_on_campaigns_that_never_passed_lint(fresh: Installation, unused_port: int) -> None:
    (fresh.campaigns / "program.yaml").unlink()
    ran = fresh.run("web", env={"ENGAGE_PORT": str(unused_port)})
    assert_said(ran, 1, "campaigns/program.yaml:1:1: there is no program.yaml", "docs/program.md")


def test_health_of_what_does_not_run_is_exit_code_3(fresh: Installation, unused_port: int) -> None:
    assert_said(fresh.run("health", "web", env={"ENGAGE_PORT": str(unused_port)}), 3, "web does not answer")
    assert_said(fresh.run("health", "cook"), 2, "there is no role 'cook'")


def test_a_redis_that_is_away_is_said_first_to_whoever_was_woken(fresh: Installation) -> None:
    assert fresh.imports().code == 0
    found = json.loads(fresh.run("status", "--json", env=NO_REDIS).out)
    assert found["said"].startswith("Mail does not go out.")
    (away,) = (one for one in found["problems"] if one["kind"] == "redis_away")
    assert away["severity"] == "error"
    assert "ENGAGE_REDIS_URL" in away["advice"]


def test_a_redis_that_answers_is_not_spoken_of(fresh: Installation, valkey_url: str) -> None:
    assert fresh.imports().code == 0
    found = json.loads(fresh.run("status", "--json", env={"ENGAGE_REDIS_URL": valkey_url}).out)
    assert "redis_away" not in [one["kind"] for one in found["problems"]]
