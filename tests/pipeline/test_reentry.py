"""Who is still inside a journey does not enter it again; of a referral the journey about its latest change goes on."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.campaigns import Campaign
from engage.domain.decisions import Reason, Skip
from engage.domain.facts import Feed
from engage.domain.records import AliasRecord, LoginRecord, ReferralRecord
from engage.facts import Scope
from engage.pipeline.explaining import explain
from engage.pipeline.match import match_events
from engage.pipeline.plan import Plan, plan
from engage.pipeline.reentry import OVERTAKEN
from engage.store.database import Database
from engage.store.events import unmatched
from engage.store.intake import hear
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, standings, states, subjects, why, write_trial
from tests.support.turns import Turns

LONG = "{send: a}, {wait: 14d}, {send: b}"
ON_LOGIN = {"when": "{event: partner.logged_in}", "again": None}
ON_CHANGE = {"for_": "referral", "when": "{event: referral.status_changed, to: [accepted, won]}", "again": None}


def trial(engage: Engage) -> tuple[Scope, Campaign]:
    library = engage.services.library()
    campaign = library.find(TRIAL)
    return library.scope_of(campaign), campaign


def planned(engage: Engage) -> Plan:
    with engage.services.database.read() as db:
        return plan(db, *trial(engage), engage.now)


def hears(engage: Engage, *feeds: Feed) -> None:
    with engage.services.database.write() as db:
        for feed in feeds:
            hear(db, engage.services.library().program_ids[engage.program], feed, engage.now)


def logs_in(engage: Engage, name: str = "ann", hours_ago: float = 0) -> None:
    engage.takes(LoginRecord(name, engage.now - timedelta(hours=hours_ago)))


def days(engage: Engage, many: int) -> list[str]:
    """The subjects of the trial's mails of so many days on each of which its slot comes."""
    found = []
    for _ in range(many):
        found += [*engage.after(days=1), *engage.runs(TRIAL)]
    return [subject for subject in subjects(found) if len(subject) == 1]


# --- schedules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["each slot", "after 7d"])
def test_nobody_is_in_the_same_journey_twice_at_a_time(engage: Engage, again: str) -> None:
    write_trial(engage, LONG, again=again)
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A"]
    assert days(engage, 13) == []
    assert Counter(states(engage)) == {"active": 1}
    assert sorted(days(engage, 1)) == ["A", "B"], "the first journey has ended, and the next may begin"
    assert Counter(states(engage)) == {"active": 1, "done": 1}


def test_the_plan_and_the_explanation_say_who_is_still_inside(engage: Engage) -> None:
    write_trial(engage, LONG)
    engage.partner("ann")
    engage.runs(TRIAL)
    engage.now += timedelta(days=1)
    engage.partner("bob")
    found = planned(engage)
    assert (found.matched, found.entering, found.kept_out) == (2, 1, {Reason.STILL_INSIDE: 1})
    assert {one.partner: one.decision for one in found.decisions}["ann"] == Skip(Reason.STILL_INSIDE)
    with engage.services.database.read() as db:
        explained = explain(db, *trial(engage), "ann", engage.now)
        before = explain(db, *trial(engage), "ann", engage.now - timedelta(days=1, hours=1))
    assert explained.decision == Skip(Reason.STILL_INSIDE)
    assert [v.decision for v in explained.steps[0].verdicts if v.guard == "not_still_inside"] == [
        Skip(Reason.STILL_INSIDE)
    ]
    assert before.decision == before.decision.__class__(), "an hour before they entered, nothing was in the way"
    assert subjects(engage.runs(TRIAL)) == ["A"], "bob's, as the plan says"


