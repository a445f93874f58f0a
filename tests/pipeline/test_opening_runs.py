"""Runs of slots: opened once each, whoever opens them, and caught up with as the campaign says."""

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from engage.bootstrap import SILENT_AFTER
from engage.pipeline.runs import GIVEN_UP_AFTER
from engage.store import tables
from engage.store.runs import take_run
from engage.workers.scheduler import Scheduler
from tests.support.calendar_year import ZONES, author, calendar_year
from tests.support.engage import Engage

NEW_YORK = ZONES[:1]


@pytest.fixture
def begin(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Engage]]:
    """Starts one more process's worth of engage, whose one schedule is due daily at nine in New York."""
    author(tmp_path, {"daily": 'every: "day 09:00"'}, NEW_YORK)
    started: list[Engage] = []

    def one_more(campaigns: Path = tmp_path / "campaigns") -> Engage:
        started.append(Engage(database_url, tmp_path, campaigns, tmp_path / "email_templates"))
        return started[-1]

    yield one_more
    for running in started:
        running.services.close()


@pytest.fixture
def engage(begin: Callable[[], Engage]) -> Engage:
    """It has seen its schedule on Monday at ten in New York."""
    engage = begin()
    engage.services.open_runs()
    return engage


def at(text: str) -> datetime:
    """An instant of March 2026, by day and New York's winter time."""
    return datetime.fromisoformat(f"2026-03-{text}").replace(tzinfo=UTC) + timedelta(hours=5)


def edit(engage: Engage, old: str, new: str) -> None:
    """Edits every campaign, and lets engage see it."""
    for file in engage.services.settings.campaigns_dir.glob("*.yaml"):
        file.write_text(file.read_text().replace(old, new))
    engage.now += timedelta(seconds=2)


def slots(engage: Engage) -> list[str]:
    """The slots that have a run, in the order in which the runs were opened."""
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(tables.runs.c.slot).order_by(tables.runs.c.id)).scalars())


def opens(engage: Engage, when: str) -> list[str]:
    """The slots whose runs are opened then."""
    before = slots(engage)
    engage.now = at(when)
    engage.services.open_runs()
    return slots(engage)[len(before) :]


def test_a_schedule_starts_when_it_is_first_seen(engage: Engage) -> None:
    assert slots(engage) == []
    assert opens(engage, "03T08:59") == []
    assert opens(engage, "03T09:00") == ["2026-03-03T09:00"]
    assert opens(engage, "03T09:01") == []


@pytest.mark.parametrize(
    ("catch_up", "made_up", "passed_over"),
    [
        ("skip", [], 3),
        ("latest", ["2026-03-05T09:00"], 2),
        ("all", ["2026-03-03T09:00", "2026-03-04T09:00", "2026-03-05T09:00"], 0),
    ],
)
def test_after_downtime_a_campaign_catches_up_as_it_says_and_the_log_says_what_is_lost(
    begin: Callable[[], Engage], catch_up: str, made_up: list[str], passed_over: int
) -> None:
    engage = begin()
    edit(engage, "catch_up: skip", f"catch_up: {catch_up}")
    engage.services.open_runs()

    with capture_logs() as logs:
        assert opens(engage, "05T09:40") == made_up

    said = [(line["campaign"], line["slots"]) for line in logs if line["event"] == "slots_passed_over"]
    assert said == ([("america-new_york-daily", passed_over)] if passed_over else [])
    assert opens(engage, "05T09:41") == []


def test_runs_that_are_made_up_for_are_carried_out_one_after_another_and_see_each_other(engage: Engage) -> None:
    edit(engage, "again: each slot\ncatch_up: skip", "again: after 60d\ncatch_up: all")
    engage.services.open_runs()
    engage.partner()
    assert len(opens(engage, "05T12:00")) == 3
    task, runs, _ = engage.queue.waiting[0]
    assert (task, runs) == ("run", sorted(runs))
    for run in reversed(runs):  # as if several workers each took one
        engage.services.run([run])
    for _ in runs:
        engage.now += timedelta(minutes=1)
        engage.services.sweep()
        engage.work()

    assert [message.to.email for message in engage.provider.messages] == ["ann@example.com"]


def test_a_run_waits_for_the_one_before_but_not_for_ever(engage: Engage) -> None:
    edit(engage, "catch_up: skip", "catch_up: all")
    opens(engage, "04T09:00")
    first, second = engage.queue.waiting[-1][1]
    now = engage.now

    def take(run: int, later: timedelta) -> bool:
        with engage.services.database.write() as db:
            return take_run(db, run, now + later, now + later - GIVEN_UP_AFTER) is not None

    assert not take(second, timedelta())
    assert take(first, timedelta())
    assert not take(second, GIVEN_UP_AFTER)
    assert take(second, GIVEN_UP_AFTER + timedelta(seconds=1))


