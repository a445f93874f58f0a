"""What a template may cost, and the errors for one that fails or wants more."""

from typing import Any, NoReturn

from jinja2.runtime import Context, Undefined

from engage.content.wording import Wording
from engage.content.words import PLAIN, Words
from engage.domain.errors import InputError

MAX_WORK = 200_000
"""Units a render may spend: about one for each node of Jinja's tree that is evaluated inside loops."""
MAX_TEXT = 16_000
"""Characters of a text that a template makes."""
MAX_OUTPUT = 512 * 1024
"""Characters of an email's subject, HTML or text."""
MAX_NUMBER = 10**15
MAX_ITEMS = 100
"""Items of a list written in a template."""
MAX_RANGE = 1_000


class RenderError(InputError):
    """A template could not be rendered for this recipient; `str(error)` says why, without personal data."""


class LimitError(RenderError):
    """A template wanted more time or memory than an email may take."""


class EmailContext(Context):
    """What one render knows: the variables, how the recipient reads values and texts, and the work it may still do."""

    wording: Wording
    words: Words = PLAIN
    work = MAX_WORK
    printed = 0

    def spend(self, units: int) -> None:
        """Pays for work before it is done. Raises LimitError."""
        self.work -= units
        if self.work < 0:
            raise LimitError("the template does too much work", "loop over less, and do not nest loops")

    def print(self, characters: int) -> None:
        """Counts what is printed. Raises LimitError."""
        self.printed += characters
        if self.printed > MAX_OUTPUT:
            too_large()


def fit(text: str) -> str:
    """The text, if it is not too long. Raises LimitError."""
    if len(text) > MAX_TEXT:
        raise LimitError(f"a text has more than {MAX_TEXT} characters")
    return text


def too_large() -> NoReturn:
    """Raises the LimitError of an email that is too large."""
    raise LimitError(f"the email is larger than {MAX_OUTPUT // 1024} KB", "loop over less")


def refuse_undefined(value: Any) -> None:
    """Raises Jinja's UndefinedError, with the name that was not there, if the value is one."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
