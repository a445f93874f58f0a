"""The variables as they stand in the environment and in `.env`, and what is said of those that are wrong."""

import difflib
import os
from collections.abc import Iterable

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails

PREFIX = "ENGAGE_"
_TEST_PREFIX = "ENGAGE_TEST_"  # read by the test suite, which runs engage with its own environment


class SettingsError(Exception):
    """Variables are wrong: `message` has one line for each, `hint` says where they are explained."""

    hint = "docs/settings.md explains every setting"

    def __init__(self, problems: Iterable[str]) -> None:
        self.message = "\n".join(problems)
        super().__init__(f"{self.message}; {self.hint}")


def environment() -> dict[str, str]:
    """All variables that are set, in the environment or in `.env`: where sources.yaml finds those that it names.

    Raises SettingsError when `.env` cannot be read.
    """
    return {name: value for name, value in dict(_dotenv()).items() if value is not None} | dict(os.environ)


def unknown_variables(fields: Iterable[str]) -> list[str]:
    known = [name.upper() for name in fields]
    problems = []
    for variable in sorted({name.upper() for name in (*os.environ, *_dotenv())}):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and not variable.startswith(_TEST_PREFIX) and name not in known:
            # Compared without the prefix: with it, all names look alike.
            close = difflib.get_close_matches(name, known, n=1)
            problems.append(f"{variable}: no such setting" + (f"; did you mean {PREFIX}{close[0]}?" if close else ""))
    return problems


def _dotenv() -> dict[str, str | None]:
    try:
        return dotenv_values(".env")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f".env: cannot be read: {error}; write it as UTF-8 text"]) from None


def explained(error: ValidationError) -> list[str]:
    return [f"{PREFIX}{str(one['loc'][0]).upper()}: {_reason(one)}" for one in error.errors()]


def _reason(one: ErrorDetails) -> str:
    message = one["msg"]
    if message.startswith("Input should be"):
        return f"{message.replace('Input should be', 'must be').partition(', unable')[0]}, not {one['input']!r}"
    return message.removeprefix("Value error, ")
