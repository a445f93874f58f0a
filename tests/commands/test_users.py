"""`user`: who may use the consoles; and a server that others reach, which does not start without anybody who may."""

import re

import pytest

from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import Installation

LINK = re.compile(r"http://127\.0\.0\.1:\d+/console/link/[\w-]{43}")


@pytest.fixture
def installed(run_engage: EngageCommand) -> Installation:
    return Installation(run_engage)


def test_a_user_is_made_with_a_link_that_is_shown_once(installed: Installation) -> None:
    made = installed.run("user", "add", "Ann@Example.com", "--role", "admin")
    assert made.code == 0, made
    assert "ann@example.com, admin" in made.out
    assert "not shown again" in made.out
    assert LINK.search(made.out)
    assert not LINK.search(installed.run("user", "list").out)
    (about,) = installed.run("user", "list", "--json").json()
    assert about == {
        "email": "ann@example.com",
        "name": "Ann",
        "role": "admin",
        "programs": None,
        "has_password": False,
        "has_second_factor": False,
        "disabled": False,
    }


def test_the_last_admin_stays(installed: Installation) -> None:
    installed.run("user", "add", "ann@example.com", "--role", "admin")
    installed.run("user", "add", "ben@example.com", "--role", "admin", "--program", "maven-partners")
    for change in (("role", "ann@example.com", "ops"), ("disable", "ann@example.com")):
        assert_said(installed.run("user", *change, "--why", "leaves"), 1, "no admin of every program left", "first")
    assert installed.run("user", "role", "ben@example.com", "admin", "--why", "takes over").code == 0
    assert installed.run("user", "role", "ann@example.com", "ops", "--why", "hands over").code == 0
    roles = {one["email"]: one["role"] for one in installed.run("user", "list", "--json").json()}
    assert roles == {"ann@example.com": "ops", "ben@example.com": "admin"}


def test_who_is_disabled_gets_no_link_until_they_are_let_in_again(installed: Installation) -> None:
    installed.run("user", "add", "ann@example.com", "--role", "admin")
    installed.run("user", "add", "ben@example.com", "--role", "ops", "--name", "Ben")
    assert installed.run("user", "disable", "ben@example.com", "--why", "left us").code == 0
    assert "disabled" in installed.run("user", "list").out
    assert_said(installed.run("user", "reset", "ben@example.com"), 1, "is disabled", "enable them first")
    assert installed.run("user", "enable", "ben@example.com", "--why", "is back").code == 0
    assert LINK.search(installed.run("user", "reset", "ben@example.com", "--json").json()["link"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "nobody", "--role", "ops"), "is not valid"),
        (("add", "ann@example.com", "--role", "ops", "--program", "nothing"), "no program 'nothing'"),
        (("add", "ann@example.com", "--role", "ops", "--name", "x" * 90), "one line of 1 to 80"),
        (("role", "eve@example.com", "ops", "--why", "x"), "no user eve@example.com"),
        (("reset", "eve@example.com"), "no user eve@example.com"),
    ],
)
def test_what_makes_no_sense_is_said(installed: Installation, arguments: tuple[str, ...], said: str) -> None:
    answer = installed.run("user", *arguments)
    assert answer.code == 1
    assert said in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["web", "up"])
def test_a_server_that_others_reach_does_not_start_without_a_user_and_says_why(
    run_engage: EngageCommand, command: str
) -> None:
    installed = Installation(run_engage)
    open_to_all = {"ENGAGE_HOST": "0.0.0.0"}
    key = run_engage.folder / "var" / "secret_key"
    key.unlink(missing_ok=True)
    said = ("does not listen on 0.0.0.0", "there is no secret key and no user", "engage user add")
    assert_said(installed.run(command, env=open_to_all), 1, *said)
    installed.run("user", "add", "ann@example.com", "--role", "admin")
    assert key.exists(), "the key is made with the first user"
    key.unlink()
    assert_said(installed.run(command, env=open_to_all), 1, "there is no secret key", "engage user add")
