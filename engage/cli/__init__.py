"""The command `engage`. Exit codes: 0 done, 1 the input is wrong, 2 usage, 3 a service is unreachable."""

import sys

import click
import typer

from engage.cli import authoring, demo, doctor, importing, planning, processes
from engage.domain.errors import EngageError
from engage.settings import SettingsError

app = typer.Typer(
    name="engage",
    help="Partner engagement automation: the right message to the right partner at the right time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (authoring, planning, importing, processes, demo, doctor):
    group.register(app)


def main() -> None:
    """Runs the command; what a person can mend is told without a traceback."""
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except SettingsError as error:
        code = _say(error.message, error.hint, 1)
    except EngageError as error:
        code = _say(error.message, error.hint, error.exit_code)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
    sys.exit(code or 0)


def _say(message: str, hint: str, code: int) -> int:
    typer.echo(f"engage: {message}", err=True)
    if hint:
        typer.echo(f"  -> {hint}", err=True)
    return code