def test_a_campaign_without_a_wait_is_no_journey(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {send: b}")
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A", "B"]
    assert sorted(days(engage, 1)) == ["A", "B"]


def test_an_episode_that_opens_meanwhile_is_entered_when_the_journey_has_ended(engage: Engage) -> None:
    write_trial(engage, LONG, again="each episode", where="[{days_since_login: {at_least: 5}}]", send_within="5d")
    engage.partner()
    engage.logs_in("ann", days_ago=5)
    hears(engage, Feed.LOGINS)
    assert subjects(engage.runs(TRIAL)) == ["A"]
    engage.now += timedelta(days=1)
    engage.logs_in("ann")
    assert engage.runs(TRIAL) == [], "the episode is over"
    engage.now += timedelta(days=6)
    hears(engage, Feed.LOGINS)
    assert engage.runs(TRIAL) == [], "another one has begun, and ann is still inside"
    engage.now += timedelta(days=7)
    hears(engage, Feed.LOGINS)
    assert sorted(subjects([*engage.sweeps(), *engage.runs(TRIAL)])) == ["A", "B"]


def test_those_inside_do_not_hold_a_run(engage: Engage) -> None:
    write_trial(engage, LONG, max_audience="1")
    for name in ("ann", "bob"):
        engage.partner(name)
        assert subjects(engage.runs(TRIAL)) == ["A"], f"only {name} would enter"
        assert not planned(engage).held
        engage.now += timedelta(days=1)


def test_each_referral_is_in_its_own_journey(engage: Engage) -> None:
    write_trial(engage, LONG, for_="referral", where="[{referral_status: {in: [submitted]}}]", send_within="5d")
    engage.partner()
    for slot, name in enumerate(("deal", "other")):
        engage.refers("ann", name)
        assert subjects(engage.runs(TRIAL)) == ["A"], slot
        engage.now += timedelta(days=1)


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_event_of_somebody_inside_begins_nothing(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_LOGIN)
    engage.partner()
    logs_in(engage, hours_ago=1)
    logs_in(engage, hours_ago=0)
    assert subjects(engage.work()) == ["A"], "two logins, matched together"
    engage.now += timedelta(days=2)
    logs_in(engage)
    assert engage.work() == []
    assert states(engage) == ["active"]
    assert planned(engage).kept_out == {Reason.STILL_INSIDE: 1}
    hears(engage, Feed.LOGINS)
    assert subjects(engage.after(days=12)) == ["B"]
    logs_in(engage)
    assert subjects(engage.work()) == ["A"]


def test_a_plan_of_events_counts_each_partner_once(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_LOGIN)
    for name in ("ann", "bob"):
        engage.partner(name)
        logs_in(engage, name, hours_ago=2)
        logs_in(engage, name, hours_ago=1)
    found = planned(engage)
    assert (found.matched, found.entering, found.kept_out) == (4, 2, {Reason.STILL_INSIDE: 2})
    assert subjects(engage.work()) == ["A", "A"]
    after = planned(engage)
    assert (after.entering, after.kept_out) == (found.entering, found.kept_out), "what the events of the day have sent"


def test_each_change_of_a_referral_is_told_and_the_latest_ones_journey_goes_on(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_CHANGE)
    engage.refers(engage.partner(), "deal")
    engage.becomes("ann", "deal", "accepted")
    assert subjects(engage.work()).count("A") == 1
    engage.now += timedelta(days=2)
    engage.becomes("ann", "deal", "won")
    assert subjects(engage.work()).count("A") == 1
    assert (states(engage), why(engage)) == (["stopped", "active"], [OVERTAKEN, None])
    hears(engage, Feed.REFERRALS)
    assert subjects(engage.after(days=14)) == ["B"], "about the win, and none about the acceptance"


@pytest.mark.parametrize("latest_first", [False, True])
def test_the_latest_change_goes_on_in_whatever_order_they_are_matched(engage: Engage, latest_first: bool) -> None:
    write_trial(engage, LONG, **ON_CHANGE)
    engage.refers(engage.partner(), "deal")
    engage.becomes("ann", "deal", "accepted", days_ago=1)
    engage.becomes("ann", "deal", "won")
    if latest_first:
        engage.queue.waiting.reverse()
    assert subjects(engage.work()).count("A") == 2
    assert sorted(zip(states(engage), why(engage), strict=True)) == [("active", None), ("stopped", OVERTAKEN)]
    hears(engage, Feed.REFERRALS)
    assert subjects(engage.after(days=14)) == ["B"]


def test_two_changes_that_are_matched_together_leave_one_journey(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_CHANGE)
    engage.refers(engage.partner(), "deal")
    engage.becomes("ann", "deal", "accepted", days_ago=1)
    engage.becomes("ann", "deal", "won")
    ids = [id_ for task, ids, _ in engage.queue.waiting for id_ in ids if task == "match"]
    engage.queue.waiting.clear()
    engage.services.match(ids)
    assert subjects(engage.work()).count("A") == 2
    assert sorted(states(engage)) == ["active", "stopped"]


def test_a_change_that_is_told_late_ends_no_journey_about_what_came_after_it(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_CHANGE)
    engage.refers(engage.partner(), "deal", days_ago=30)
    engage.becomes("ann", "deal", "won")
    assert subjects(engage.work()).count("A") == 1
    engage.now += timedelta(hours=1)
    engage.becomes("ann", "deal", "accepted", days_ago=1)
    engage.work()
    assert sorted(zip(states(engage), why(engage), strict=True)) == [("active", None), ("stopped", OVERTAKEN)]
    assert standings(engage)[0][0] == "active"


def test_what_is_no_news_any_more_leads_nowhere_on_a_journey(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_LOGIN)
    engage.partner()
    logs_in(engage, hours_ago=24 * 60)
    assert engage.work() == []
    assert (states(engage), why(engage)) == (["stopped"], ["too_old"])
    hears(engage, Feed.LOGINS)
    assert engage.after(days=14) == []
    logs_in(engage)
    assert subjects(engage.work()) == ["A"], "it keeps nobody out either"


# --- merges -----------------------------------------------------------------------------------------------------------


def test_two_who_are_inside_by_events_and_become_one_walk_one_way(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_LOGIN)
    for name in ("ann", "twin"):
        engage.partner(name)
        logs_in(engage, name)
        assert subjects(engage.work()) == ["A"]
        engage.now += timedelta(hours=1)
    engage.takes(AliasRecord("partner", "twin", "ann"))
    assert sorted(states(engage)) == ["active", "stopped"]
    hears(engage, Feed.LOGINS)
    assert subjects(engage.after(days=14)) == ["B"]


def test_two_referrals_that_become_one_are_in_one_journey(engage: Engage) -> None:
    write_trial(engage, LONG, **ON_CHANGE)
    engage.partner()
    for name, status in (("deal", "won"), ("copy", "accepted")):
        engage.refers("ann", name)
        engage.takes(ReferralRecord(name, "ann", status=status, status_at=engage.now))
        engage.work()
    engage.takes(AliasRecord("referral", "copy", "deal"))
    assert sorted(states(engage)) == ["active", "stopped"]


# --- two workers ------------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.parametrize("order", [[0, 1], [0, 0, 1], [0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 0, 0]])
@pytest.mark.parametrize("trigger", ["login", "change"])
def test_two_workers_at_once_let_nobody_in_twice(
    postgres_url: str, tmp_path: Path, authored: tuple[Path, Path], order: Sequence[int], trigger: str
) -> None:
    engage = Engage(postgres_url, tmp_path, *authored)
    write_trial(engage, LONG, **(ON_LOGIN if trigger == "login" else ON_CHANGE))
    for shipped in engage.services.settings.campaigns_dir.glob("*/*.yaml"):
        shipped.write_text(shipped.read_text().replace("state: live", "state: draft"))
    rereads(engage)
    engage.refers(engage.partner(), "deal")
    for hours, status in ((2, "accepted"), (1, "won")):
        if trigger == "login":
            logs_in(engage, hours_ago=hours)
        else:
            engage.becomes("ann", "deal", status, days_ago=hours / 24)
    with engage.services.database.read() as db:
        one, other = sorted(unmatched(db, engage.now, 10))[-2:]
    library, second = engage.services.library(), Database(postgres_url)
    turns = Turns(order)
    for database in (engage.services.database, second):
        turns.watch(database)

    def matches(database: Database, event: int) -> None:
        with database.write() as db:
            match_events(db, library, [event], engage.now)

    try:
        turns.run(lambda: matches(engage.services.database, one), lambda: matches(second, other))
    finally:
        for database in (engage.services.database, second):
            turns.unwatch(database)
        second.close()
    with engage.services.database.read() as db:
        entered = db.execute(sa.text("SELECT state FROM enrollments WHERE campaign = 'trial' ORDER BY state")).scalars()
        assert list(entered) == (["active"] if trigger == "login" else ["active", "stopped"])
    engage.services.close()
