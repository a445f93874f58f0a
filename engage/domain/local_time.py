"""What a clock on the wall means as an instant, also on the days when clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FIRST_ZONE = "Etc/GMT-14"
"""Fourteen hours ahead of UTC: no clocks anywhere show a time earlier than these."""

FIRST_TO_LAST = timedelta(hours=26)
"""For so long a local time comes on one clock after another around the world: from 14 hours ahead to 12 behind UTC."""


def instant_of(local: datetime, zone: str) -> datetime:
    """The instant, in UTC, at which clocks in `zone` show the naive `local`.

    Where they show it twice, in autumn, it is the first time; where they skip it, in spring, the instant at which
    they are put forward. So a later local time never means an earlier instant.
    """
    tz = ZoneInfo(zone)
    first = local.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if first.astimezone(tz).replace(tzinfo=None) == local:
        return first
    # Skipped: before the change clocks are behind, so that the two readings of `local` enclose the change.
    return _change(local.replace(tzinfo=tz, fold=1).astimezone(UTC), first, tz)


def _change(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """The first instant in (before, after] with the offset that holds at `after`, to the second."""
    offset = after.astimezone(tz).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(tz).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)
