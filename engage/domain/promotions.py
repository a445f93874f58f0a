"""When a promotion stands, and what each of its instants means. Pure.

Its days are those of the program's zone: it begins at the midnight with which the first begins, and is over at the one
with which the last ends.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache

from engage.domain.campaigns import AtStep, Edge, Promotion
from engage.domain.journeys import Path
from engage.domain.local_time import instant_of

_DAY = timedelta(days=1)


def begins_at(promotion: Promotion, zone: str) -> datetime:
    return _midnight(promotion.first, zone)


def is_over_at(promotion: Promotion, zone: str) -> datetime:
    """The first instant that is no longer of the promotion."""
    return _midnight(promotion.last + _DAY, zone)


def is_over(promotion: Promotion | None, zone: str, now: datetime) -> bool:
    """Whether nobody enters any more."""
    return promotion is not None and now >= is_over_at(promotion, zone)


def at_of(step: AtStep, promotion: Promotion, zone: str) -> datetime:
    """The instant of an `at:` step: whole days are days of the calendar, `end - 3d` is a midnight too. A time of day is
    what clocks show, also where they have been changed in the night.
    """
    day = promotion.first if step.edge is Edge.START else promotion.last + _DAY
    days = timedelta(days=step.offset // _DAY)
    if step.clock is not None:
        return _local(day + days, step.clock, zone)
    return _midnight(day + days, zone) + (step.offset - days)


def caught_up(path: Path, at: str | None, promotion: Promotion, zone: str, now: datetime) -> str | None:
    """The step at which to go on for whom `at` comes next: the latest `at:` that has passed, with what came before
    it left out; `at` itself where none has.
    """
    found = at
    while at is not None:
        node = path.nodes[at]
        if isinstance(node.step, AtStep) and at_of(node.step, promotion, zone) <= now:
            found = at
        at = node.follows
    return found


def _midnight(day: date, zone: str) -> datetime:
    return _local(day, time(), zone)


@lru_cache(maxsize=1024)  # many stand in one promotion
def _local(day: date, at: time, zone: str) -> datetime:
    return instant_of(datetime.combine(day, at), zone)
