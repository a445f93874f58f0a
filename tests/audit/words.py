"""How the files say durations, times, dates and shares."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Rules = dict[str, Any]
"""A YAML file as any reader of YAML reads it."""

DAY = timedelta(days=1)
WEEKDAYS = frozenset(range(5))


def duration(text: str) -> timedelta:
    units = {"w": timedelta(weeks=1), "d": DAY, "h": timedelta(hours=1), "m": timedelta(minutes=1)}
    return int(text[:-1]) * units[text[-1]]


def time_of(text: str) -> time:
    return time.fromisoformat(text)


def date_of(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def share_of(text: str) -> float:
    return float(text.removesuffix("%")) / 100


def quarter(text: str, zone: str) -> datetime:
    """When a quarter such as 2017-Q1 begins in the zone."""
    year, number = text.split("-Q")
    return datetime(int(year), 3 * int(number) - 2, 1, tzinfo=ZoneInfo(zone))