def test_times_that_an_edit_would_have_had_were_not_missed(engage: Engage) -> None:
    edit(engage, 'every: "day 09:00"', 'every: "hour"')
    edit(engage, "catch_up: skip", "catch_up: all")

    assert opens(engage, "05T12:30") == []
    assert opens(engage, "05T14:30") == ["2026-03-05T13:00", "2026-03-05T14:00"]


def test_a_campaign_that_was_paused_goes_on_from_there(engage: Engage) -> None:
    edit(engage, "catch_up: skip", "catch_up: all")
    edit(engage, "state: live", "state: paused")
    assert opens(engage, "04T09:00") == []
    edit(engage, "state: paused", "state: live")

    assert opens(engage, "04T09:01") == []
    assert opens(engage, "05T09:00") == ["2026-03-05T09:00"]


def test_two_schedulers_that_read_two_versions_of_a_file_lose_no_slot(
    engage: Engage, begin: Callable[..., Engage]
) -> None:
    files = engage.services.settings.campaigns_dir
    old_files = begin(shutil.copytree(files, files.with_name("old")))
    edit(engage, "09:00", "10:00")

    for when in ("03T09:00", "03T09:30", "03T10:00", "03T10:30"):
        for scheduler in (engage, old_files):
            opens(scheduler, when)

    assert slots(engage) == ["2026-03-03T09:00", "2026-03-03T10:00"]


@pytest.mark.guard("local-slot key")
def test_a_programme_that_moves_to_a_later_zone_does_not_fire_a_local_time_again(engage: Engage) -> None:
    assert opens(engage, "03T09:00") == ["2026-03-03T09:00"]
    file = engage.services.settings.campaigns_dir / "program.yaml"
    file.write_text(file.read_text().replace("America/New_York", "America/Chicago"))
    engage.now += timedelta(seconds=2)
    engage.services.open_runs()

    assert opens(engage, "03T10:00") == []  # nine in Chicago
    assert opens(engage, "04T10:00") == ["2026-03-04T09:00"]


def test_schedulers_that_look_in_the_same_instant_open_each_run_once(
    engage: Engage, begin: Callable[[], Engage]
) -> None:
    author(engage.services.settings.campaigns_dir.parent, {f"c{n}": 'every: "hour"' for n in range(20)}, NEW_YORK)
    engage.now += timedelta(seconds=2)
    engage.services.open_runs()
    schedulers = [engage, begin(), begin(), begin()]
    for one in schedulers:
        one.services.library()
    hours = 12
    together = threading.Barrier(len(schedulers))

    def look(scheduler: Engage) -> None:
        for hour in range(1, hours + 1):
            scheduler.now = at("02T10:00") + timedelta(hours=hour)
            together.wait(60)
            scheduler.services.open_runs()

    threads = [threading.Thread(target=look, args=[one]) for one in schedulers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    asked_for = [id_ for one in schedulers for _, ids, _ in one.queue.waiting for id_ in ids]
    assert len(slots(engage)) == 20 * hours
    assert len(asked_for) == len(set(asked_for)) == 20 * hours


def test_a_process_that_falls_silent_is_told_of_once(engage: Engage) -> None:
    engage.services.beat("worker@here:1", "worker")
    engage.services.beat("worker@here:2", "worker")
    engage.services.leave("worker@here:2")
    engage.now += SILENT_AFTER + timedelta(seconds=1)
    scheduler = Scheduler(engage.services)

    with capture_logs() as logs:
        scheduler.tick()
        engage.now += timedelta(minutes=5)
        scheduler.tick()

    assert [line["process"] for line in logs if line["event"] == "process_silent"] == ["worker on here:1"]


@pytest.mark.slow
@pytest.mark.guard("local-slot key")
@pytest.mark.parametrize(
    ("kind", "start", "days"),
    [("sqlite", datetime(2028, 3, 10, tzinfo=UTC), 24), ("postgres", datetime(2028, 9, 29, tzinfo=UTC), 39)],
)
def test_two_schedulers_fire_each_local_time_once_while_three_zones_change_their_clocks(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, start: datetime, days: int
) -> None:
    folder = tmp_path / "year"
    folder.mkdir()

    year = calendar_year(request.getfixturevalue(f"{kind}_url"), folder, days=days, start=start)

    assert year.exact, year
    assert year.slots > 2_000
