"""How numbers and lengths of time are said, on pages and in a terminal."""

from collections.abc import Sequence
from datetime import timedelta

from engage.reporting.status import MOST


def many(number: int, one: str, more: str) -> str:
    """`1 run`, `12 runs`, `10,000+ runs`."""
    return f"{counted(number)} {one if number == 1 else more}"


def counted(number: int) -> str:
    """A number that was counted up to MOST: `12`, `10,000+`."""
    return f"{number:,}{'+' * (number >= MOST)}"


def rate(a_minute: float | None) -> str:
    """How many a minute: `120`, `3.6`; nothing for what is not counted."""
    if a_minute is None:
        return ""
    return f"{a_minute:,.0f}" if a_minute >= 10 or not a_minute else f"{a_minute:.1f}"


def span(length: timedelta) -> str:
    """A length of time in its largest whole unit: `12 s`, `3 min`, `5 h`, `9 days`."""
    seconds = int(length.total_seconds())
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def listed(words: Sequence[str]) -> str:
    """`logins, referrals and rewards`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
