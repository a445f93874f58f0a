"""Tier periods begin and end at local midnights."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.local_time import instant_of
from engage.domain.programs import TierPeriod
from engage.domain.tiers import period_before, tier_period

ENDING = [TierPeriod.MONTH, TierPeriod.QUARTER, TierPeriod.YEAR]
moments = st.integers(0, 60 * 365 * 86_400).map(
    lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(0, seconds)
)
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "Australia/Lord_Howe", "America/Havana"]


@pytest.mark.parametrize(
    ("period", "key", "start", "end"),
    [
        (TierPeriod.MONTH, "2026-12", "2026-12-01T05:00", "2027-01-01T05:00"),
        (TierPeriod.QUARTER, "2026-Q4", "2026-10-01T04:00", "2027-01-01T05:00"),
        (TierPeriod.YEAR, "2026", "2026-01-01T05:00", "2027-01-01T05:00"),
    ],
)
def test_the_last_hours_of_a_year_in_new_york(period: TierPeriod, key: str, start: str, end: str) -> None:
    now = datetime(2027, 1, 1, 4, 59, tzinfo=UTC)  # the new year has begun in UTC, not there

    found = tier_period(period, "America/New_York", now)

    assert found.key == key
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize("period", ENDING)
def test_the_period_before_ends_where_this_one_starts(period: TierPeriod) -> None:
    now = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)  # still February in New York
    before = period_before(period, "America/New_York", now)
    assert before is not None
    assert before.end == tier_period(period, "America/New_York", now).start
    assert before.key == {"month": "2026-01", "quarter": "2025-Q4", "year": "2025"}[period]


def test_nothing_was_before_a_period_that_never_began() -> None:
    assert period_before(TierPeriod.ALWAYS, "UTC", datetime(2026, 3, 1, tzinfo=UTC)) is None


def test_a_period_without_end_holds_every_instant() -> None:
    found = tier_period(TierPeriod.ALWAYS, "UTC", datetime(2026, 1, 1, tzinfo=UTC))

    assert (found.key, found.end) == ("always", None)
    assert found.start == datetime(1, 1, 1, tzinfo=UTC)


@given(st.sampled_from(ENDING), st.sampled_from(ZONES), moments)
def test_an_instant_lies_in_its_period_and_the_next_period_follows(
    period: TierPeriod, zone: str, now: datetime
) -> None:
    found = tier_period(period, zone, now)

    assert found.end is not None
    assert found.start <= now < found.end
    following = tier_period(period, zone, found.end)
    assert following.start == found.end
    assert following.key > found.key


@given(st.sampled_from(ZONES), moments)
def test_a_local_time_that_clocks_show_is_read_back(zone: str, now: datetime) -> None:
    local = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    assert instant_of(local, zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
