"""Slots on days when clocks change, and croniter against counting every minute."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.authoring.schedules import checked_cron
from engage.slots import Slot, current_slot, next_slot, slots_between

ZONES = (
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "Europe/Berlin",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
)
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def instants(cron: str, zone: str, after: str, until: str) -> list[tuple[str, str]]:
    return [(slot.key, f"{slot.at:%d %H:%M}") for slot in slots_between(cron, zone, utc(after), utc(until))]


# The specification, minute by minute and without croniter.


def values(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (int(end) for end in span.split("-"))
        else:
            first = int(span)
            last = high if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return found


def rule(cron: str) -> Callable[[datetime], bool]:
    minute, hour, day, month, weekday = cron.split()
    minutes, hours, months = values(minute, 0, 59), values(hour, 0, 23), values(month, 1, 12)
    days, weekdays = values(day, 1, 31), {number % 7 for number in values(weekday, 0, 7)}
    either = len(days) < 31 and len(weekdays) < 7  # cron's rule: either, if both restrict

    def comes_due(local: datetime) -> bool:
        if local.minute not in minutes or local.hour not in hours or local.month not in months:
            return False
        on_day, on_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return on_day or on_weekday if either else on_day and on_weekday

    return comes_due


def counted(cron: str, zone: str, after: datetime, until: datetime) -> Iterator[Slot]:
    """A local minute comes due at the first instant whose clock shows it or something later."""
    comes_due, tz = rule(cron), ZoneInfo(zone)
    instant = after.replace(second=0, microsecond=0) - timedelta(hours=3)
    shown = instant.astimezone(tz).replace(tzinfo=None)
    while instant <= until:
        local = instant.astimezone(tz).replace(tzinfo=None)
        while shown < local:
            shown += MINUTE
            if instant > after and comes_due(shown):
                yield Slot(shown, instant)
        instant += MINUTE


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pair = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    return st.one_of(
        number.map(str),
        st.lists(number, min_size=2, max_size=3).map(lambda numbers: ",".join(map(str, numbers))),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.integers(2, 30).map(lambda step: f"*/{step}"),
        st.tuples(pair, st.integers(1, 9)).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
    )


def allowed(cron: str) -> bool:
    try:
        return bool(checked_cron(cron))
    except ValueError:
        return False  # such as 30 February


crons = (
    st.tuples(
        fields(0, 59),
        fields(0, 23),
        st.one_of(st.just("*"), fields(1, 31)),
        st.one_of(st.just("*"), fields(1, 12)),
        st.one_of(st.just("*"), fields(0, 7)),
    )
    .map(" ".join)
    .filter(allowed)
)

# Half of the instants lie near a change of clocks in one of the zones.
CHANGES = tuple(
    utc(text)
    for text in (
        "2026-03-08T07:00", "2026-11-01T06:00", "2026-03-29T01:00", "2026-10-25T01:00", "2026-04-04T15:00",
        "2026-10-03T15:30", "2026-04-04T14:00", "2026-09-26T14:00", "2026-02-15T02:00", "2026-03-22T02:00",
    )
)  # fmt: skip
instants_of_interest = st.one_of(
    st.integers(0, 6 * 365 * 86_400).map(lambda seconds: utc("2024-01-01T00:00") + timedelta(seconds=seconds)),
    st.tuples(st.sampled_from(CHANGES), st.integers(-50_000, 20_000)).map(
        lambda both: both[0] + timedelta(seconds=both[1])
    ),
)


@settings(max_examples=150, deadline=None)
@given(crons, st.sampled_from(ZONES), instants_of_interest)
def test_slots_are_those_that_counting_every_minute_finds(cron: str, zone: str, after: datetime) -> None:
    until = after + timedelta(hours=20)

    assert slots_between(cron, zone, after, until) == list(counted(cron, zone, after, until))


@settings(max_examples=100, deadline=None)
@given(crons, st.sampled_from(ZONES), instants_of_interest)
def test_the_current_slot_is_the_last_one_that_counting_finds(cron: str, zone: str, now: datetime) -> None:
    before = list(counted(cron, zone, now - timedelta(days=1), now))

    current = current_slot(cron, zone, now)

    assert current.at <= now
    if before:
        assert current == before[-1]
    else:
        assert current.at <= now - timedelta(days=1)


@settings(max_examples=100, deadline=None)
@given(crons, st.sampled_from(ZONES), instants_of_interest)
def test_next_current_and_between_agree(cron: str, zone: str, now: datetime) -> None:
    current, following = current_slot(cron, zone, now), next_slot(cron, zone, now)

    assert current.at <= now < following.at
    assert slots_between(cron, zone, now, following.at)[0] == following
    assert current in slots_between(cron, zone, current.at - timedelta(seconds=1), now)
    assert current.local < following.local


@settings(max_examples=60, deadline=None)
@given(crons, st.sampled_from(ZONES), instants_of_interest, st.lists(st.integers(1, 90_000), min_size=1, max_size=6))
def test_a_range_cut_into_pieces_has_the_same_slots(cron: str, zone: str, after: datetime, steps: list[int]) -> None:
    cuts = [after]
    for step in steps:
        cuts.append(cuts[-1] + timedelta(seconds=step))

    pieces = [slot for low, high in pairwise(cuts) for slot in slots_between(cron, zone, low, high)]

    assert pieces == slots_between(cron, zone, after, cuts[-1])
    assert len({slot.key for slot in pieces}) == len(pieces)


def test_a_slot_in_the_repeated_hour_comes_once_at_its_first_time() -> None:
    slots = instants("30 1 * * *", "America/New_York", "2026-10-31T12:00", "2026-11-02T12:00")

    assert slots == [("2026-11-01T01:30", "01 05:30"), ("2026-11-02T01:30", "02 06:30")]


def test_a_slot_in_the_skipped_hour_comes_once_when_clocks_are_put_forward() -> None:
    slots = instants("30 2 * * *", "America/New_York", "2026-03-07T12:00", "2026-03-09T12:00")

    assert slots == [("2026-03-08T02:30", "08 07:00"), ("2026-03-09T02:30", "09 06:30")]


def test_a_half_hour_that_lord_howe_skips_and_repeats() -> None:
    skipped = instants("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-04T12:00")
    repeated = instants("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", "2026-04-05T12:00")

    assert skipped == [("2026-10-04T02:15", "03 15:30")]
    assert repeated == [("2026-04-05T01:45", "04 14:45")]


def test_a_day_that_a_zone_left_out_comes_when_the_next_one_begins() -> None:
    slots = instants("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00", "2011-12-31T12:00")

    assert slots == [
        ("2011-12-29T09:00", "29 19:00"),
        ("2011-12-30T09:00", "30 10:00"),
        ("2011-12-31T09:00", "30 19:00"),
    ]


def test_the_end_of_the_range_belongs_to_it_and_the_beginning_does_not() -> None:
    nine = utc("2026-11-02T09:00")

    assert [slot.at for slot in slots_between("0 9 * * 1", "UTC", nine - MINUTE, nine)] == [nine]
    assert slots_between("0 9 * * 1", "UTC", nine, nine + MINUTE) == []


def test_the_current_slot_during_the_second_round_of_the_repeated_hour() -> None:
    second_round = utc("2026-11-01T06:10")  # 01:10 again; 01:50 has been

    assert current_slot("*/50 1 * * *", "America/New_York", second_round).key == "2026-11-01T01:50"
    assert next_slot("30 1 * * *", "America/New_York", second_round).key == "2026-11-02T01:30"


@pytest.mark.parametrize(
    ("now", "key"), [("2028-02-29T00:00", "2028-02-29T00:00"), ("2028-02-28T23:59", "2024-02-29T00:00")]
)
def test_a_slot_of_leap_years_waits_for_one(now: str, key: str) -> None:
    assert current_slot("0 0 29 2 *", "UTC", utc(now)).key == key
