"""Holdout, control group, words and roll-out: who gets what, who gets nothing, and that nobody gets it twice."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.campaigns import Campaign
from engage.domain.decisions import Reason, Skip
from engage.domain.experiments import Arm, arm_of, in_share
from engage.domain.messages import Message
from engage.domain.records import AliasRecord, LoginRecord, PartnerRecord
from engage.pipeline.explaining import explain
from engage.pipeline.plan import Plan, plan
from engage.store.tables import deliveries, enrollments, partners
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, standings, subjects, write_trial

NAMES = tuple(f"p{number}" for number in range(24))


def people(engage: Engage, *names: str, **fields: object) -> None:
    joined = engage.now - timedelta(days=365)
    engage.takes(
        *(
            PartnerRecord(name, email=f"{name}@example.com", status="active", joined_at=joined, **fields)  # type: ignore[arg-type]
            for name in names
        ),
        news=False,
    )


def mailed(mails: Iterable[Message]) -> list[str]:
    return sorted(mail.to.email.partition("@")[0] for mail in mails)


def trial(engage: Engage) -> Campaign:
    return engage.services.library().find(TRIAL)


def in_arm(engage: Engage, arm: Arm, names: Iterable[str] = NAMES) -> list[str]:
    program = engage.services.library().programs[engage.program]
    return sorted(name for name in names if arm_of(program, trial(engage), name) is arm)


def one_in(engage: Engage, arm: Arm, besides: Sequence[str] = ()) -> str:
    return next(name for name in in_arm(engage, arm) if name not in besides)


def arms(engage: Engage) -> list[tuple[str, str | None]]:
    """(partner, arm) of each enrollment in the trial, in order."""
    query = (
        sa.select(partners.c.external_id, enrollments.c.arm)
        .join(partners, partners.c.id == enrollments.c.partner_id)
        .where(enrollments.c.campaign == TRIAL)
        .order_by(enrollments.c.id)
    )
    with engage.services.database.read() as db:
        return [(name, arm) for name, arm in db.execute(query)]


def control_group(engage: Engage, share: str) -> None:
    file = engage.services.settings.campaigns_dir / "program.yaml"
    file.write_text(f"{file.read_text().rstrip()}\n    control_group: {share}\n")
    rereads(engage)


def next_day(engage: Engage) -> list[Message]:
    """What goes out on the next day's slot, and of journeys that go on."""
    return [*engage.after(days=1), *engage.runs(TRIAL)]


# --- holdout ----------------------------------------------------------------------------------------------------------


