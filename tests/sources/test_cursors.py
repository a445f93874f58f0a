"""Cursor values: positions sort like the values, and no row that comes late is beyond where reading goes on."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.sources.cursors import OVERLAP, Cursor

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 2, 14, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 (in UTC)
NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18),
    st.decimals(-(10**12), 10**12, places=6),
    st.integers(-(10**9), 10**9).map(lambda n: n / 64),
)


@given(st.lists(NUMBERS, min_size=2, max_size=5))
def test_positions_of_numbers_sort_like_the_numbers(values: list[Any]) -> None:
    cursor = Cursor(1, UTC)
    assert sorted(values, key=cursor.position) == sorted(values, key=lambda value: Decimal(str(value)))


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_positions_of_instants_sort_like_the_instants(first: datetime, later: timedelta) -> None:
    cursor = Cursor(NOW, UTC)
    a, b = first.replace(tzinfo=UTC), (first + later).replace(tzinfo=timezone(timedelta(hours=5)))
    assert (cursor.position(a) < cursor.position(b)) == (a < b)


def written(at: datetime, form: str) -> Any:
    """An instant as databases hand it out."""
    wall = at.astimezone(BERLIN).replace(tzinfo=None)
    match form:
        case "aware":
            return at
        case "naive":
            return wall
        case "day":
            return wall.date()
        case "sqlite":
            return wall.isoformat(" ", "seconds")
        case "iso":
            return at.isoformat()
        case "zulu":
            return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    return wall.date().isoformat()


FORMS = ("aware", "naive", "day", "sqlite", "iso", "zulu", "text day")


@given(INSTANTS, st.timedeltas(timedelta(0), OVERLAP), st.sampled_from(FORMS))
def test_what_is_dated_within_the_overlap_is_read_again(naive: datetime, before: timedelta, form: str) -> None:
    reached = naive.replace(tzinfo=UTC)
    cursor = Cursor(written(reached, form), BERLIN)
    bound, _ = cursor.bound(cursor.position(cursor.sample))
    assert written(reached - before, form) >= bound


@given(st.timedeltas(timedelta(0), timedelta(hours=6)), st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_no_row_is_passed_over_when_the_clocks_go_back(start: timedelta, later: timedelta) -> None:
    reached = datetime(2026, 10, 24, 22, tzinfo=UTC) + start  # clocks went back on 25 October at 01:00 UTC
    cursor = Cursor(written(reached, "naive"), BERLIN)
    bound, _ = cursor.bound(cursor.position(cursor.sample))
    assert written(reached + later, "naive") >= bound


def test_a_row_of_the_future_does_not_move_the_position_beyond_now() -> None:
    cursor = Cursor(NOW, UTC)
    far = cursor.position(NOW + timedelta(days=9000))
    assert cursor.reached([far], NOW) == cursor.position(NOW)


@pytest.mark.parametrize(
    ("sample", "overlap", "said"),
    [
        ("b7e1", None, "is not an instant"),
        ("2026-13-01", None, "is not an instant"),
        (b"\x01", None, "neither an instant nor a number"),
        (True, None, "neither an instant nor a number"),
        (Decimal("NaN"), None, "too large"),
        (5, timedelta(minutes=5), "overlap is a duration; write a number"),
        (NOW, 5, "overlap is a number; write a duration"),
    ],
)
def test_what_cannot_be_a_cursor_is_said(sample: Any, overlap: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Cursor(sample, UTC, overlap)


def test_a_cursor_that_became_another_column_is_said() -> None:
    with pytest.raises(ValueError, match="held numbers before, and holds instants now"):
        Cursor(date(2026, 1, 1), UTC).bound(Cursor(1, UTC).position(7))
