"""When mail may go out: the first instant that quiet hours, send windows and holidays all allow.

Each rule is read on the clocks of one zone, day by day, and each end of a day's stretch is an instant of its own by
`instant_of`: an hour that clocks skip shortens the stretch it lies in, and one that they repeat lengthens it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from engage.domain.decisions import Reason
from engage.domain.limits import QuietHours, SendWindow
from engage.domain.local_time import instant_of
from engage.domain.public_holidays import is_holiday

HORIZON = timedelta(days=400)
"""How far ahead is looked: what is not open within so long never is."""

_DAY = timedelta(days=1)
_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class Hours:
    """What restricts the hours of one recipient, on the clocks of `zone`. All of it holds at once.

    With `holidays` no public holiday of `country` is open from midnight to midnight; a window that does not open on
    holidays looks at the day on which it would open. Where `country` is empty there are no holidays.
    """

    zone: str
    windows: tuple[SendWindow, ...] = ()
    quiet: QuietHours | None = None
    holidays: bool = False
    country: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """The first instant that is allowed, None if none is; and what forbids the one asked about, None for nothing."""

    at: datetime | None
    closed_by: Reason | None


Rule = Callable[[datetime], datetime | None]
"""The first instant, at or after the one given, that the rule allows; None if there is none."""


@lru_cache(maxsize=4096)
def opening(now: datetime, hours: Hours) -> Opening:
    """When mail may go out first, at or after `now` (aware); `at` is `now` itself if it may go out at once."""
    rules, closed_by, at = tuple(_rules(hours)), None, now
    while at < now + HORIZON:
        found = [(reason, allowed(at)) for reason, allowed in rules]
        closed = [(reason, instant) for reason, instant in found if instant != at]
        if not closed:
            return Opening(at, closed_by)
        closed_by = closed_by or closed[0][0]
        later = [instant for _, instant in closed if instant is not None]
        if len(later) < len(closed):
            break
        at = max(later)  # each rule forbids all that is earlier than what it says
    return Opening(None, closed_by)


def _rules(hours: Hours) -> Iterator[tuple[Reason, Rule]]:
    """Each rule with the reason for which it forbids; of two that forbid, the first one is told."""
    if hours.quiet is not None:
        quiet = SendWindow(hours.quiet.begins, hours.quiet.ends)
        yield Reason.QUIET_HOURS, partial(_after, quiet, hours.zone, _any_day)
    for window in hours.windows:
        yield Reason.OUTSIDE_SEND_WINDOW, partial(_within, replace(window, on_holidays=True), hours)
        if not window.on_holidays:
            yield Reason.HOLIDAY, partial(_within, window, hours)
    if hours.holidays:
        whole_day = SendWindow(_MIDNIGHT, _MIDNIGHT)
        yield Reason.HOLIDAY, partial(_after, whole_day, hours.zone, partial(is_holiday, hours.country))


def _within(window: SendWindow, hours: Hours, at: datetime) -> datetime | None:
    """The first instant within a window."""

    def counts(day: date) -> bool:
        return day.weekday() in window.days and (window.on_holidays or not is_holiday(hours.country, day))

    for starts, ends in _stretches(window, hours.zone, counts, at, HORIZON.days):
        if starts < ends and at < ends:
            return max(starts, at)
    return None


def _after(closed: SendWindow, zone: str, counts: Callable[[date], bool], at: datetime) -> datetime:
    """The first instant outside of the hours between which, on the days that count, nothing is allowed."""
    for starts, ends in _stretches(closed, zone, counts, at, 3):
        if at < starts:
            break
        if at < ends:
            return ends
    return at


def _stretches(
    window: SendWindow, zone: str, counts: Callable[[date], bool], at: datetime, days: int
) -> Iterator[tuple[datetime, datetime]]:
    """Beginning and end of the stretch of each day that counts, in order, from the day before `at` on."""
    over_midnight = window.closes <= window.opens
    first = at.astimezone(ZoneInfo(zone)).date() - _DAY
    for day in (first + ahead * _DAY for ahead in range(days)):
        if counts(day):
            last = day + _DAY if over_midnight else day
            yield _instant(day, window.opens, zone), _instant(last, window.closes, zone)


def _instant(day: date, clock: time, zone: str) -> datetime:
    return instant_of(datetime.combine(day, clock), zone)


def _any_day(_: date) -> bool:
    return True
