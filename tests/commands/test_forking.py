"""The command as tests run it, forked from a process that has imported it, is the command as a shell runs it."""

import subprocess

import pytest

from engage.cli import COMMANDS, HIDDEN
from tests.support.command import EngageCommand


@pytest.mark.slow
def test_a_fresh_interpreter_knows_every_command(run_engage: EngageCommand) -> None:
    fresh = run_engage.run_fresh("--help")  # which imports each command's module
    assert fresh.code == 0, fresh
    assert all(name in fresh.out for name in COMMANDS if name not in HIDDEN)
    assert run_engage("--help") == fresh


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("lint", "--json"), ("lint", "no/such.yaml"), ("plan",), ("held", "list")], ids=" ".join
)
def test_both_say_the_same_and_end_with_the_same_code(run_engage: EngageCommand, arguments: tuple[str, ...]) -> None:
    run_engage("migrate")
    assert run_engage(*arguments) == run_engage.run_fresh(*arguments)


def test_a_command_that_takes_too_long_is_killed(run_engage: EngageCommand, unused_port: int) -> None:
    env = {"ENGAGE_MAILBOX_URL": f"http://127.0.0.1:{unused_port}"}
    with pytest.raises(subprocess.TimeoutExpired):
        run_engage("mailbox", env=env, timeout=0.5)
