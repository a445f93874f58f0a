"""The drawing of a campaign's steps: every step has its place, nothing lies upon anything else."""

from itertools import combinations
from pathlib import Path

import pytest

from engage.authoring import parse_campaign
from engage.domain.campaigns import Campaign
from engage.domain.programs import Program
from engage.pipeline.judging import judge
from engage.web.console.flow import WIDTH, Box, draw, listed
from tests.support.engage import ROOT

HEAD = """
campaign: drawn
why: To be drawn.
state: live
topic: tips
for: partner
when: {every: "monday 09:00"}
again: never
steps:
"""
NESTED = """
  - send: nudges/stalled
    id: first
  - wait: 3d
  - wait: {until: next monday 09:00}
  - branch:
      if: [referrals: {is: 0}]
      then:
        - branch:
            if: [wins: {is: 0}]
            then: [{alert: {to: owner, say: stalled}}]
            else: [{wait: 2d}, {send: nudges/resell}]
      else:
        - wait: 1d
"""


@pytest.fixture(scope="module")
def shipped() -> tuple[dict[str, Program], dict[tuple[str, str], Campaign]]:
    judged = judge(ROOT / "campaigns", ROOT / "email_templates", {})
    return judged.programs, {(one.program, one.name): one for one in judged.campaigns.values()}


def parsed(steps: str, programs: dict[str, Program]) -> tuple[Campaign, Program]:
    campaign = parse_campaign(HEAD + steps, str(Path("campaigns/drawn.yaml")), programs)
    return campaign, programs[campaign.program]


def apart(one: Box, other: Box) -> bool:
    return (
        one.x + WIDTH <= other.x
        or other.x + WIDTH <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def test_no_box_of_any_shipped_campaign_lies_upon_another_or_beyond_the_picture(
    shipped: tuple[dict[str, Program], dict[tuple[str, str], Campaign]],
) -> None:
    programs, campaigns = shipped
    for campaign in campaigns.values():
        drawing = draw(campaign, programs[campaign.program], {})
        for one, other in combinations(drawing.boxes, 2):
            assert apart(one, other), f"{campaign.name}: {one.lines} and {other.lines}"
        for box in drawing.boxes:
            assert 0 <= box.x <= drawing.width - WIDTH, campaign.name
            assert 0 <= box.y <= drawing.height - box.height, campaign.name


def test_branches_stand_beside_each_other_and_waits_in_a_row_are_one_box(
    shipped: tuple[dict[str, Program], dict[tuple[str, str], Campaign]],
) -> None:
    campaign, program = parsed(NESTED, shipped[0])
    drawing = draw(campaign, program, {})
    said = {box.lines[0]: box for box in drawing.boxes}
    assert said["Wait 3 days"].lines == ("Wait 3 days", "then until next monday 09:00")
    assert said["Alert to the owner"].y == said["Wait 2 days"].y
    assert said["Alert to the owner"].x < said["Wait 2 days"].x < said["Wait 1 day"].x
    assert sorted(way.label for way in drawing.ways if way.label) == ["no", "no", "yes", "yes"]


def test_who_stands_at_waits_in_a_row_is_counted_together(
    shipped: tuple[dict[str, Program], dict[tuple[str, str], Campaign]],
) -> None:
    campaign, program = parsed(NESTED, shipped[0])
    waits = [step.id for step in campaign.steps if step.id.startswith("wait")]
    drawing = draw(campaign, program, {waits[0]: 3, waits[1]: 4})
    assert [box.here for box in drawing.boxes if box.here] == [7]
    assert [(one.id, one.here) for one in listed(campaign, program, {waits[1]: 4}) if one.here] == [(waits[1], 4)]


def test_the_list_has_every_step_with_the_way_that_leads_there(
    shipped: tuple[dict[str, Program], dict[tuple[str, str], Campaign]],
) -> None:
    campaign, program = parsed(NESTED, shipped[0])
    found = [(one.said.title, one.depth, one.way) for one in listed(campaign, program, {})]
    assert found == [
        ("Email", 0, ""),
        ("Wait 3 days", 0, ""),
        ("Wait until next monday 09:00", 0, ""),
        ("If", 0, ""),
        ("If", 1, "yes"),
        ("Alert to the owner", 2, "yes"),
        ("Wait 2 days", 2, "no"),
        ("Email", 2, "no"),
        ("Wait 1 day", 1, "no"),
    ]
