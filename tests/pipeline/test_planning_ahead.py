"""A plan of a journey decides what is called for now, and says of the rest when it will be."""

from datetime import UTC, datetime, timedelta

from engage.domain.decisions import Defer, Reason, Send, Skip
from engage.pipeline.plan import Later, PlannedStep, plan
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, write_trial

PROMOTION = '{from: 2026-03-10, through: 2026-03-31, counts: win, bonus: 100, paid_when: "in May"}'
MIDNIGHTS = {"at-1": datetime(2026, 3, 10, 4, tzinfo=UTC), "at-2": datetime(2026, 3, 29, 4, tzinfo=UTC)}


def steps_of(engage: Engage, now: datetime | None = None) -> list[PlannedStep]:
    library = engage.services.library()
    campaign = library.find(TRIAL)
    with engage.services.database.read() as db:
        (one,) = plan(db, library.scope_of(campaign), campaign, now or engage.now).decisions
    return list(one.steps)


def said(engage: Engage, now: datetime | None = None) -> list[tuple[str, object]]:
    return [(step.step, step.decision) for step in steps_of(engage, now)]


def test_what_comes_after_a_wait_is_decided_later(engage: Engage) -> None:
    branch = "{branch: {if: [region: {is: Europe}], then: [{alert: {to: owner, say: z}}], else: [{send: c}]}}"
    write_trial(engage, f"{{send: a}}, {{wait: 7d}}, {{send: b}}, {{wait: 3d}}, {branch}")
    engage.partner()
    assert said(engage) == [
        ("send-a", Send()),
        ("send-b", Later("wait-1")),
        ("alert-z", Later("wait-2")),
        ("send-c", Later("wait-2")),
    ]


def test_a_wait_in_one_branch_does_not_put_off_what_the_other_comes_to_at_once(engage: Engage) -> None:
    branch = "{branch: {if: [region: {is: Europe}], then: [{wait: 7d}, {send: a}]}}"
    write_trial(engage, f"{branch}, {{send: b}}")
    engage.partner()
    assert dict(said(engage)) == {"send-a": Later("wait-1"), "send-b": Send()}


def test_a_promotion_is_planned_for_its_dates(engage: Engage) -> None:
    steps = "{at: start}, {send: a}, {at: end - 3d}, {send: b}"
    write_trial(engage, steps, again="never", promotion=PROMOTION)
    engage.partner()
    before = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert said(engage, before) == [
        ("send-a", Later("at-1", MIDNIGHTS["at-1"])),
        ("send-b", Later("at-2", MIDNIGHTS["at-2"])),
    ]
    begun = MIDNIGHTS["at-1"] + timedelta(days=1)
    assert said(engage, begun) == [("send-a", Send()), ("send-b", Later("at-2", MIDNIGHTS["at-2"]))]
    assert said(engage, MIDNIGHTS["at-2"]) == [("send-b", Send())], "who joins in late gets nothing of what was before"


def test_who_is_not_let_in_gets_nothing_later_either(engage: Engage) -> None:
    write_trial(engage, "{wait: 7d}, {send: a}", only="{partners: [somebody-else]}")
    engage.partner()
    assert said(engage) == [("send-a", Skip(Reason.NOT_IN_ROLL_OUT))]


def test_a_plan_for_so_many_decides_first_about_who_would_enter(engage: Engage) -> None:
    write_trial(engage, "{send: a}", again="never")
    for name in ("ann", "bob", "cleo"):
        engage.partner(name)
    engage.runs(TRIAL)
    for name in ("dan", "eve"):
        engage.partner(name)
    library = engage.services.library()
    campaign = library.find(TRIAL)
    with engage.services.database.read() as db:
        found = plan(db, library.scope_of(campaign), campaign, engage.now, most=3)
    assert (found.matched, found.entering, len(found.decisions)) == (5, 2, 3)
    assert [one.partner for one in found.decisions[:2]] == ["dan", "eve"]
    assert found.kept_out == {Reason.ALREADY_ENROLLED: 3}, "those about whom nothing was decided are counted too"


def test_a_feed_that_is_heard_today_is_not_silent_in_the_plan_of_next_week(engage: Engage) -> None:
    write_trial(engage, "{send: a}", again="never", where="[days_since_login: {at_least: 0}]")
    engage.partner("ann")
    engage.logs_in("ann")
    library = engage.services.library()
    campaign = library.find(TRIAL)
    week = engage.now + timedelta(days=30)
    with engage.services.database.read() as db:
        scope = library.scope_of(campaign)
        assert isinstance(plan(db, scope, campaign, week).decisions[0].decision, Defer)
        assert plan(db, scope, campaign, week, heard_at=engage.now).decisions[0].decision == Send()
