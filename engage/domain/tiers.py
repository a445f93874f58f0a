"""The calendar periods in which tiers are counted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from engage.domain.local_time import instant_of
from engage.domain.programs import TierPeriod
from engage.domain.windows import BEGINNING


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, included, to `end`, excluded, both in UTC; `end` is None if it never ends.

    `key` names it in the keys of occasions: `2026`, `2026-Q4`, `2026-11` or `always`.
    """

    key: str
    start: datetime
    end: datetime | None


def tier_period(period: TierPeriod, zone: str, now: datetime) -> Period:
    """The period that `now` lies in, by the calendar of `zone`."""
    local = now.astimezone(ZoneInfo(zone))
    year, month = local.year, local.month
    match period:
        case TierPeriod.MONTH:
            return _months(f"{year}-{month:02}", zone, year, month, 1)
        case TierPeriod.QUARTER:
            quarter = (month - 1) // 3
            return _months(f"{year}-Q{quarter + 1}", zone, year, quarter * 3 + 1, 3)
        case TierPeriod.YEAR:
            return _months(str(year), zone, year, 1, 12)
        case TierPeriod.ALWAYS:
            return Period("always", BEGINNING, None)


def period_before(period: TierPeriod, zone: str, now: datetime) -> Period | None:
    """The period before the one that `now` lies in; None where there is but one."""
    if period is TierPeriod.ALWAYS:
        return None
    return tier_period(period, zone, tier_period(period, zone, now).start - timedelta(microseconds=1))


def _months(key: str, zone: str, year: int, month: int, length: int) -> Period:
    following = year * 12 + month - 1 + length
    start = datetime(year, month, 1)  # noqa: DTZ001  a local date; instant_of gives it its zone
    end = datetime(following // 12, following % 12 + 1, 1)  # noqa: DTZ001
    return Period(key, instant_of(start, zone), instant_of(end, zone))
