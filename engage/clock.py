"""The wall clock. Only entry points read it; everything below takes `now` as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
