"""Cursor values: how far a source has been read, as text that sorts like the values, and from where to read on.

Cursors are instants or numbers. Where a database hands out text (SQLite has no other instants), ISO instants are read
as such, and the database is asked in its own words: it compares text with text. Instants without an offset are readings
of a clock on a wall, which goes back by an hour each autumn; then an hour more is read again.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_FLOOR, Decimal
from typing import Any

OVERLAP = timedelta(minutes=10)
OVERLAP_OF_NUMBERS = 1000

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?P<between>[T ])\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_NUMBER = re.compile(r"(\d{20})(?:\.(\d+))?", re.ASCII)
_ZERO = 10**19
"""What is added to numbers, so that negative ones sort first as text."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How one source's cursor is read and asked for. `sample` is a value as its database hands it out."""

    sample: Any
    zone: tzinfo
    overlap: timedelta | int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError when the sample is neither an instant nor a number, or the overlap is of the other kind."""
        self.position(self.sample)
        if self.dated and isinstance(self.overlap, int):
            raise ValueError("holds instants, and overlap is a number; write a duration such as 10m")
        if not self.dated and isinstance(self.overlap, timedelta):
            raise ValueError("holds numbers, and overlap is a duration; write a number such as 1000")

    @property
    def dated(self) -> bool:
        return isinstance(self.sample, date | str)

    def position(self, value: Any) -> str:
        """A value as a position. Raises ValueError when it is no instant where the sample is one, or no number."""
        if isinstance(self.sample, date | str):
            return _instant_position(self._instant(value))
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return _number_position(Decimal(str(value)))
        raise ValueError(f"holds {_shown(value)}, which is neither an instant nor a number; make it one in the query")

    def reached(self, positions: list[str], now: datetime) -> str:
        """The highest position, at most `now`: a row that is dated in the future must not hide all that comes."""
        highest = max(positions)
        return min(highest, _instant_position(now)) if self.dated else highest

    def bound(self, position: str) -> tuple[Any, str]:
        """From where to read on, the overlap before a position: as the database compares it, and as a position.

        Raises ValueError when the position is of the other kind: the cursor was another column then.
        """
        value = self._bound_instant(position) if self.dated else self._bound_number(position)
        return value, self.position(value)

    def _bound_number(self, position: str) -> int | float | Decimal:
        match = _NUMBER.fullmatch(position)
        if match is None:
            raise ValueError("held instants before, and holds numbers now")
        whole = Decimal(int(match[1]) - _ZERO) + Decimal(f"0.{match[2] or 0}")
        start = whole - (self.overlap if isinstance(self.overlap, int) else OVERLAP_OF_NUMBERS)
        if isinstance(self.sample, int):
            return int(start.to_integral_value(ROUND_FLOOR))
        return float(start) if isinstance(self.sample, float) else start

    def _bound_instant(self, position: str) -> datetime | date | str:
        if not _INSTANT.fullmatch(position):
            raise ValueError("held numbers before, and holds instants now")
        reached = datetime.fromisoformat(position)
        overlap = self.overlap if isinstance(self.overlap, timedelta) else OVERLAP
        sample = self.sample
        if isinstance(sample, datetime) and sample.tzinfo is not None:
            return max(reached - overlap, _FIRST)
        if isinstance(sample, datetime):
            return self._on_the_wall(reached, overlap)
        if isinstance(sample, str):
            return self._in_words(sample, reached, overlap)
        return self._on_the_wall(reached, overlap).date()

    def _in_words(self, sample: str, reached: datetime, overlap: timedelta) -> str:
        """As the sample is written, up to the minute: what begins with this is later or equal, as text too."""
        written = _ISO.fullmatch(sample)
        if written is None:
            return self._on_the_wall(reached, overlap).date().isoformat()
        offset = datetime.fromisoformat(sample).tzinfo
        start = max(reached - overlap, _FIRST).astimezone(offset) if offset else self._on_the_wall(reached, overlap)
        return start.replace(tzinfo=None).isoformat(written["between"], "minutes")

    def _on_the_wall(self, reached: datetime, overlap: timedelta) -> datetime:
        start = max(reached - overlap, _FIRST).astimezone(self.zone)
        later = (reached + timedelta(days=1)).astimezone(self.zone)
        back = (start.utcoffset() or timedelta()) - (later.utcoffset() or timedelta())
        return start.replace(tzinfo=None) - max(back, timedelta())

    def _instant(self, value: Any) -> datetime:
        found: datetime | None = None
        try:
            match value:
                case datetime():
                    found = value
                case date():
                    found = datetime.combine(value, time())
                case str() if _ISO.fullmatch(value) or _ISO_DAY.fullmatch(value):
                    found = datetime.fromisoformat(value)
            if found is not None:
                return (found if found.tzinfo else found.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValueError(f"holds {_shown(value)}, which is not an instant; make it one in the query")


_FIRST = datetime(2, 1, 1, tzinfo=UTC)  # a year that every zone can count back from


def _instant_position(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _number_position(value: Decimal) -> str:
    if not value.is_finite() or abs(value) >= _ZERO:
        raise ValueError(f"holds {value}, which is too large for a cursor")
    whole = value.to_integral_value(ROUND_FLOOR)
    fraction = f"{value - whole:f}".partition(".")[2].rstrip("0")
    return f"{int(whole) + _ZERO:020d}" + (f".{fraction}" if fraction else "")


def _shown(value: Any) -> str:
    text = str(value)
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"
