"""The command `engage`. Exit codes: 0 done, 1 the input is wrong, 2 usage, 3 a service is unreachable."""

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any, cast

import typer
from typer.core import TyperGroup

from engage.domain.errors import AuthoringError, EngageError
from engage.settings import SettingsError

COMMANDS = {
    "demo": "demo",
    "up": "demo",
    "web": "serving",
    "worker": "working",
    "scheduler": "working",
    "mailbox": "serving",
    "migrate": "upkeep",
    "restored": "restored",
    "health": "upkeep",
    "doctor": "doctor",
    "import": "importing",
    "sources": "sources",
    "consent": "consent",
    "alias": "aliases",
    "key": "keys",
    "user": "users",
    "ask-partner": "asking",
    "partner": "partner",
    "lint": "authoring",
    "schema": "schema",
    "translations": "translations",
    "stories": "stories",
    "plan": "planning",
    "explain": "planning",
    "preview": "preview",
    "share-kit": "sharing",
    "refer-link": "sharing",
    "run": "planning",
    "held": "held",
    "unknown": "unknown",
    "dead": "dead",
    "sending": "sending",
    "status": "status",
    "replay": "replay",
    "report": "report",
    "demo-feed": "demo",
}
"""Each command and the module of this package that has it: only the one that is called is imported."""

HIDDEN = ("demo-feed",)


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        own = typer.Typer()
        own.callback()(lambda: None)  # a group even where the module has one command only
        import_module(f"engage.cli.{COMMANDS[cmd_name]}").register(own)
        return cast(TyperGroup, typer.main.get_command(own)).commands[cmd_name]


app = typer.Typer(
    name="engage",
    cls=_Commands,
    help="Partner engagement automation: the right message to the right partner at the right time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _engage() -> None:
    """Partner engagement automation: the right message to the right partner at the right time."""


def main() -> None:
    """Runs the command; what a person can mend is told without a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the address that `demo` prints must not wait in a pipe
    try:
        app()
    except SettingsError as error:
        sys.exit(_say(error.message, error.hint, 1))
    except AuthoringError as error:
        typer.echo(error.message, err=True)  # as lint says it: file:line:column first
        sys.exit(error.exit_code)
    except EngageError as error:
        sys.exit(_say(error.message, error.hint, error.exit_code))
    except BrokenPipeError:
        sys.exit(0)


def _say(message: str, hint: str, code: int) -> int:
    typer.echo(f"engage: {message}", err=True)
    if hint:
        typer.echo(f"  -> {hint}", err=True)
    return code
