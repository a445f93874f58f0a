"""Durations as authors write them (`90d`, `12h`) and the windows of time that facts look at."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
"""The instant that stands for "always": a partner without `joined_at` joined here."""

_UNITS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
DURATION = re.compile(r"(\d{1,5})([wdhm])", re.ASCII)
_TOO_LONG = re.compile(r"[0-9]{6,}[wdhm]")


def parse_duration(text: str) -> timedelta:
    """Reads `90d`, `2w`, `12h` or `10m`; raises ValueError with a message for the author."""
    match = DURATION.fullmatch(text.strip())
    if _TOO_LONG.fullmatch(text.strip()):
        raise ValueError(f"a duration has at most five digits, and '{text}' more; write a shorter one, such as 90d")
    if match is None or int(match[1]) == 0:
        raise ValueError(f"'{text}' is not a duration; write a number and w, d, h or m, such as 90d or 12h")
    return int(match[1]) * _UNITS[match[2]]


def format_duration(duration: timedelta) -> str:
    """The shortest spelling that `parse_duration` reads back, in days where it can: `14d`, `12h`."""
    for letter in "dhm":
        if duration % _UNITS[letter] == timedelta(0):
            return f"{duration // _UNITS[letter]}{letter}"
    raise ValueError(f"{duration} is not a whole number of minutes")


class WindowKind(StrEnum):
    LAST = "last"
    PREVIOUS = "previous"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time relative to the instant asked about.

    `last: 90d` is after `now - 90d` up to and including `now`; `previous: 90d` is after `now - 180d` up to and
    including `now - 90d`; `first: 60d` starts with the partner's joining, included, and lasts 60 days, its end
    excluded; it is empty for a partner who "has always been there".
    """

    kind: WindowKind
    length: timedelta

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """(after, up to and including) for `last` and `previous`, which do not depend on the partner."""
        match self.kind:
            case WindowKind.LAST:
                return _minus(now, self.length), now
            case WindowKind.PREVIOUS:
                return _minus(now, 2 * self.length), _minus(now, self.length)
            case WindowKind.FIRST:
                raise ValueError("the first days of a partner depend on the partner")

    def __str__(self) -> str:
        return f"{self.kind}: {format_duration(self.length)}"


def _minus(instant: datetime, length: timedelta) -> datetime:
    return instant - length if instant - BEGINNING > length else BEGINNING
