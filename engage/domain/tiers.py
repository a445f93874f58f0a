"""Calendar periods in which tiers are counted. Pure: the same zone and instant, the same period."""

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engage.domain.programs import TierPeriod
from engage.domain.windows import BEGINNING

_MONTHS = {TierPeriod.MONTH: 1, TierPeriod.QUARTER: 3, TierPeriod.YEAR: 12}


class PeriodBounds(NamedTuple):
    """From `start` (included) to `end` (excluded; None: never), both in UTC; `key` such as `2026-Q4` names it."""

    key: str
    start: datetime
    end: datetime | None


def tier_period(period: TierPeriod, zone: str, now: datetime) -> PeriodBounds:
    """The period that contains `now`, by the calendar of the IANA zone.

    Keys are `2026-11`, `2026-Q4`, `2026` and `always`, which begins at BEGINNING and has no end.
    """
    if period is TierPeriod.ALWAYS:
        return PeriodBounds("always", BEGINNING, None)
    local = now.astimezone(ZoneInfo(zone))
    months = _MONTHS[period]
    index = local.year * 12 + (local.month - 1) // months * months
    key = {
        TierPeriod.MONTH: f"{local.year:04}-{local.month:02}",
        TierPeriod.QUARTER: f"{local.year:04}-Q{(local.month + 2) // 3}",
        TierPeriod.YEAR: f"{local.year:04}",
    }[period]
    return PeriodBounds(key, _month_start(index, zone), _month_start(index + months, zone))


def _month_start(index: int, zone: str) -> datetime:
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
