"""`--from` and `--to`: days of a program, both included."""

from datetime import date, datetime, time, timedelta

from engage.domain.errors import UsageError
from engage.domain.local_time import instant_of
from engage.domain.programs import Program

_FIRST_YEAR = 1970


class Period:
    """From the first to the last of these days, either of which may be open. Raises UsageError for what is no day."""

    def __init__(self, first: str | None, last: str | None) -> None:
        self._first, self._last = _day(first), _day(last)
        if self._first and self._last and self._last < self._first:
            raise UsageError(f"--to {last} lies before --from {first}", "both days are included")

    def of(self, program: Program, now: datetime) -> tuple[datetime | None, datetime]:
        """When it begins (None: ever) and ends where the program lives, at the latest `now`."""
        start = _midnight(self._first, program) if self._first else None
        end = min(_midnight(self._last + timedelta(days=1), program), now) if self._last else now
        return start, end


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        day = date.max
    if day and not _FIRST_YEAR <= day.year < date.max.year:
        raise UsageError(f"'{text}' is not a day", "write year-month-day, such as 2026-01-01")
    return day


def _midnight(day: date, program: Program) -> datetime:
    return instant_of(datetime.combine(day, time()), program.zone)