def test_partners_in_the_holdout_are_enrolled_and_walk_but_are_never_mailed(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", holdout="50%", again="never")
    people(engage, *NAMES)
    treated, held_out = in_arm(engage, Arm.TREATED), in_arm(engage, Arm.HELD_OUT)
    assert treated, held_out
    assert mailed(engage.runs(TRIAL)) == treated
    assert len(standings(engage)) == len(NAMES)
    assert {state for state, _, _ in standings(engage)} == {"active"}
    mails = engage.after(days=3)
    assert (mailed(mails), set(subjects(mails))) == (treated, {"B"})
    assert {state for state, _, _ in standings(engage)} == {"done"}
    assert Counter(engage.decisions()) == {("send", None): 2 * len(treated), ("skip", "held_out"): 2 * len(held_out)}
    assert dict(arms(engage)) == {name: "held_out" if name in held_out else "treated" for name in NAMES}


def test_a_salesperson_is_not_alerted_about_partners_who_are_held_out(engage: Engage) -> None:
    write_trial(engage, "{alert: {to: owner, say: z}}", holdout="50%", again="never")
    engage.salesperson()
    people(engage, *NAMES, owner="sam")
    assert len(engage.runs(TRIAL)) == len(in_arm(engage, Arm.TREATED))


def test_only_who_would_be_mailed_is_held_out(engage: Engage) -> None:
    write_trial(engage, "{send: a}", holdout="100%", again="never")
    people(engage, "p1")
    engage.takes(PartnerRecord("p2", status="active", joined_at=engage.now - timedelta(days=9)), news=False)
    engage.runs(TRIAL)
    assert sorted(engage.decisions(), key=str) == [("skip", "held_out"), ("skip", "no_address")]


def test_who_is_held_out_does_not_keep_their_address_from_others(engage: Engage) -> None:
    write_trial(engage, "{send: a}", holdout="50%", again="never")
    held_out, treated = one_in(engage, Arm.HELD_OUT), one_in(engage, Arm.TREATED)
    for name in (held_out, treated):
        engage.partner(name, email="both@example.com")
    assert len(engage.runs(TRIAL)) == 1


def test_an_edited_campaign_keeps_its_arms(engage: Engage) -> None:
    write_trial(engage, "{send: a}", holdout="50%")
    people(engage, *NAMES)
    first = mailed(engage.runs(TRIAL))
    write_trial(engage, "{send: b}", holdout="50%", send_within="5d", goal="login within 7d", why="Another reason")
    mails = next_day(engage)
    assert (mailed(mails), set(subjects(mails))) == (first, {"B"})


def test_whoever_is_inside_stays_in_their_arm_when_the_share_is_edited(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", holdout="50%", again="never")
    people(engage, *NAMES)
    first = mailed(engage.runs(TRIAL))
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", holdout="100%", again="never")
    assert mailed(engage.after(days=3)) == first


def test_whoever_is_inside_is_treated_to_the_end_when_a_holdout_begins(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", again="never")
    people(engage, *NAMES)
    assert len(engage.runs(TRIAL)) == len(NAMES)
    assert set(dict(arms(engage)).values()) == {None}, "nothing was drawn: there is nobody to compare with"
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", again="never", holdout="50%")
    assert mailed(engage.after(days=3)) == sorted(NAMES)


def test_a_pause_does_not_let_mail_to_the_held_out_slip_through(engage: Engage) -> None:
    write_trial(engage, "{send: a}", holdout="50%", when="{event: partner.logged_in}", again=None, state="paused")
    held_out = one_in(engage, Arm.HELD_OUT)
    people(engage, held_out)
    engage.takes(LoginRecord(held_out, engage.now))
    assert engage.work() == []
    write_trial(engage, "{send: a}", holdout="50%", when="{event: partner.logged_in}", again=None)
    assert engage.after(minutes=20) == []


def test_the_control_group_gets_no_marketing_mail_and_what_it_is_owed(engage: Engage) -> None:
    control_group(engage, "50%")
    write_trial(engage, "{send: a}", again="never")
    people(engage, *NAMES)
    in_control = in_arm(engage, Arm.CONTROL)
    assert 0 < len(in_control) < len(NAMES)
    assert mailed(engage.runs(TRIAL)) == sorted(set(NAMES) - set(in_control))
    assert ("skip", "in_control_group") in engage.decisions()
    engage.refers(in_control[0], "acme")
    engage.becomes(in_control[0], "acme", "won")
    assert mailed(engage.work()) == [in_control[0]]


def test_a_control_group_that_is_made_gets_nothing_more_of_what_it_is_inside(engage: Engage) -> None:
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", again="never", holdout="20%")
    people(engage, *NAMES)
    first = mailed(engage.runs(TRIAL))
    control_group(engage, "50%")
    assert mailed(engage.after(days=3)) == sorted(set(first) - set(in_arm(engage, Arm.CONTROL)))


@pytest.mark.parametrize("arm", [Arm.TREATED, Arm.HELD_OUT])
def test_a_merged_partner_goes_on_in_the_survivors_arm(engage: Engage, arm: Arm) -> None:
    other = Arm.HELD_OUT if arm is Arm.TREATED else Arm.TREATED
    write_trial(engage, "{wait: 1d}, {send: a}", holdout="50%", again="never", where="[region: {is: Europe}]")
    survivor, twin = one_in(engage, arm), one_in(engage, other)
    people(engage, survivor)
    people(engage, twin, region="Europe")
    engage.runs(TRIAL)
    assert arms(engage) == [(twin, other)]
    people(engage, survivor, region="Europe")
    engage.takes(AliasRecord("partner", twin, survivor))
    assert mailed(engage.after(days=1)) == ([survivor] if arm is Arm.TREATED else [])


@pytest.mark.parametrize("arm", [Arm.TREATED, Arm.HELD_OUT])
def test_a_mail_that_waits_goes_out_if_the_survivor_would_get_it(engage: Engage, arm: Arm) -> None:
    """The mail is the treated one's: whether it is that of the survivor or of the duplicate."""
    write_trial(engage, "{send: a}", holdout="50%", again="never")
    treated, held_out = one_in(engage, Arm.TREATED), one_in(engage, Arm.HELD_OUT)
    people(engage, treated, held_out)
    engage.services.run_now(trial(engage))
    survivor, twin = (treated, held_out) if arm is Arm.TREATED else (held_out, treated)
    engage.takes(AliasRecord("partner", twin, survivor))
    assert mailed(engage.work()) == ([survivor] if arm is Arm.TREATED else [])
    assert (("skip", "held_out") in engage.decisions()[2:]) == (arm is Arm.HELD_OUT)
    if arm is Arm.HELD_OUT:
        assert engage.states() == [(f"partner:{twin}", "skipped")]
        assert dict(arms(engage))[twin] is None, "they are compared with nobody: they were to be treated"


def test_a_control_group_that_is_made_gets_nothing_that_waits(engage: Engage) -> None:
    write_trial(engage, "{send: a}", again="never")
    people(engage, *NAMES)
    engage.services.run_now(trial(engage))
    control_group(engage, "50%")
    assert mailed(engage.work()) == sorted(set(NAMES) - set(in_arm(engage, Arm.CONTROL)))


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_rotation_never_says_the_same_twice_and_ends(engage: Engage) -> None:
    write_trial(engage, "{send: {rotate: [a, b, c]}, id: nudge}")
    people(engage, "p1")
    found = [subjects(engage.runs(TRIAL)), *(subjects(next_day(engage)) for _ in range(4))]
    assert found == [["A"], ["B"], ["C"], [], []]
    assert engage.decisions()[-1] == ("skip", "words_used_up")
    write_trial(engage, "{send: {rotate: [a, d, b, c]}, id: nudge}")
    assert [subjects(next_day(engage)) for _ in range(2)] == [["D"], []]


def test_words_that_were_never_sent_are_not_used_up(engage: Engage) -> None:
    write_trial(engage, "{send: {rotate: [a, b]}, id: nudge}", stop_when="[region: {is: Europe}]")
    people(engage, "p1")
    engage.services.run_now(trial(engage))
    people(engage, "p1", region="Europe")
    assert engage.work() == []
    people(engage, "p1", region="America")
    assert [subjects(next_day(engage)) for _ in range(2)] == [["A"], ["B"]]


def test_two_occasions_at_once_get_different_words(engage: Engage) -> None:
    steps = "{send: {rotate: [a, b]}, id: nudge}"
    write_trial(engage, steps, for_="referral", when="{event: referral.status_changed, to: accepted}", again=None)
    people(engage, "p1")
    for name in ("acme", "bolt", "cask"):
        engage.refers("p1", name)
        engage.becomes("p1", name, "accepted")
    events = [id_ for task, ids, _ in engage.queue.waiting if task == "match" for id_ in ids]
    engage.queue.waiting.clear()
    engage.services.match(events)
    assert sorted(subject for subject in subjects(engage.work()) if len(subject) == 1) == ["A", "B"]


def test_two_workers_at_once_give_one_partner_different_words(engage: Engage) -> None:
    steps = "{send: {rotate: [a, b, c, d, e, f]}, id: nudge}"
    write_trial(engage, steps, for_="referral", when="{event: referral.status_changed, to: accepted}", again=None)
    people(engage, "p1")
    for number in range(6):
        engage.refers("p1", f"r{number}")
        engage.becomes("p1", f"r{number}", "accepted")
    waiting = [ids for task, ids, _ in engage.queue.waiting if task == "match"]
    engage.queue.waiting.clear()
    begin = threading.Barrier(len(waiting))

    def match(ids: list[int]) -> None:
        begin.wait()
        engage.services.match(ids)

    workers = [threading.Thread(target=match, args=(ids,)) for ids in waiting]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with engage.services.database.read() as db:
        found = db.execute(sa.select(deliveries.c.template).where(deliveries.c.campaign == TRIAL)).scalars().all()
    assert sorted(found) == ["a", "b", "c", "d", "e", "f"]


def test_a_variant_is_always_the_same_for_a_partner(engage: Engage) -> None:
    write_trial(engage, "{send: {variants: {a: 1, b: 1}}, id: hello}")
    people(engage, *NAMES)

    def said(mails: list[Message]) -> dict[str, str]:
        return {mail.to.email: mail.subject for mail in mails}

    first = said(engage.runs(TRIAL))
    assert set(first.values()) == {"A", "B"}
    write_trial(engage, "{send: {variants: {b: 1, a: 1}}, id: hello}, {send: c}")
    assert said([mail for mail in next_day(engage) if mail.subject != "C"]) == first


def test_the_words_of_many_are_chosen_in_as_many_statements_as_those_of_few(engage: Engage) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append(statement)

    sa.event.listen(engage.services.database.engine, "before_cursor_execute", note)
    steps = "{send: {rotate: [a, b]}, id: x}, {send: {variants: {c: 1, d: 1}}, id: y}"
    counts = []
    for region, names in (("Europe", NAMES[:3]), ("Asia", NAMES[3:])):
        write_trial(
            engage, steps, again="never", where=f"[region: {{is: {region}}}]", holdout="30%", only="{share: 90%}"
        )
        people(engage, *names, region=region)
        campaign = trial(engage)
        asked.clear()
        engage.services.run_now(campaign)
        counts.append(len(asked))
        engage.now += timedelta(days=1)
    assert 0 < counts[1] <= counts[0]


# --- only -------------------------------------------------------------------------------------------------------------

AGAIN = ["never", "each episode", "after 300d"]


def in_first(engage: Engage, share: float) -> list[str]:
    return sorted(name for name in NAMES if in_share(engage.program, TRIAL, name, share))


@pytest.mark.parametrize("again", AGAIN)
def test_a_share_that_is_widened_treats_nobody_twice(engage: Engage, again: str) -> None:
    found: list[str] = []
    people(engage, *NAMES, region="Europe")
    for share in ("only: {share: 25%}", "only: {share: 60%}", "only: {share: 60%}", ""):
        only = share.removeprefix("only: ") or None
        write_trial(engage, "{send: a}", again=again, where="[region: {is: Europe}]", only=only)
        found += mailed(next_day(engage))
        assert len(set(found)) == len(found)
        expected = {"only: {share: 25%}": 0.25, "only: {share: 60%}": 0.6, "": 1.0}[share]
        assert sorted(found) == in_first(engage, expected)


@pytest.mark.parametrize("again", AGAIN)
def test_a_share_that_is_narrowed_and_widened_again_treats_nobody_twice(engage: Engage, again: str) -> None:
    found: list[str] = []
    people(engage, *NAMES, region="Europe")
    for only in ("{share: 60%}", "{share: 10%}", "{share: 60%}"):
        write_trial(engage, "{send: a}", again=again, where="[region: {is: Europe}]", only=only)
        found += mailed(next_day(engage))
    assert sorted(found) == in_first(engage, 0.6)


def test_only_restricts_by_condition_list_and_share_together(engage: Engage) -> None:
    listed = NAMES[:16]
    people(engage, *NAMES[:8])
    people(engage, *NAMES[8:], region="Europe")
    only = f"{{where: [region: {{is: Europe}}], partners: [{', '.join(listed)}], share: 50%}}"
    write_trial(engage, "{send: a}", again="never", only=only)
    assert mailed(engage.runs(TRIAL)) == sorted(set(in_first(engage, 0.5)) & set(NAMES[8:16]))


def test_only_may_restrict_a_campaign_for_partners_who_are_not_active(engage: Engage) -> None:
    engage.partner("p1", status="invited", region="Europe")
    engage.partner("p2", status="invited", region="America")
    write_trial(
        engage, "{send: a}", again="never", where="[status: {is: invited}]", only="{where: [region: {is: Europe}]}"
    )
    assert mailed(engage.runs(TRIAL)) == ["p1"]


def test_a_list_that_names_a_duplicate_means_the_survivor(engage: Engage) -> None:
    people(engage, "p1", "p2", "p3")
    engage.takes(AliasRecord("partner", "p2", "p1"))
    write_trial(engage, "{send: a}", again="never", only="{partners: [p2]}")
    assert mailed(engage.runs(TRIAL)) == ["p1"]


def test_only_holds_for_events_too(engage: Engage) -> None:
    only = "{where: [region: {is: Europe}], share: 50%}"
    when = "{event: referral.status_changed, to: accepted}"
    write_trial(engage, "{send: a}", for_="referral", when=when, again=None, only=only)
    people(engage, *NAMES, region="Europe")
    engage.partner("far", region="America")
    for name in (*NAMES, "far"):
        engage.refers(name, f"of-{name}")
        engage.becomes(name, f"of-{name}", "accepted")
    mails = [mail for mail in engage.work() if mail.subject == "A"]
    assert mailed(mails) == in_first(engage, 0.5)


def test_who_is_let_in_first_is_held_out_by_chance_only(engage: Engage) -> None:
    write_trial(engage, "{send: a}", again="never", only="{share: 50%}", holdout="50%")
    people(engage, *NAMES)
    assert mailed(engage.runs(TRIAL)) == sorted(set(in_first(engage, 0.5)) & set(in_arm(engage, Arm.TREATED)))


def test_max_audience_counts_those_whom_only_lets_in(engage: Engage) -> None:
    people(engage, *NAMES)
    many = len(in_first(engage, 0.25))
    write_trial(engage, "{send: a}", again="never", only="{share: 25%}", max_audience=str(many))
    assert len(engage.runs(TRIAL)) == many


# --- what plan and explain say ----------------------------------------------------------------------------------------


def planned(engage: Engage) -> Plan:
    campaign = trial(engage)
    with engage.services.database.read() as db:
        return plan(db, engage.services.library().scope_of(campaign), campaign, engage.now)


def test_a_plan_says_what_a_run_then_does(engage: Engage) -> None:
    control_group(engage, "20%")
    write_trial(engage, "{send: {rotate: [a, b]}, id: x}", only="{share: 70%}", holdout="30%")
    people(engage, *NAMES)
    for _ in range(3):
        found = planned(engage)
        expected = sorted(one.partner for one in found.decisions if not isinstance(one.decision, Skip))
        reasons = Counter(one.decision.reason for one in found.decisions if isinstance(one.decision, Skip))
        before = len(engage.decisions())
        assert mailed(engage.runs(TRIAL)) == expected
        said = Counter(reason for _, reason in engage.decisions()[before:] if reason)
        assert reasons.pop(Reason.NOT_IN_ROLL_OUT) == len(NAMES) - found.entering
        assert reasons == said
        assert sum(found.arms.values()) == found.entering == len(in_first(engage, 0.7))
        engage.now += timedelta(days=1)


def test_a_plan_counts_who_would_enter_as_what_and_what_keeps_the_others_out(engage: Engage) -> None:
    control_group(engage, "20%")
    write_trial(engage, "{send: a}, {wait: 3d}, {send: b}", only="{share: 70%}", holdout="30%", again="each slot")
    people(engage, *NAMES[:12])
    engage.runs(TRIAL)
    inside = len(standings(engage))
    engage.now += timedelta(days=1)
    people(engage, *NAMES)
    found = planned(engage)
    let_in = set(in_first(engage, 0.7))
    assert found.kept_out == {Reason.NOT_IN_ROLL_OUT: len(NAMES) - len(let_in), Reason.STILL_INSIDE: inside}
    expected = {arm: len(let_in & set(in_arm(engage, arm, NAMES[12:]))) for arm in Arm}
    assert found.entering_as == {arm: many for arm, many in expected.items() if many}
    assert found.entering == sum(expected.values())
    assert len(engage.runs(TRIAL)) == found.entering_as[Arm.TREATED]
    assert len(standings(engage)) == inside + found.entering


def test_explain_shows_the_roll_out_and_the_draw(engage: Engage) -> None:
    write_trial(engage, "{send: {rotate: [a, b]}, id: x}", only="{share: 50%}", holdout="50%")
    people(engage, *NAMES)
    campaign = trial(engage)
    scope = engage.services.library().scope_of(campaign)
    let_in = in_first(engage, 0.5)
    outside = next(name for name in NAMES if name not in let_in)
    held_out, treated = (next(n for n in let_in if n in in_arm(engage, arm)) for arm in (Arm.HELD_OUT, Arm.TREATED))
    for _ in range(2):
        engage.runs(TRIAL)
        engage.now += timedelta(days=1)
    expected: list[tuple[str, Callable[[str], bool], Reason]] = [
        (outside, lambda guard: guard == "in_roll_out", Reason.NOT_IN_ROLL_OUT),
        (held_out, lambda guard: guard == "not_held_out", Reason.HELD_OUT),
        (treated, lambda guard: guard == "has_words_left", Reason.WORDS_USED_UP),
    ]
    with engage.services.database.read() as db:
        for name, is_it, reason in expected:
            found = explain(db, scope, campaign, name, engage.now)
            assert found.decision == Skip(reason)
            assert [v.decision for v in found.steps[0].verdicts if is_it(v.guard)] == [Skip(reason)]
        everybody = replace(campaign, only=None, holdout=0.0)
        guards = {verdict.guard for verdict in explain(db, scope, everybody, outside, engage.now).steps[0].verdicts}
    assert not {"in_roll_out", "not_held_out"} & guards, "what nobody asked for is not shown"
