"""Slots that came while engage was down: which of them are made up for."""

from datetime import UTC, datetime

import pytest

from engage.domain.campaigns import CatchUp, ScheduleTrigger
from engage.triggers import due_slots

HOURLY, DAILY, MINUTELY = "0 * * * *", "0 9 * * *", "* * * * *"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def found(cron: str, catch_up: CatchUp, last: str, now: str, zone: str = "UTC") -> tuple[list[str], int]:
    due = due_slots(ScheduleTrigger(cron, cron), zone, catch_up, utc(last), utc(now))
    return [slot.key[5:] for slot in due.slots], due.passed_over


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_slot_that_is_on_time_is_fired_whatever_a_campaign_catches_up_with(catch_up: CatchUp) -> None:
    assert found(DAILY, catch_up, "2026-03-01T09:00", "2026-03-02T09:00:01") == (["03-02T09:00"], 0)
    assert found(DAILY, catch_up, "2026-03-01T09:00", "2026-03-02T09:05") == (["03-02T09:00"], 0)


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_hiccup_of_a_minute_loses_no_slot(catch_up: CatchUp) -> None:
    minutes = ["03-02T09:01", "03-02T09:02", "03-02T09:03"]
    assert found(MINUTELY, catch_up, "2026-03-02T09:00", "2026-03-02T09:03:30") == (minutes, 0)


@pytest.mark.parametrize("catch_up", CatchUp)
def test_nothing_is_due_between_two_slots(catch_up: CatchUp) -> None:
    assert found(DAILY, catch_up, "2026-03-01T09:00", "2026-03-02T08:59:59") == ([], 0)


def test_skip_passes_over_what_was_missed() -> None:
    assert found(DAILY, CatchUp.SKIP, "2026-03-01T09:00", "2026-03-02T09:05:01") == ([], 1)
    assert found(HOURLY, CatchUp.SKIP, "2026-03-02T09:00", "2026-03-02T12:01") == (["03-02T12:00"], 2)


def test_latest_makes_up_for_the_latest_slot_within_an_hour() -> None:
    assert found(DAILY, CatchUp.LATEST, "2026-02-27T09:00", "2026-03-02T10:00") == (["03-02T09:00"], 2)
    assert found(DAILY, CatchUp.LATEST, "2026-02-27T09:00", "2026-03-02T10:00:01") == ([], 3)
    assert found(HOURLY, CatchUp.LATEST, "2026-03-02T09:00", "2026-03-02T12:10") == (["03-02T12:00"], 2)


def test_latest_makes_up_for_nothing_where_a_later_slot_is_on_time() -> None:
    assert found("0,20 * * * *", CatchUp.LATEST, "2026-03-02T09:00", "2026-03-02T10:21") == (["03-02T10:20"], 2)


def test_all_makes_up_for_every_slot_of_a_week_in_order() -> None:
    missed = [f"03-0{day}T09:00" for day in range(2, 9)]
    assert found(DAILY, CatchUp.ALL, "2026-03-01T09:00", "2026-03-08T09:30") == (missed, 0)
    assert found(DAILY, CatchUp.ALL, "2026-02-01T09:00", "2026-03-08T09:30") == (missed, 28)


@pytest.mark.guard("local-slot key")
@pytest.mark.parametrize("catch_up", CatchUp)
@pytest.mark.parametrize("now", ["2026-03-08T07:00:01", "2026-03-08T07:40"])
def test_slots_that_clocks_skip_come_together_and_are_slots_of_their_own(catch_up: CatchUp, now: str) -> None:
    slots, passed_over = found("15,30 2 * * *", catch_up, "2026-03-07T12:00", now, "America/New_York")
    missed = now.endswith("40") and catch_up is CatchUp.SKIP
    assert (slots, passed_over) == (([], 2) if missed else (["03-08T02:15", "03-08T02:30"], 0))


@pytest.mark.guard("local-slot key")
def test_slots_of_the_repeated_hour_come_once_by_their_local_time() -> None:
    first = found("30 1 * * *", CatchUp.ALL, "2026-10-31T12:00", "2026-11-01T05:30", "America/New_York")
    second = found("30 1 * * *", CatchUp.ALL, "2026-11-01T05:30", "2026-11-01T12:00", "America/New_York")
    assert (first, second) == ((["11-01T01:30"], 0), ([], 0))
