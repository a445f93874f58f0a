"""Draws: stable under anything but program, campaign and whom they are about, in the shares that were asked for."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.campaigns import (
    Campaign,
    CampaignState,
    Choice,
    Conversion,
    Goal,
    Only,
    ScheduleTrigger,
    SendStep,
    Text,
)
from engage.domain.decisions import Reason, Skip
from engage.domain.experiments import Arm, arm_of, draws, in_share, variant_of, withheld
from engage.domain.facts import Subject
from engage.domain.programs import Brand, Program, Topic, TopicKind

STEP = SendStep("hello", (Text("a", 2), Text("b", 1)), Choice.VARIANTS)
CAMPAIGN = Campaign(
    name="x",
    program="acme",
    why="",
    state=CampaignState.LIVE,
    topic="tips",
    subject=Subject.PARTNER,
    trigger=ScheduleTrigger("0 9 * * 1", "monday 09:00"),
    where=None,
    again=None,
    stop_when=None,
    send_within=timedelta(days=3),
    steps=(STEP,),
    starts=None,
    ends=None,
    path="campaigns/x.yaml",
    source="",
    content_hash="",
)
PROGRAM = Program(
    key="acme",
    brand=Brand("Acme", "Acme", "a@example.com", "a@example.com", "", "", ""),
    zone="UTC",
    locale="en",
    currency="USD",
    minor_digits=2,
    ladder=(),
    tiers=None,
    topics={
        "tips": Topic("tips", "Tips", TopicKind.MARKETING),
        "status": Topic("status", "Status", TopicKind.TRANSACTIONAL),
    },
    feeds={},
)
PEOPLE = [f"p{number}" for number in range(20_000)]

names = st.text(min_size=1, max_size=20)
shares = st.floats(0, 1)


def within_chance(many: int, of: int, share: float) -> bool:
    """Whether a count is as far from the share as chance goes: five standard deviations, once in two million."""
    return abs(many - of * share) <= 5 * (of * share * (1 - share)) ** 0.5


edits = st.fixed_dictionaries(
    {},
    optional={
        "why": st.text(),
        "state": st.sampled_from(CampaignState),
        "send_within": st.timedeltas(timedelta(hours=1), timedelta(days=9)),
        "starts": st.dates(),
        "source": st.text(),
        "content_hash": st.text(),
        "path": st.text(),
        "max_audience": st.integers(1, 100),
        "goal": st.builds(Goal, st.sampled_from(Conversion), st.just(timedelta(days=30))),
        "only": st.builds(Only, share=shares),
        "steps": st.just(()),
        "ends": st.just(date(2027, 1, 1)),
    },
)


@given(who=names, holdout=shares, control=shares, edit=edits, zone=st.sampled_from(["UTC", "Asia/Kathmandu"]))
def test_an_arm_depends_on_program_campaign_and_partner_only(
    who: str, holdout: float, control: float, edit: dict[str, object], zone: str
) -> None:
    program = replace(PROGRAM, control_group=control)
    campaign = replace(CAMPAIGN, holdout=holdout)
    edited = replace(campaign, **edit)  # type: ignore[arg-type]
    assert arm_of(program, campaign, who) is arm_of(replace(program, zone=zone, currency="EUR"), edited, who)


@given(who=names, smaller=shares, larger=shares)
def test_a_larger_share_contains_the_smaller_one(who: str, smaller: float, larger: float) -> None:
    smaller, larger = sorted((smaller, larger))
    assert in_share("acme", "x", who, smaller) <= in_share("acme", "x", who, larger)
    held_out = [arm_of(PROGRAM, replace(CAMPAIGN, holdout=share), who) is Arm.HELD_OUT for share in (smaller, larger)]
    assert held_out[0] <= held_out[1]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_a_share_is_met_as_exactly_as_chance_meets_it(share: float) -> None:
    held_out = [arm_of(PROGRAM, replace(CAMPAIGN, holdout=share), who) for who in PEOPLE].count(Arm.HELD_OUT)
    control = [arm_of(replace(PROGRAM, control_group=share), CAMPAIGN, who) for who in PEOPLE].count(Arm.CONTROL)
    let_in = [in_share("acme", "x", who, share) for who in PEOPLE].count(True)
    assert all(within_chance(many, len(PEOPLE), share) for many in (held_out, control, let_in))


def test_who_is_held_out_of_one_campaign_is_so_of_another_by_chance_only() -> None:
    one, other = replace(CAMPAIGN, holdout=0.5), replace(CAMPAIGN, holdout=0.5, name="y")
    both = [arm_of(PROGRAM, one, who) is arm_of(PROGRAM, other, who) is Arm.HELD_OUT for who in PEOPLE].count(True)
    assert within_chance(both, len(PEOPLE), 0.25)
    let_in = [who for who in PEOPLE if in_share("acme", "x", who, 0.5)]
    assert within_chance([arm_of(PROGRAM, one, who) for who in let_in].count(Arm.HELD_OUT), len(let_in), 0.5)


def test_the_control_group_is_the_same_for_all_campaigns_and_transactional_mail_is_owed_to_it() -> None:
    program = replace(PROGRAM, control_group=0.3)
    status = replace(CAMPAIGN, topic="status")
    for who in PEOPLE[:500]:
        arms = {arm_of(program, replace(CAMPAIGN, name=name, holdout=0.0), who) for name in ("x", "y", "z")}
        assert len(arms) == 1
        assert arm_of(program, status, who) is Arm.TREATED
    assert not draws(program, status)
    assert draws(program, CAMPAIGN)
    assert not draws(PROGRAM, CAMPAIGN)


def test_each_arm_but_the_treated_has_its_reason() -> None:
    assert [withheld(arm) for arm in Arm] == [None, Skip(Reason.HELD_OUT), Skip(Reason.IN_CONTROL_GROUP)]


def test_variants_are_met_by_weight_and_stay() -> None:
    got = {who: variant_of("acme", "x", STEP, who).template for who in PEOPLE}
    assert within_chance(list(got.values()).count("a"), len(PEOPLE), 2 / 3)
    assert got == {who: variant_of("acme", "x", replace(STEP, texts=STEP.texts[::-1]), who).template for who in PEOPLE}


def test_a_variant_that_is_added_takes_its_share_from_the_others_and_moves_nobody_else() -> None:
    more = replace(STEP, texts=(*STEP.texts, Text("c", 3)))
    moved = [
        (before.template, after.template)
        for who in PEOPLE
        if (before := variant_of("acme", "x", STEP, who)) != (after := variant_of("acme", "x", more, who))
    ]
    assert {after for _, after in moved} == {"c"}
    assert within_chance(len(moved), len(PEOPLE), 0.5)
