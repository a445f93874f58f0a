"""Errors that say whose turn it is. Everything engage raises on purpose derives from EngageError."""

from dataclasses import dataclass
from typing import Self


class EngageError(Exception):
    """Something a person can act on: `str(error)` says what happened, `hint` what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class InputError(EngageError):
    """The input (a file, an option's value, a name) is wrong: the caller mends it."""


class UsageError(EngageError):
    """The command was called in a way that makes no sense."""

    exit_code = 2


class ServiceUnreachable(EngageError):
    """A service that engage needs (database, Redis, provider) does not answer: the operator mends it."""

    exit_code = 3


class IllegalTransition(EngageError):
    """A state was to change in a way that `domain.deliveries.TRANSITIONS` does not allow: a bug in engage."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding of lint in an authored file; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}; {self.hint}" if self.hint else text


class AuthoringError(EngageError):
    """Campaigns, templates or the program file are wrong: the author fixes every one of `problems`."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    @classmethod
    def at(cls, file: str, line: int, column: int, message: str, hint: str = "") -> Self:
        return cls((Problem(file, line, column, message, hint),))
