"""Journeys: who gets which step when, and when a journey ends."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.facts import Feed
from engage.domain.messages import Outcome, SendResult
from engage.domain.records import AliasRecord, PartnerRecord
from engage.pipeline.lacking import lacking_emails
from engage.store.intake import hear
from engage.store.tables import addresses, decisions, enrollments, suppressions
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, standings, states, subjects, why, write_email, write_trial

TWO = "{send: a}, {wait: 3d}, {send: b}"


def edit(file: Path, engage: Engage, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    rereads(engage)


def hears(engage: Engage, *feeds: Feed) -> None:
    with engage.services.database.write() as db:
        for feed in feeds:
            hear(db, engage.services.library().program_ids[engage.program], feed, engage.now)


# --- waits ------------------------------------------------------------------------------------------------------------


def test_a_wait_lasts_as_long_as_it_says(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A"]
    assert standings(engage) == [("active", "wait-1", engage.now + timedelta(days=3))]
    assert engage.after(days=2, hours=23, minutes=59) == []
    assert subjects(engage.after(minutes=1)) == ["B"]
    assert standings(engage) == [("done", None, None)]
    assert engage.after(days=30) == []


def test_a_campaign_without_waits_is_done_as_soon_as_it_is_entered(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {send: b}")
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A", "B"]
    assert standings(engage) == [("done", None, None)]


def test_a_campaign_may_begin_with_a_wait_and_end_with_one(engage: Engage) -> None:
    write_trial(engage, "{wait: 1d}, {send: a}, {wait: 2d}")
    engage.partner()
    assert engage.runs(TRIAL) == []
    assert subjects(engage.after(days=1)) == ["A"]
    assert states(engage) == ["active"]
    assert engage.after(days=2) == []
    assert states(engage) == ["done"]


@pytest.mark.parametrize(
    ("zone", "entered", "comes"),
    [
        # Tuesday 04:00 there
        ("Pacific/Auckland", datetime(2026, 3, 2, 15, tzinfo=UTC), datetime(2026, 3, 2, 20, tzinfo=UTC)),
        # Saturday 10:00 there, while it is Friday in New York
        ("Pacific/Auckland", datetime(2026, 3, 6, 21, tzinfo=UTC), datetime(2026, 3, 8, 20, tzinfo=UTC)),
        # Friday 12:00, before the weekend in which clocks go forward: 09:00 comes an hour earlier
        ("America/New_York", datetime(2026, 3, 6, 17, tzinfo=UTC), datetime(2026, 3, 9, 13, tzinfo=UTC)),
        # Friday, before the weekend in which clocks go back
        ("America/New_York", datetime(2026, 10, 30, 16, tzinfo=UTC), datetime(2026, 11, 2, 14, tzinfo=UTC)),
        # half an hour of daylight saving, and an offset of three quarters of an hour
        ("Australia/Lord_Howe", datetime(2026, 4, 3, 12, tzinfo=UTC), datetime(2026, 4, 5, 22, 30, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 3, 2, 15, tzinfo=UTC), datetime(2026, 3, 3, 3, 15, tzinfo=UTC)),
        # at nine to the minute: the next one
        ("Europe/London", datetime(2026, 3, 2, 9, tzinfo=UTC), datetime(2026, 3, 3, 9, tzinfo=UTC)),
        # without a zone of their own, in the program's
        (None, datetime(2026, 3, 2, 15, tzinfo=UTC), datetime(2026, 3, 3, 14, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_is_one_where_the_partner_is(
    engage: Engage, zone: str | None, entered: datetime, comes: datetime
) -> None:
    engage.now = entered
    write_trial(engage, "{send: a}, {wait: {until: next weekday 09:00}}, {send: b}")
    engage.now = entered
    engage.partner(zone=zone)
    assert subjects(engage.runs(TRIAL)) == ["A"]
    assert standings(engage) == [("active", "wait-1", comes)]
    engage.now = comes - timedelta(seconds=1)
    assert engage.sweeps() == []
    engage.now = comes
    assert subjects(engage.sweeps()) == ["B"]


@pytest.mark.parametrize(("late", "sent"), [({"minutes": 59}, ["B"]), ({"hours": 5}, [])])
def test_a_time_of_day_that_was_missed_is_waited_for_again(
    engage: Engage, late: dict[str, float], sent: list[str]
) -> None:
    write_trial(engage, "{send: a}, {wait: {until: next day 09:00}}, {send: b}")
    engage.partner(zone="Europe/London")
    engage.runs(TRIAL)  # at 15:00 there
    engage.now = datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(**late)
    assert subjects(engage.sweeps()) == sent
    engage.now = datetime(2026, 3, 4, 9, tzinfo=UTC)
    assert subjects(engage.sweeps()) == ([] if sent else ["B"])


def test_who_moves_in_mid_journey_is_mailed_at_nine_where_they_are_then(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: {until: next day 09:00}}, {send: b}")
    engage.partner(zone="America/New_York")
    engage.runs(TRIAL)
    engage.takes(PartnerRecord("ann", zone="Pacific/Auckland"), news=False)
    assert engage.sweeps() == []
    assert standings(engage) == [("active", "wait-1", datetime(2026, 3, 2, 20, tzinfo=UTC))]
    engage.takes(PartnerRecord("ann", zone="America/Los_Angeles"), news=False)
    assert engage.sweeps() == []
    assert standings(engage) == [("active", "wait-1", datetime(2026, 3, 2, 17, tzinfo=UTC))]
    engage.now = datetime(2026, 3, 2, 17, tzinfo=UTC)
    assert subjects(engage.sweeps()) == ["B"]


def test_who_moves_past_the_time_of_day_is_not_mailed_at_once(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: {until: next day 17:00}}, {send: b}")
    engage.partner(zone="America/New_York")
    engage.runs(TRIAL)
    engage.now = datetime(2026, 3, 2, 20, tzinfo=UTC)  # 15:00 there, and 20:00 in London
    engage.takes(PartnerRecord("ann", zone="Europe/London"), news=False)
    assert engage.sweeps() == []
    assert standings(engage) == [("active", "wait-1", datetime(2026, 3, 3, 17, tzinfo=UTC))]


def test_a_zone_told_again_changes_no_wait(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner(zone="Europe/London")
    engage.runs(TRIAL)
    before = standings(engage)
    engage.now += timedelta(hours=1)
    engage.takes(PartnerRecord("ann", zone="Europe/London", region="Europe"), news=False)
    assert standings(engage) == before


def test_a_wait_counts_from_when_the_mail_before_it_went_out(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 1d}, {send: b}")
    engage.partner()
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.RETRY, status=503)
    engage.runs(TRIAL)
    assert subjects(engage.after(days=1)) == ["A"], "tried again, and B waits for it"
    engage.provider.answers.clear()
    assert subjects(engage.after(hours=1)) == ["A"]
    went_out = engage.now
    assert engage.after(hours=23) == []
    assert standings(engage) == [("active", "wait-1", went_out + timedelta(days=1))]
    assert subjects(engage.after(hours=1)) == ["B"]


def test_a_time_of_day_comes_after_the_mail_before_it(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: {until: next day 09:00}}, {send: b}", send_within="5d")
    engage.partner(zone="Europe/London")
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.RETRY, status=503)
    engage.runs(TRIAL)
    engage.now = datetime(2026, 3, 3, 8, 59, tzinfo=UTC)
    engage.sweeps()
    engage.provider.answers.clear()
    engage.now = datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert subjects(engage.sweeps()) == ["A"]
    engage.now = datetime(2026, 3, 3, 9, 15, tzinfo=UTC)
    assert engage.sweeps() == [], "not a quarter of an hour after it"
    assert standings(engage) == [("active", "wait-1", datetime(2026, 3, 4, 9, tzinfo=UTC))]


def test_a_mail_that_is_skipped_holds_up_nothing(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 1d}, {alert: {to: owner, say: z}}")
    engage.partner(owner=engage.salesperson())
    with engage.services.database.write() as db:
        address = db.execute(sa.select(addresses.c.id).where(addresses.c.email == "ann@example.com")).scalar_one()
        db.execute(suppressions.insert().values(address_id=address, reason="bounce", created_at=engage.now))
    assert engage.runs(TRIAL) == []
    (alert,) = engage.after(days=1)
    assert (alert.to.email, alert.subject) == ("sam@example.com", "Z")


# --- branches ---------------------------------------------------------------------------------------------------------

BRANCH = "{branch: {if: [{wins: {at_least: 1}}], then: [{send: b}], else: [{send: c}]}}"


@pytest.mark.parametrize(("won", "then"), [(True, "B"), (False, "C")])
def test_a_branch_goes_where_its_condition_says_when_it_is_reached(engage: Engage, won: bool, then: str) -> None:
    write_trial(engage, f"{{send: a}}, {{wait: 1d}}, {BRANCH}, {{wait: 1d}}, {{send: d}}")
    engage.refers(engage.partner(), "acme")
    assert subjects(engage.runs(TRIAL)) == ["A"]
    if won:
        engage.becomes("ann", "acme", "won")
        engage.work()
    assert subjects(engage.after(days=1)) == [then]
    hears(engage, Feed.REFERRALS)
    assert subjects(engage.after(days=1)) == ["D"], "what follows a branch follows it on either way"
    assert [d for d, _ in engage.decisions() if d in ("then", "otherwise")] == ["then" if won else "otherwise"]


def test_a_branch_may_do_nothing(engage: Engage) -> None:
    write_trial(engage, "{branch: {if: [{wins: {at_least: 1}}], then: [{send: a}]}}, {send: b}")
    engage.refers(engage.partner(), "acme")
    assert subjects(engage.runs(TRIAL)) == ["B"]
    assert states(engage) == ["done"]


@pytest.mark.parametrize(
    ("wins", "referrals", "sent"), [(1, 1, ["B", "F"]), (0, 2, ["C", "F"]), (0, 1, ["D", "E", "F"])]
)
def test_branches_nest(engage: Engage, wins: int, referrals: int, sent: list[str]) -> None:
    inner = "{branch: {if: [{referrals: {at_least: 2}}], then: [{send: c}], else: [{send: d}, {wait: 1d}, {send: e}]}}"
    write_trial(
        engage, f"{{branch: {{if: [{{wins: {{at_least: 1}}}}], then: [{{send: b}}], else: [{inner}]}}}}, {{send: f}}"
    )
    engage.partner()
    for number in range(referrals):
        engage.refers("ann", f"r{number}")
    if wins:
        engage.becomes("ann", "r0", "won")
        engage.work()
    assert subjects([*engage.runs(TRIAL), *engage.after(days=1)]) == sent
    assert states(engage) == ["done"]


def test_each_partner_goes_their_own_way(engage: Engage) -> None:
    write_trial(engage, f"{{send: a}}, {{wait: 1d}}, {BRANCH}")
    for name in ("ann", "bob", "cat"):
        engage.refers(engage.partner(name), f"of-{name}")
    engage.runs(TRIAL)
    engage.becomes("bob", "of-bob", "won")
    engage.work()
    mails = engage.after(days=1)
    assert sorted((mail.to.email[:3], mail.subject) for mail in mails) == [("ann", "C"), ("bob", "B"), ("cat", "C")]


def test_who_was_let_in_without_being_active_is_asked_at_branches_and_ends_like_anybody(engage: Engage) -> None:
    where = "[status: {is: invited}]"
    branch = "{branch: {if: [referrals: {is: 0}], then: [{send: b}], else: [{send: c}]}}"
    write_trial(
        engage,
        f"{{send: a}}, {{wait: 1d}}, {branch}, {{wait: 1d}}, {{send: d}}",
        where=where,
        again="never",
        stop_when="[referrals: {at_least: 1}]",
    )
    engage.partner(status="invited")
    hears(engage, Feed.REFERRALS)
    assert subjects(engage.runs(TRIAL)) == ["A"]
    assert subjects(engage.after(days=1)) == ["B"]
    engage.refers("ann", "acme", days_ago=0)
    assert engage.after(days=1) == []
    assert states(engage) == ["stopped"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_stop_when_is_looked_at_before_each_step(engage: Engage) -> None:
    write_trial(
        engage,
        "{send: a}, {wait: 1d}, {send: b}, {wait: 1d}, {send: c}",
        stop_when="[{referrals: {last: 7d, at_least: 1}}]",
    )
    for name in ("ann", "bob"):
        engage.refers(engage.partner(name), f"old-{name}", days_ago=60)
    hears(engage, Feed.REFERRALS)
    assert len(engage.runs(TRIAL)) == 2
    engage.refers("ann", "new", days_ago=0)
    assert [(mail.to.email, mail.subject) for mail in engage.after(days=1)] == [("bob@example.com", "B")]
    assert states(engage) == ["stopped", "active"]
    assert why(engage) == ["stopped", None]
    engage.now += timedelta(days=8)  # it holds no more
    hears(engage, Feed.REFERRALS)
    assert [(mail.to.email, mail.subject) for mail in engage.sweeps()] == [("bob@example.com", "C")]


def test_whom_stop_when_concerns_on_entering_gets_nothing(engage: Engage) -> None:
    write_trial(engage, TWO, stop_when="[{referrals: {last: 7d, at_least: 1}}]")
    engage.refers(engage.partner(), "new", days_ago=0)
    assert engage.runs(TRIAL) == []
    assert states(engage) == ["stopped"]
    assert engage.decisions() == [("stop", "stopped")]


@pytest.mark.parametrize("goal", ["login", "referral", "win", "revenue"])
def test_reaching_the_goal_ends_the_journey(engage: Engage, goal: str) -> None:
    write_trial(engage, TWO, goal=f"{goal} within 30d")
    for name in ("ann", "bob"):
        engage.logs_in(engage.partner(name), days_ago=2)
        engage.refers(name, f"of-{name}")
    assert len(engage.runs(TRIAL)) == 2
    engage.now += timedelta(days=1)
    match goal:
        case "login":
            engage.logs_in("ann")
        case "referral":
            engage.refers("ann", "another", days_ago=0)
        case _:
            engage.becomes("ann", "of-ann", "won")
            engage.work()
    hears(engage, Feed.LOGINS, Feed.REFERRALS)
    assert [(mail.to.email, mail.subject) for mail in engage.after(days=2)] == [("bob@example.com", "B")]
    assert states(engage) == ["reached", "done"]
    assert why(engage) == ["goal_reached", None]


def test_who_reaches_the_goal_before_a_mail_goes_out_does_not_get_it(engage: Engage) -> None:
    write_trial(engage, "{send: a}", goal="login within 30d", send_within="5d")
    for name in ("ann", "bob"):
        engage.logs_in(engage.partner(name), days_ago=2)
        engage.provider.answers[f"{name}@example.com"] = SendResult(Outcome.RETRY, status=503)
    assert len(engage.runs(TRIAL)) == 2, "tried, and not taken"
    engage.provider.answers.clear()
    engage.now += timedelta(hours=1)
    engage.logs_in("ann")
    assert [mail.to.email for mail in engage.after(hours=1)] == ["bob@example.com"]
    assert ("skip", "goal_reached") in engage.decisions()


def test_a_goal_ends_the_journey_however_long_ago_it_was_entered(engage: Engage) -> None:
    """`within` is for comparing: who wins on the fortieth day needs no more help either."""
    write_trial(engage, "{send: a}, {wait: 40d}, {send: b}, {wait: 20d}, {send: c}", goal="win within 30d")
    for name in ("ann", "bob"):
        engage.refers(engage.partner(name), f"of-{name}")
    engage.runs(TRIAL)
    engage.now += timedelta(days=40)
    hears(engage, Feed.REFERRALS)
    assert subjects(engage.sweeps()) == ["B", "B"]
    engage.now += timedelta(days=5)
    engage.becomes("ann", "of-ann", "won")
    engage.work()
    engage.now += timedelta(days=15)
    hears(engage, Feed.REFERRALS)
    assert [(mail.to.email, mail.subject) for mail in engage.sweeps()] == [("bob@example.com", "C")]
    assert states(engage) == ["reached", "done"]


def test_what_was_done_before_entering_reaches_no_goal(engage: Engage) -> None:
    write_trial(
        engage,
        TWO,
        for_="referral",
        when="{event: referral.status_changed, to: won}",
        again=None,
        goal="win within 30d",
    )
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    assert "A" in subjects(engage.work())
    hears(engage, Feed.REFERRALS)
    assert subjects(engage.after(days=3)) == ["B"]


# --- the file, edited while partners are inside -----------------------------------------------------------------------


def test_a_paused_campaign_has_everybody_wait(engage: Engage) -> None:
    file = write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    edit(file, engage, ("state: live", "state: paused"))
    assert engage.after(days=4) == []
    assert states(engage) == ["active"]
    edit(file, engage, ("state: paused", "state: live"))
    assert subjects(engage.after(minutes=15)) == ["B"]


@pytest.mark.parametrize("state", ["ended", "draft", None])
def test_an_ended_campaign_and_one_that_is_deleted_stop_for_all(engage: Engage, state: str | None) -> None:
    file = write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    text = file.read_text()
    file.unlink() if state is None else file.write_text(text.replace("state: live", f"state: {state}"))
    rereads(engage)
    assert engage.after(days=3) == []
    assert standings(engage) == [("stopped", None, None)]
    assert why(engage) == ["campaign_not_live"]
    file.write_text(text)
    rereads(engage)
    assert engage.after(days=3) == [], "what has ended does not begin again"


def test_a_worker_that_runs_on_sees_that_the_file_is_gone(engage: Engage) -> None:
    """The same process, which looks at the folder again and again; with mail that waits and with a step that is due."""
    file = write_trial(engage, TWO)
    engage.partner("ann")
    engage.provider.answers["ann@example.com"] = SendResult(Outcome.RETRY, status=503)
    engage.runs(TRIAL)
    library = engage.services.library()
    file.unlink()
    engage.provider.answers.clear()
    assert engage.after(minutes=30) == [], "what had been tried and not taken goes out no more"
    assert engage.services.library() is not library
    assert engage.states()[-1] == ("partner:ann", "skipped")
    assert engage.after(days=3) == []
    assert (states(engage), why(engage)) == (["stopped"], ["campaign_not_live"])


def test_steps_that_are_renamed_are_those_of_who_enters_from_then_on(engage: Engage) -> None:
    file = write_trial(engage, "{send: a}, {wait: 1d, id: one}, {send: b, id: two}, {wait: 1d, id: three}, {send: c}")
    engage.partner("ann")
    engage.runs(TRIAL)
    edit(file, engage, ("id: one", "id: eins"), ("id: two", "id: zwei"), ("id: three", "id: drei"))
    engage.now += timedelta(days=1)
    assert subjects(engage.sweeps()) == ["B"]
    engage.partner("bob")
    assert subjects(engage.runs(TRIAL)) == ["A"], "bob; ann is still inside"
    assert [step for _, step, _ in standings(engage)] == ["three", "eins"]
    assert sorted(subjects(engage.after(days=1))) == ["B", "C"]
    assert sorted(states(engage)) == ["active", "done"]


@pytest.mark.parametrize("away", ["a", "b"])
def test_who_comes_to_an_email_that_is_gone_waits_for_it(engage: Engage, away: str) -> None:
    file = write_trial(engage, "{send: a}, {wait: 1d}, {send: b}, {wait: 1d}, {send: c}")
    engage.partner("ann")
    engage.runs(TRIAL)
    email = engage.services.settings.templates_dir / f"{away}.md"
    text = email.read_text()
    email.unlink()
    edit(file, engage, ("{send: a}, {wait: 1d}, {send: b}, {wait: 1d}, {send: c}", "{send: c}"))
    assert not engage.services.library().problems, "the file names it no more"
    if away == "a":
        assert subjects(engage.after(days=1)) == ["B"], "what is behind ann need not be there"
        return
    assert engage.after(days=1) == []
    assert standings(engage)[0][:2] == ("active", "wait-1")
    library = engage.services.library()
    with engage.services.database.read() as db:
        scope = library.scope_of(library.find(TRIAL))
        assert lacking_emails(db, library, scope) == {(TRIAL, "b"): 1}
    email.write_text(text)
    rereads(engage)
    assert subjects(engage.after(minutes=15)) == ["B"]
    assert subjects(engage.after(days=1)) == ["C"]


def test_an_email_that_is_gone_and_still_sent_is_missed_and_goes_out_as_it_was(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner("ann")
    engage.runs(TRIAL)
    email = engage.services.settings.templates_dir / "b.md"
    email.unlink()
    for _ in range(2):  # and a second reading knows it still
        rereads(engage)
        assert [p.message for p in engage.services.library().problems] == ["there is no email 'b'"]
    assert subjects(engage.after(days=3)) == ["B"]


# --- dates ------------------------------------------------------------------------------------------------------------


def test_when_its_last_day_is_over_a_campaign_ends_for_all(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 1d}, {send: b}, {wait: 1d}, {send: c}", ends="2026-03-03")
    engage.partner()
    assert subjects(engage.runs(TRIAL)) == ["A"]
    assert subjects(engage.after(days=1)) == ["B"], "on its last day"
    assert engage.after(days=1) == []
    assert (states(engage), why(engage)) == (["stopped"], ["outside_dates"])
    assert engage.runs(TRIAL) == []
    assert states(engage) == ["stopped"], "and nobody enters"


def test_the_last_day_ends_where_the_program_is(engage: Engage) -> None:
    write_trial(engage, "{wait: 13h}, {send: a}, {wait: 2h}, {send: b}", ends="2026-03-02", send_within="1d")
    engage.partner()
    engage.runs(TRIAL)  # at 10:00 there
    assert subjects(engage.after(hours=13)) == ["A"], "at 23:00"
    assert engage.after(hours=2) == []
    assert why(engage) == ["outside_dates"]


def test_before_its_first_day_nobody_enters_and_never_again_is_not_used_up(engage: Engage) -> None:
    write_trial(engage, "{send: a}", starts="2026-03-04", again="never")
    engage.partner()
    assert engage.runs(TRIAL) == []
    assert engage.count(enrollments) == 0
    engage.now += timedelta(days=2)
    assert subjects(engage.runs(TRIAL)) == ["A"]


def test_who_is_inside_waits_when_the_first_day_is_put_off(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    write_trial(engage, TWO, starts="2026-03-08")
    assert engage.after(days=3) == []
    assert states(engage) == ["active"]
    engage.now += timedelta(days=3)
    assert subjects(engage.sweeps()) == ["B"]


def test_who_is_inside_finishes_on_the_steps_that_were_entered(engage: Engage) -> None:
    file = write_trial(engage, TWO)
    engage.partner("ann")
    engage.runs(TRIAL)
    edit(file, engage, ("{wait: 3d}, {send: b}", "{wait: 1d}, {send: c}, {send: b}"))
    engage.now += timedelta(days=1)
    engage.partner("bob")
    assert [mail.subject for mail in engage.runs(TRIAL) if mail.to.email.startswith("bob")] == ["A"]
    sent = sorted((mail.to.email[:3], mail.subject) for mail in engage.after(days=1))
    assert sent == [("bob", "B"), ("bob", "C")], "of the new version"
    assert [(m.to.email[:3], m.subject) for m in engage.after(days=1)] == [("ann", "B")], "of the version of day one"


def test_the_texts_are_those_of_today_for_all(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    write_email(engage, "b", "B without the typo")
    rereads(engage)
    assert subjects(engage.after(days=3)) == ["B without the typo"]


def test_stop_when_and_the_goal_are_those_of_today(engage: Engage) -> None:
    file = write_trial(engage, TWO)
    for name in ("ann", "bob"):
        engage.refers(engage.partner(name), f"of-{name}", days_ago=60)
    engage.runs(TRIAL)
    engage.refers("ann", "new", days_ago=0)
    edit(file, engage, ("steps:", "stop_when: [{referrals: {last: 7d, at_least: 1}}]\nsteps:"))
    assert [mail.to.email for mail in engage.after(days=3)] == ["bob@example.com"]


def test_a_mistake_in_a_file_stops_nobody(engage: Engage) -> None:
    """The version that runs is kept; and where a change of program.yaml takes even that, journeys wait."""
    file = write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    program = file.with_name("program.yaml")
    text = program.read_text()
    program.write_text(re.sub(r"^      tips:", "      hints:", text, flags=re.MULTILINE))
    rereads(engage)
    assert engage.services.library().problems
    assert engage.after(days=3) == []
    assert states(engage) == ["active"]
    program.write_text(text)
    rereads(engage)
    assert subjects(engage.after(minutes=15)) == ["B"]


def test_a_mistake_in_a_file_loses_no_mail_that_waits(engage: Engage) -> None:
    file = write_trial(engage, "{send: a}", send_within="5d")
    engage.partner()
    engage.services.run_now(engage.services.library().find(TRIAL))
    program = file.with_name("program.yaml")
    text = program.read_text()
    program.write_text(re.sub(r"^      tips:", "      hints:", text, flags=re.MULTILINE))
    rereads(engage)
    assert TRIAL not in {name for _, name in engage.services.library().campaigns}
    assert engage.work() == []
    assert engage.after(hours=1) == []
    assert engage.states() == [("partner:ann", "pending")]
    program.write_text(text)
    rereads(engage)
    assert subjects(engage.after(minutes=16)) == ["A"]


def test_what_the_old_file_says_beside_its_steps_need_not_be_there_any_more(engage: Engage) -> None:
    file = write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    program = file.with_name("program.yaml")
    program.write_text(re.sub(r"^      tips:", "      hints:", program.read_text(), flags=re.MULTILINE))
    for other in file.parent.rglob("*.yaml"):
        other.write_text(other.read_text().replace("topic: tips", "topic: hints"))
    rereads(engage)
    assert not engage.services.library().problems
    assert [(mail.subject, mail.category) for mail in engage.after(days=3)] == [("B", TRIAL)]


def test_steps_that_cannot_be_read_any_more_end_the_journey_and_say_so(engage: Engage) -> None:
    branch = "{branch: {if: [{attribute: {name: sector, is: retail}}], then: [{send: b}]}}"
    file = write_trial(engage, f"{{send: a}}, {{wait: 3d}}, {branch}")
    engage.partner()
    engage.runs(TRIAL)
    edit(file, engage, (branch, "{send: b}"))
    edit(file.with_name("program.yaml"), engage, ("      sector: text\n", ""))
    assert not engage.services.library().problems
    assert engage.after(days=3) == []
    assert states(engage) == ["stopped"]
    assert why(engage) == ["the steps that were entered cannot be read any more"]


# --- what else happens meanwhile --------------------------------------------------------------------------------------


def test_while_a_feed_is_silent_nobody_goes_on(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 10d}, {send: b}", stop_when="[{days_since_login: {at_most: 3}}]")
    engage.partner()
    engage.logs_in("ann", days_ago=5)
    hears(engage, Feed.LOGINS)
    assert subjects(engage.runs(TRIAL)) == ["A"]
    assert engage.after(days=10) == [], "no logins were told of for ten days: whether ann has logged in is not known"
    assert states(engage) == ["active"]
    hears(engage, Feed.LOGINS)
    assert subjects(engage.after(minutes=15)) == ["B"]


def test_the_feeds_of_a_branch_are_those_of_the_version_that_was_entered(engage: Engage) -> None:
    branch = "{branch: {if: [{days_since_login: {at_least: 3}}], then: [{send: b}]}}"
    file = write_trial(engage, f"{{send: a}}, {{wait: 10d}}, {branch}")
    engage.partner()
    engage.logs_in("ann", days_ago=5)
    hears(engage, Feed.LOGINS)
    engage.runs(TRIAL)
    edit(file, engage, (branch, "{send: c}"))
    assert engage.after(days=10) == []
    assert states(engage) == ["active"]
    hears(engage, Feed.LOGINS)
    assert subjects(engage.after(minutes=15)) == ["B"]


def test_a_goal_that_cannot_be_seen_holds_the_journey(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 10d}, {send: b}", goal="login within 30d")
    engage.partner()
    engage.logs_in("ann", days_ago=1)
    engage.runs(TRIAL)
    assert engage.after(days=10) == []
    hears(engage, Feed.LOGINS)
    assert subjects(engage.after(minutes=15)) == ["B"]


def test_who_is_no_active_partner_any_more_gets_nothing_and_nobody_is_alerted_about_them(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 1d}, {send: b}, {alert: {to: owner, say: z}}, {wait: 1d}, {send: c}")
    engage.partner(owner=engage.salesperson())
    assert subjects(engage.runs(TRIAL)) == ["A"]
    engage.takes(PartnerRecord("ann", status="inactive"), news=False)
    assert engage.after(days=1) == []
    assert engage.decisions()[-2:] == [("skip", "not_active"), ("skip", "not_active")]
    engage.takes(PartnerRecord("ann", status="active"), news=False)
    assert subjects(engage.after(days=1)) == ["C"], "who is back goes on where they are by then"


def test_a_survivor_goes_on_where_the_merged_one_stood(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner("twin")
    engage.runs(TRIAL)
    engage.partner("ann")
    engage.takes(AliasRecord("partner", "twin", "ann"))
    assert [(mail.to.email, mail.subject) for mail in engage.after(days=3)] == [("ann@example.com", "B")]


@pytest.mark.parametrize("later", [0, 1])
def test_two_who_are_one_walk_one_way_once(engage: Engage, later: int) -> None:
    write_trial(engage, TWO)
    engage.partner("twin")
    if later:  # entered on another slot
        engage.runs(TRIAL)
        engage.now += timedelta(days=1)
        engage.takes(PartnerRecord("twin", status="inactive"), news=False)
    engage.partner("ann")
    engage.runs(TRIAL)
    engage.takes(AliasRecord("partner", "twin", "ann"))
    assert [(mail.to.email, mail.subject) for mail in engage.after(days=3)] == [("ann@example.com", "B")]
    assert sorted(states(engage)) == ["done", "stopped"]


def test_one_change_of_two_referrals_that_are_one_is_one_journey(engage: Engage) -> None:
    write_trial(engage, TWO, for_="referral", when="{event: referral.status_changed, to: won}", again=None)
    engage.partner()
    for name in ("deal", "copy"):
        engage.refers("ann", name)
        engage.becomes("ann", name, "won")
    assert subjects(engage.work()).count("A") == 2
    engage.takes(AliasRecord("referral", "copy", "deal"))
    assert subjects(engage.after(days=3)) == ["B"]
    assert sorted(states(engage)) == ["done", "stopped"]


def test_two_referrals_are_two_journeys(engage: Engage) -> None:
    write_trial(engage, TWO, for_="referral", when="{event: referral.status_changed, to: won}", again=None)
    engage.partner()
    for name in ("deal", "other"):
        engage.refers("ann", name)
        engage.becomes("ann", name, "won")
    assert subjects(engage.work()).count("A") == 2
    assert subjects(engage.after(days=3)) == ["B", "B"]


def test_entering_and_going_on_are_kept_with_their_decisions(engage: Engage) -> None:
    write_trial(engage, f"{{send: a}}, {{wait: 1d}}, {BRANCH}", stop_when="[{referrals: {last: 2d, at_least: 1}}]")
    engage.refers(engage.partner(), "acme")
    engage.runs(TRIAL)
    engage.after(days=1)
    c = decisions.c
    with engage.services.database.read() as db:
        found = db.execute(sa.select(c.step, c.phase, c.decision, c.reason).order_by(c.id)).all()
    assert [tuple(row) for row in found if row.phase != "send"] == [
        ("send-a", "enroll", "send", None),
        ("branch-1", "journey", "otherwise", None),
        ("send-c", "enroll", "send", None),
    ]


def test_enrolling_again_moves_nobody(engage: Engage) -> None:
    write_trial(engage, TWO)
    engage.partner()
    engage.runs(TRIAL)
    before = standings(engage)
    engage.now += timedelta(hours=2)
    assert engage.runs(TRIAL) == []
    assert standings(engage) == before
    assert engage.count(enrollments) == 1
