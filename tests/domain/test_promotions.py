"""The instants of a promotion, in the program's zone, also where clocks change between them."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from engage.domain.campaigns import AtStep, Conversion, Edge, Promotion, SendStep, Step, Text
from engage.domain.journeys import path_of
from engage.domain.promotions import at_of, begins_at, caught_up, is_over, is_over_at

NEW_YORK = "America/New_York"
NOVEMBER = Promotion(date(2026, 11, 1), date(2026, 11, 30), Conversion.WIN, 10_000, "in December")
"""Its first day has 25 hours in New York."""

STEPS: tuple[Step, ...] = (
    SendStep("teaser", (Text("a"),)),
    AtStep("at-1", Edge.START),
    SendStep("offer", (Text("b"),)),
    AtStep("at-2", Edge.END, timedelta(days=-3)),
    SendStep("reminder", (Text("c"),)),
    AtStep("at-3", Edge.END),
    SendStep("thanks", (Text("d"),)),
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_it_stands_from_the_first_midnight_to_the_last_where_the_program_is() -> None:
    assert begins_at(NOVEMBER, NEW_YORK) == utc(2026, 11, 1, 4)
    assert is_over_at(NOVEMBER, NEW_YORK) == utc(2026, 12, 1, 5)
    assert not is_over(NOVEMBER, NEW_YORK, utc(2026, 12, 1, 4, 59))
    assert is_over(NOVEMBER, NEW_YORK, utc(2026, 12, 1, 5))
    assert not is_over(None, NEW_YORK, utc(2030, 1, 1))


@pytest.mark.parametrize(
    ("edge", "offset", "at"),
    [
        (Edge.START, timedelta(), utc(2026, 11, 1, 4)),
        (Edge.START, timedelta(days=1), utc(2026, 11, 2, 5)),  # 25 hours later: the next midnight
        (Edge.START, timedelta(hours=9), utc(2026, 11, 1, 13)),
        (Edge.END, timedelta(days=-3), utc(2026, 11, 28, 5)),
        (Edge.END, timedelta(days=-30), utc(2026, 11, 1, 4)),
        (Edge.END, timedelta(hours=-6), utc(2026, 11, 30, 23)),
        (Edge.END, timedelta(days=1, hours=10), utc(2026, 12, 2, 15)),
    ],
)
def test_days_before_and_after_are_days_of_the_calendar(edge: Edge, offset: timedelta, at: datetime) -> None:
    assert at_of(AtStep("x", edge, offset), NOVEMBER, NEW_YORK) == at


def test_a_time_of_day_is_what_clocks_show_in_the_night_of_the_change_too() -> None:
    for edge, offset, at in (
        (Edge.START, timedelta(), utc(2026, 11, 1, 14)),  # clocks were put back at two
        (Edge.START, timedelta(days=1), utc(2026, 11, 2, 14)),
        (Edge.START, timedelta(days=-1), utc(2026, 10, 31, 13)),
        (Edge.END, timedelta(), utc(2026, 12, 1, 14)),
    ):
        assert at_of(AtStep("x", edge, offset, time(9)), NOVEMBER, NEW_YORK) == at


@pytest.mark.parametrize(
    ("now", "step"),
    [
        (utc(2026, 10, 20), "teaser"),
        (utc(2026, 11, 1, 4), "at-1"),
        (utc(2026, 11, 28, 4, 59), "at-1"),
        (utc(2026, 11, 28, 5), "at-2"),
        (utc(2026, 12, 1, 5), "at-3"),
    ],
)
def test_whoever_comes_later_begins_at_the_latest_at_that_has_passed(now: datetime, step: str) -> None:
    path = path_of(STEPS)
    assert caught_up(path, path.first, NOVEMBER, NEW_YORK, now) == step


def test_nobody_goes_back_to_an_at_that_they_have_behind_them() -> None:
    assert caught_up(path_of(STEPS), "reminder", NOVEMBER, NEW_YORK, utc(2026, 11, 28, 6)) == "reminder"
    assert caught_up(path_of(STEPS), None, NOVEMBER, NEW_YORK, utc(2026, 12, 28)) is None
