"""Hints of lint: what runs, and may not do what its author means."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.pipeline.hints import hints_of
from engage.pipeline.judging import judge
from tests.support.shipped import copy_shipped
from tests.support.topics import say_of_program

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CAMPAIGN = """\
campaign: trial
state: live
topic: tips
for: partner
when: {every: "monday 09:00"}
again: never
MORE
steps:
  - send: nudges/no_login_30_days
"""
SECOND = "  - wait: 2d\n  - send: nudges/near_next_tier\n"


@pytest.fixture
def authored(tmp_path: Path) -> tuple[Path, Path]:
    return copy_shipped(tmp_path)


def hints(authored: tuple[Path, Path], campaign: str = "", more: str = "") -> list[str]:
    """The hints, with this campaign beside the shipped ones."""
    if campaign:
        (authored[0] / "trial.yaml").write_text(campaign.replace("MORE\n", more + "\n" if more else ""))
    judged = judge(*authored)
    assert judged.problems == ()
    return [str(one) for one in hints_of(judged, NOW)]


def test_there_are_none_on_what_is_shipped() -> None:
    root = Path(__file__).parents[2]
    assert hints_of(judge(root / "campaigns", root / "email_templates"), NOW) == ()


def test_who_is_not_in_the_order_of_a_program_with_caps_gives_way(authored: tuple[Path, Path]) -> None:
    assert hints(authored, CAMPAIGN) == []
    say_of_program(authored, "frequency_caps: [{at_most: 2, per: partner, in: 7d}]")
    assert hints(authored) == [
        "campaigns/trial.yaml:1:1: 'trial' is not in the order of 'northwind-partners', and gives way to all that are; "
        "add it to order in program.yaml, where it ranks"
    ]
    assert hints(authored, CAMPAIGN.replace("live", "draft")) == []


def test_what_is_folded_needs_a_mail_that_shows_it(authored: tuple[Path, Path]) -> None:
    say_of_program(authored, "frequency_caps: [{at_most: 2, per: partner, in: 7d}]")
    assert hints(authored) == []
    newsletter = authored[0] / "newsletter" / "monthly.yaml"
    newsletter.write_text(newsletter.read_text().replace("state: live", "state: paused"))
    (hint,) = hints(authored)
    assert hint.startswith(
        "campaigns/nudges/no_login_30_days.yaml:15:1: no live campaign of 'northwind-partners' sends"
    )


def test_a_step_that_comes_too_soon_after_another_never_has_room(authored: tuple[Path, Path]) -> None:
    say_of_program(authored, "frequency_caps: [{at_most: 1, per: partner, in: 7d}]")
    draft = CAMPAIGN.replace("live", "draft") + SECOND
    assert hints(authored, draft, "send_within: 4d") == [
        "campaigns/trial.yaml:8:1: step 'send-nudges-near_next_tier' follows 'send-nudges-no_login_30_days' after 2d, "
        "and the cap of at most 1 per partner in 7d leaves it no room before send_within (4d) is over; "
        "wait longer, write a longer send_within, or send one mail less"
    ]
    assert hints(authored, draft, "send_within: 5d") == []


def test_a_schedule_whose_mail_expires_before_its_window_opens(authored: tuple[Path, Path]) -> None:
    window = 'send_window: {days: [friday], from: "09:00", to: "17:00"}\nsend_within: '
    (hint,) = hints(authored, CAMPAIGN, window + "4d")
    assert hint.startswith(
        "campaigns/trial.yaml:5:1: in America/New_York no mail of this schedule comes to hours that are open before "
        "send_within (4d) is over; "
    )
    assert hints(authored, CAMPAIGN, window + "5d") == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("holdout: 10%", ["without a goal nothing is compared"]),
        ("holdout: 100%\ngoal: login within 30d", ["everybody is held out"]),
        ("holdout: 10%\ngoal: login within 30d", []),
    ],
)
def test_a_holdout_leaves_somebody_to_compare_by_a_goal(
    authored: tuple[Path, Path], more: str, said: list[str]
) -> None:
    found = hints(authored, CAMPAIGN, more)
    assert [words in hint for words, hint in zip(said, found, strict=True)] == [True] * len(said)
