"""max_audience: a run that more partners would enter is held, and changes nothing until somebody has decided."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engage.domain.errors import InputError
from engage.domain.records import LoginRecord
from engage.pipeline.holding import HoldId
from engage.pipeline.plan import plan
from engage.store import tables
from engage.store.runs import Run
from tests.support.engage import Engage

QUIET = "no-login-30-days"
MONTHLY = "monthly-newsletter"

Limit = Callable[..., None]


@pytest.fixture
def limit(engage: Engage, authored: tuple[Path, Path]) -> Limit:
    """Writes `max_audience` into both campaigns, and more if it is given."""

    def write(number: int, more: str = "") -> None:
        for path in ("nudges/no_login_30_days.yaml", "newsletter/monthly.yaml"):
            file = authored[0] / path
            kept = [line for line in file.read_text().split("\n") if not line.startswith("max_audience")]
            file.write_text("\n".join([f"max_audience: {number}", *kept, more]))
        engage.now += timedelta(seconds=2)  # files are looked at once a second

    return write


def quiet(engage: Engage, *names: str, days: float = 40) -> None:
    """Partners who have not logged in for a while, in a programme whose logins arrive."""
    for name in names:
        engage.partner(name, joined_at=engage.now - timedelta(days=900))
        engage.logs_in(name, days_ago=days)
    heard(engage)


def heard(engage: Engage) -> None:
    engage.partner("lively")
    engage.logs_in("lively")


def ran(engage: Engage, campaign: str = QUIET) -> Run:
    return engage.services.run_now(engage.services.library().find(campaign))[0]


def released(engage: Engage, run: Run) -> str:
    (decided,) = engage.services.release([HoldId.parse(f"run-{run.id}")], "they are meant")
    return decided.message


def test_a_run_that_too_many_would_enter_is_held_and_changes_nothing(engage: Engage, limit: Limit) -> None:
    limit(2)
    quiet(engage, "ann", "bob", "cem")
    run = ran(engage)
    assert (run.state, run.matched, run.entering) == ("held", 3, 3)
    assert run.reason == (
        "3 partners would enter, and max_audience is 2; it is the campaign's first run: "
        "see with engage plan whether they are meant"
    )
    assert engage.work() == []
    for table in (tables.enrollments, tables.episodes, tables.occasions, tables.decisions):
        assert engage.count(table) == 0


def test_up_to_the_limit_the_run_goes_on(engage: Engage, limit: Limit) -> None:
    limit(3)
    quiet(engage, "ann", "bob", "cem")
    assert ran(engage).state == "done"
    assert len(engage.work()) == 3


def test_those_whom_again_keeps_out_do_not_count(engage: Engage, limit: Limit) -> None:
    limit(2)
    quiet(engage, "ann", "bob")
    ran(engage)
    engage.now += timedelta(days=1)
    quiet(engage, "cem", "dan")
    run = ran(engage)
    assert (run.state, run.matched) == ("done", 4)
    assert len(engage.work()) == 4


def test_a_held_run_closes_no_episode_either(engage: Engage, limit: Limit) -> None:
    limit(2)
    quiet(engage, "ann")
    ran(engage)
    engage.takes(LoginRecord("ann", engage.now), news=False)
    engage.now += timedelta(days=1)
    quiet(engage, "bob", "cem", "dan")
    assert ran(engage).state == "held"
    with engage.services.database.read() as db:
        assert [row.closed_at for row in db.execute(tables.episodes.select())] == [None]


def test_what_is_held_says_how_many_there_were_before_and_where_to_look(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann")
    ran(engage)
    engage.now += timedelta(days=1)
    quiet(engage, "bob", "cem")
    before = "2 partners would enter, and max_audience is 1; the run of 2026-03-02T10:00 enrolled 1"
    assert ran(engage).reason == f"{before} with the same file: look at what was imported since"
    limit(1, "ends: 2027-01-31")
    assert ran(engage).reason == f"{before}, and the campaign's file has changed since: look there first"
    (hold,) = engage.services.held()
    assert (hold.of, hold.slot) == (QUIET, "2026-03-03T10:00")


def test_released_the_run_is_carried_out_with_the_facts_of_now(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    run = ran(engage)
    engage.now += timedelta(hours=5)
    engage.takes(LoginRecord("ann", engage.now), news=False)
    assert released(engage, run) == (
        f"run-{run.id} is released: 2 partners may enter {QUIET} for slot 2026-03-02T10:00; "
        "beyond that it is held again"
    )
    assert [mail.to.email for mail in engage.work()] == ["bob@example.com"]
    assert engage.services.held() == []


def test_a_released_run_is_found_by_the_sweeper_when_redis_has_lost_it(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    released(engage, ran(engage))
    engage.queue.waiting.clear()
    engage.now += timedelta(minutes=1)
    engage.services.sweep()
    assert len(engage.work()) == 2


def test_more_than_the_operator_saw_is_held_again(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    run = ran(engage)
    quiet(engage, "cem")
    released(engage, run)
    assert engage.work() == []
    (hold,) = engage.services.held()
    assert hold.message.startswith("3 partners would enter, and max_audience is 1 (2 were released before)")
    released(engage, run)
    assert len(engage.work()) == 3


def test_a_limit_that_is_raised_in_between_holds_nobody(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    ran(engage)
    limit(5)
    assert ran(engage).state == "done"
    assert len(engage.work()) == 2


def test_running_it_again_is_no_way_around_the_limit(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    assert (ran(engage).state, ran(engage).state) == ("held", "held")
    assert engage.work() == []


def test_a_dropped_slot_does_not_come_again_and_the_next_one_does(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    run = ran(engage)
    engage.services.drop([HoldId.parse(f"run-{run.id}")], "the login feed was broken")
    assert ran(engage).state == "dropped"
    engage.services.open_runs()
    assert engage.work() == []
    with pytest.raises(InputError, match=f"run-{run.id} is not held: it is dropped"):
        released(engage, run)
    engage.now += timedelta(days=1)
    engage.takes(LoginRecord("ann", engage.now), news=False)
    assert ran(engage).state == "done"
    assert [mail.to.email for mail in engage.work()] == ["bob@example.com"]


def test_a_run_that_a_silent_feed_holds_is_listed_until_the_next_slot_and_may_be_tried_again(engage: Engage) -> None:
    engage.partner("ann")
    run = ran(engage)
    (hold,) = engage.services.held()
    assert hold.message == (
        "feed_never_connected: a feed that its conditions rest on was never connected: engage doctor names it"
    )
    engage.now += timedelta(days=1)
    later = ran(engage)
    assert [str(hold.id) for hold in engage.services.held()] == [f"run-{later.id}"]
    quiet(engage, "bob")
    assert released(engage, later) == (
        f"run-{later.id} is released: {QUIET} is tried again for slot 2026-03-03T10:00, with the facts of now"
    )
    assert {mail.to.email for mail in engage.work()} == {"ann@example.com", "bob@example.com"}
    assert engage.services.held() == []
    assert released(engage, run)  # the older one can still be asked for by its id


def test_every_slot_that_is_held_for_too_many_is_listed(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    first = ran(engage)
    engage.now += timedelta(days=1)
    heard(engage)
    second = ran(engage)
    assert [str(hold.id) for hold in engage.services.held()] == [f"run-{first.id}", f"run-{second.id}"]


def test_a_newsletter_is_held_like_any_other_schedule(engage: Engage, limit: Limit) -> None:
    limit(1)
    engage.partner("ann")
    engage.partner("bob")
    assert ran(engage, MONTHLY).state == "held"
    assert engage.work() == []


def test_a_plan_shows_that_the_run_would_be_held(engage: Engage, limit: Limit) -> None:
    quiet(engage, "ann", "bob")

    def planned(at_most: int) -> tuple[int, int, bool]:
        limit(at_most)
        library = engage.services.library()
        campaign = library.find(QUIET)
        with engage.services.database.read() as db:
            found = plan(db, library.scope_of(campaign), campaign, engage.now)
        return found.matched, found.entering, found.held

    assert planned(1) == (2, 2, True)
    assert planned(2) == (2, 2, False)
    ran(engage)
    assert planned(1) == (2, 0, False)


def test_the_log_says_that_a_run_is_held(engage: Engage, limit: Limit) -> None:
    limit(1)
    quiet(engage, "ann", "bob")
    with capture_logs() as log:
        run = ran(engage)
    (entry,) = [entry for entry in log if entry["event"] == "run_held"]
    assert (entry["log_level"], entry["id"], entry["campaign"]) == ("warning", f"run-{run.id}", QUIET)
