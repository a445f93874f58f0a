"""A referral on its ladder, as its partner sees it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engage.authoring import load_campaigns
from engage.domain.programs import StatusKind
from engage.domain.rungs import Rung, Standing, rungs

ROOT = Path(__file__).parents[2]
PROGRAM = load_campaigns(ROOT / "tests" / "data" / "small_programme" / "campaigns").programs["northwind-partners"]
KEYS = [status.key for status in PROGRAM.ladder]
DAY = datetime(2026, 11, 1, tzinfo=UTC)
ON = {key: DAY + timedelta(days=place) for place, key in enumerate(KEYS)}


def shown(current: str, *reached: str) -> str:
    """The rungs in a line: + behind, * here, - ahead; with the day of the month where it is known."""
    signs = {Standing.DONE: "+", Standing.NOW: "*", Standing.AHEAD: "-"}
    found = rungs(PROGRAM, current, {key: ON[key] for key in reached})
    return " ".join(f"{signs[one.standing]}{one.status.key}{one.at.day if one.at else ''}" for one in found)


def test_what_is_behind_has_its_days_and_what_is_ahead_has_none() -> None:
    assert shown("qualified", "submitted", "accepted", "qualified") == (
        "+submitted1 +accepted2 *qualified3 -opportunity -demo -proposal -negotiation -won"
    )


def test_a_rung_that_nobody_stopped_at_is_behind_all_the_same() -> None:
    assert shown("opportunity", "submitted", "opportunity").startswith("+submitted1 +accepted +qualified *opportunity4")


def test_what_was_taken_back_is_ahead_again_without_its_day() -> None:
    assert shown("demo", "submitted", "demo", "proposal").endswith("*demo5 -proposal -negotiation -won")


def test_one_that_was_lost_shows_the_way_it_went_and_nothing_ahead() -> None:
    assert shown("lost", "submitted", "accepted", "demo", "lost") == "+submitted1 +accepted2 +demo5 *lost9"


def test_one_that_is_open_again_goes_on_after_the_highest_it_reached() -> None:
    assert shown("reopened", "submitted", "demo", "lost", "reopened") == (
        "+submitted1 +demo5 *reopened10 -proposal -negotiation -won"
    )


def test_a_win_that_is_open_again_is_to_be_won_again() -> None:
    assert shown("reopened", "submitted", "negotiation", "won", "reopened").endswith("*reopened10 -won")


def test_a_status_that_the_ladder_has_no_more_has_no_rungs() -> None:
    assert shown("thrilled", "submitted") == ""


@given(st.sampled_from(KEYS), st.sets(st.sampled_from(KEYS)))
def test_there_is_one_place_to_be_behind_it_what_is_done_and_ahead_what_is_not(current: str, reached: set[str]) -> None:
    found: list[Rung] = rungs(PROGRAM, current, {key: ON[key] for key in reached})
    order = [Standing.DONE, Standing.NOW, Standing.AHEAD]
    places = [order.index(one.standing) for one in found]
    assert places == sorted(places)
    assert [one.status.key for one in found if one.standing is Standing.NOW] == [current]
    assert all(one.at is None for one in found if one.standing is Standing.AHEAD)
    assert len({one.status.key for one in found}) == len(found)
    closed = {StatusKind.LOST, StatusKind.REOPENED}
    assert all(one.status.kind not in closed for one in found if one.standing is not Standing.NOW)
