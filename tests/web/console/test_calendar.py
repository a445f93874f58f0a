"""The next two weeks by volume: from schedules, journeys, what waits and what events usually bring."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.campaigns import WaitStep
from engage.pipeline.ahead import DAYS, Ahead, look_ahead
from engage.store import coming, tables
from tests.support.consoles import MakeConsole
from tests.support.engage import Engage

QUIET = "no-login-30-days"
JOURNEY = "many-referrals-no-wins"


@pytest.fixture
def kept_in(database_url: str) -> str:
    return database_url


def ahead(engage: Engage) -> Ahead:
    library = engage.services.library()
    scope = library.scopes()[engage.program]
    with engage.services.database.read() as db:
        return look_ahead(db, library, scope, engage.now)


def edit(engage: Engage, file: str, before: str, after: str) -> None:
    path = next(engage.services.settings.campaigns_dir.rglob(file))
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    engage.now += timedelta(minutes=1)


def count(engage: Engage, campaign: str, hour: datetime, number: int, state: str = "created") -> None:
    program_id = engage.services.library().program_ids[engage.program]
    row = {"program_id": program_id, "campaign": campaign, "hour": hour.replace(minute=0), "state": state}
    with engage.services.database.write() as db:
        db.execute(sa.insert(tables.delivery_counts), row | {"number": number})


def runs_of(found: Ahead, campaign: str) -> dict[str, int | None]:
    """What is expected of each of its runs, by day."""
    return {f"{day.day:%a %d}": run.mails for day in found.days for run in day.runs if run.campaign.name == campaign}


def test_there_are_fourteen_days_and_the_first_is_today(engage: Engage) -> None:
    days = [day.day for day in ahead(engage).days]
    assert len(days) == DAYS == 14
    assert days[0] == engage.now.date()
    assert days[-1] == engage.now.date() + timedelta(days=13)


def test_a_schedule_comes_on_each_of_its_days_and_not_after_its_end(engage: Engage) -> None:
    assert list(runs_of(ahead(engage), JOURNEY)) == ["Mon 09"], "of this Monday the time has passed"
    edit(engage, "many_referrals_no_wins.yaml", "state: live\n", "state: live\nends: 2026-03-08\n")
    assert runs_of(ahead(engage), JOURNEY) == {}


def test_a_campaign_that_is_not_live_does_not_come_and_a_paused_one_is_named(engage: Engage) -> None:
    edit(engage, "many_referrals_no_wins.yaml", "state: live\n", "state: paused\n")
    found = ahead(engage)
    assert runs_of(found, JOURNEY) == {}
    assert [one.name for one in found.paused] == [JOURNEY]
    edit(engage, "many_referrals_no_wins.yaml", "state: paused\n", "state: draft\n")
    assert ahead(engage).paused == ()


def test_a_run_is_expected_to_make_what_the_last_one_made(engage: Engage) -> None:
    engage.partner("ann")
    engage.logs_in("ann")
    engage.refers("ann", "r-1")
    assert set(runs_of(ahead(engage), JOURNEY).values()) == {None}
    engage.runs(JOURNEY)
    assert set(runs_of(ahead(engage), JOURNEY).values()) == {None}, "nothing was counted yet"
    count(engage, JOURNEY, engage.now, 37)
    count(engage, JOURNEY, engage.now - timedelta(hours=5), 1000)
    assert runs_of(ahead(engage), JOURNEY) == {"Mon 09": 37}
    assert next(day for day in ahead(engage).days if f"{day.day:%a %d}" == "Mon 09").mails >= 37


def test_a_run_that_made_nothing_is_expected_to_make_nothing_once_that_was_counted(engage: Engage) -> None:
    engage.partner("ann")
    engage.logs_in("ann")
    engage.refers("ann", "r-1")
    engage.runs(JOURNEY)
    engage.now += timedelta(minutes=5)
    with engage.services.database.write() as db:
        mark = {"name": "deliveries", "counted_until": engage.now, "recounted_until": engage.now}
        db.execute(sa.insert(tables.count_marks), mark)
    assert runs_of(ahead(engage), JOURNEY) == {"Mon 09": 0}


def test_each_campaign_has_its_own_last_run(engage: Engage) -> None:
    engage.partner("ann")
    engage.logs_in("ann")
    engage.refers("ann", "r-1")
    engage.runs(JOURNEY)
    engage.now += timedelta(days=1)
    engage.runs(QUIET)
    engage.now += timedelta(days=1)
    engage.runs(QUIET)
    with engage.services.database.read() as db:
        program_id = engage.services.library().program_ids[engage.program]
        found = coming.last_runs(db, [program_id], done=True)
    assert {name: run.slot for (_, name), run in found.items()} == {
        JOURNEY: "2026-03-02T09:00",
        QUIET: "2026-03-04T10:00",
    }


def test_mails_that_wait_stand_on_the_day_on_which_they_are_due(engage: Engage) -> None:
    waits(engage, due_in=timedelta(days=-1))
    waits(engage, due_in=timedelta(days=3), occasion="b")
    waits(engage, due_in=timedelta(days=20), occasion="c")
    waits(engage, due_in=timedelta(days=3), occasion="d", state="accepted")
    waiting = [dict(day.waiting) for day in ahead(engage).days]
    assert waiting[0] == {QUIET: 1}, "what is overdue goes out today"
    assert waiting[3] == {QUIET: 1}
    assert sum(len(one) for one in waiting) == 2


def test_journeys_that_go_on_stand_on_the_day_with_the_email_that_may_come(engage: Engage) -> None:
    edit(engage, "many_referrals_no_wins.yaml", "  - alert:", "  - wait: 14d\n  - alert:")
    library = engage.services.library()
    found = library.find(JOURNEY)
    wait = next(step for step in found.steps if isinstance(step, WaitStep))
    stands(engage, JOURNEY, wait.id, engage.now + timedelta(days=5))
    days = ahead(engage).days
    assert [(one.campaign, one.partners, one.emails) for one in days[5].steps] == [
        (JOURNEY, 1, ("alerts/buyer_and_ask",))
    ]
    assert sum(len(day.steps) for day in days) == 1


def test_events_are_expected_to_bring_what_they_brought_in_the_last_two_weeks(engage: Engage) -> None:
    count(engage, "referral-won", engage.now - timedelta(days=3), 20)
    count(engage, "referral-won", engage.now - timedelta(days=9), 22)
    count(engage, "referral-won", engage.now - timedelta(days=20), 5000)
    found = ahead(engage)
    assert found.usual == (("referral-won", 3.0),)
    assert {day.events for day in found.days} == {3}


def test_what_waits_is_counted_up_to_a_cap(engage: Engage, monkeypatch: Any) -> None:
    for name in "abc":
        waits(engage, due_in=timedelta(days=2), occasion=name)
    monkeypatch.setattr(coming, "COUNTED", 2)
    monkeypatch.setattr("engage.pipeline.ahead.COUNTED", 2)
    day = ahead(engage).days[2]
    assert dict(day.waiting) == {QUIET: 2}
    assert day.capped


def test_a_newsletter_on_each_partners_clock_stands_on_its_own_date(engage: Engage) -> None:
    """It comes first fourteen hours ahead of UTC, where it is the day before in Boston."""
    edit(engage, "many_referrals_no_wins.yaml", "when: {every: ", "when: {clock: partner, every: ")
    assert list(runs_of(ahead(engage), JOURNEY)) == ["Mon 09"]


def test_the_page_shows_the_days_and_leads_to_the_campaigns(console: MakeConsole, engage: Engage) -> None:
    waits(engage, due_in=timedelta(days=3))
    page = console("marketing").get("/console/calendar")
    assert page.status_code == 200
    assert len(re.findall(r'<li class="card">', page.text)) == 14
    assert f'<a href="/console/campaigns/{engage.program}/{QUIET}">{QUIET}</a>: 1' in page.text


def test_nobody_sees_the_days_of_a_program_that_they_are_not_let_into(console: MakeConsole, engage: Engage) -> None:
    page = console("marketing", programs=[]).get(f"/console/calendar?program={engage.program}")
    assert page.status_code == 200
    assert QUIET not in page.text


# -- what waits --------------------------------------------------------------------------------------------------------


def stands(engage: Engage, campaign: str, step: str, due_at: datetime, key: str = "test") -> int:
    """An enrollment at a step; returns its id."""
    library = engage.services.library()
    found = library.find(campaign)
    mine = {
        "program_id": library.program_ids[engage.program],
        "campaign": campaign,
        "version_id": library.version_of(found),
        "key": key,
    }
    there = {"state": "active", "step": step, "reached_at": engage.now, "due_at": due_at}
    with engage.services.database.write() as db:
        o, e = tables.occasions, tables.enrollments
        occasion = db.execute(sa.insert(o).returning(o.c.id), mine | {"occurred_at": engage.now}).scalar_one()
        row = mine | there | {"occasion_id": occasion, "entered_at": engage.now}
        return int(db.execute(sa.insert(e).returning(e.c.id), row).scalar_one())


def waits(engage: Engage, *, due_in: timedelta, occasion: str = "a", state: str = "pending") -> None:
    """A mail of QUIET that is due then."""
    library = engage.services.library()
    due = engage.now + due_in
    enrollment = stands(engage, QUIET, "none", engage.now + timedelta(days=99), occasion)
    row = {
        "program_id": library.program_ids[engage.program],
        "public_id": occasion,
        "campaign": QUIET,
        "version_id": library.version_of(library.find(QUIET)),
        "step": "send",
        "recipient": f"partner:{occasion}",
        "occasion": occasion,
        "enrollment_id": enrollment,
        "template": "nudges/no_login_30_days",
        "topic": "tips",
        "lane": "bulk",
        "state": state,
        "due_at": due,
        "expires_at": due + timedelta(days=2),
        "attempts": 0,
        "created_at": engage.now,
    }
    with engage.services.database.write() as db:
        db.execute(sa.insert(tables.deliveries), row)
