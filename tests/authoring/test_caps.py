"""Frequency caps as they are written, and what is wrong with those that cannot be kept."""

from datetime import timedelta

import pytest

from engage.authoring import parse_campaign, parse_programs
from engage.domain.campaigns import Outranked
from engage.domain.errors import AuthoringError
from engage.domain.limits import FrequencyCap, Per
from tests.authoring.examples import completed_campaign, completed_program

TOPICS = """\
topics:
  status: {kind: transactional, label: Status}
  tips: {kind: marketing, label: Tips}
  silent: {kind: marketing, label: Silent, counts: false}
  loud: {kind: transactional, label: Loud, counts: true}
"""
CAPS = "frequency_caps:\n  - {at_most: 3, per: partner, in: 7d}\n"


def program(more: str):  # type: ignore[no-untyped-def]
    (found,) = parse_programs(completed_program(TOPICS + more), "program.yaml").values()
    return found


def problems(more: str) -> str:
    with pytest.raises(AuthoringError) as error:
        program(more)
    return str(error.value)


def test_caps_say_how_many_of_whom_in_which_time() -> None:
    found = program(CAPS + "  - {at_most: 1, per: address, in: 12h, topic: tips}\ndispatch_window: 1h\n")
    assert found.frequency_caps == (
        FrequencyCap(3, Per.PARTNER, timedelta(days=7)),
        FrequencyCap(1, Per.ADDRESS, timedelta(hours=12), "tips"),
    )
    assert [str(cap) for cap in found.frequency_caps] == [
        "at most 3 per partner in 7d",
        "at most 1 of tips per address in 12h",
    ]
    assert found.dispatch_window == timedelta(hours=1)


def test_marketing_counts_and_transactional_mail_does_not_unless_it_is_said() -> None:
    topics = program("").topics
    assert [topics[key].counts for key in ("status", "tips", "silent", "loud")] == [False, True, False, True]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{at_most: 0, per: partner, in: 7d}", "'at_most' must be at least 1"),
        ("{at_most: 3, per: partnr, in: 7d}", "unknown per 'partnr'; did you mean 'partner'?"),
        ("{at_most: 3, per: partner, in: 30m}", "counts over an hour or more; write at least in: 1h"),
        ("{at_most: 3, per: partner, in: 7d, topic: status}", "'status' is transactional: no cap holds its mails"),
        ("{at_most: 3, per: partner, in: 7d, topic: silent}", "'silent' says counts: false"),
        ("{at_most: 3, per: partner}", "a frequency cap has no 'in'"),
        ("{at_most: 3, per: partner, in: 7d}\n  - {at_most: 3, per: partner, in: 1w}", "stands here twice"),
    ],
)
def test_a_cap_that_cannot_be_kept_is_a_problem(written: str, said: str) -> None:
    assert said in problems(f"frequency_caps:\n  - {written}\n")


@pytest.mark.parametrize("window", ["30d", "0m"])
def test_a_dispatch_window_lasts_from_a_minute_to_a_day(window: str) -> None:
    assert problems(f"dispatch_window: {window}\n")


def campaign(more: str, topic: str = "tips"):  # type: ignore[no-untyped-def]
    programs = parse_programs(completed_program(TOPICS + CAPS), "program.yaml")
    return parse_campaign(completed_campaign(f"topic: {topic}\n{more}"), "x.yaml", programs)


def test_a_campaign_says_what_becomes_of_mails_without_room() -> None:
    assert campaign("").outranked is Outranked.DROP
    assert campaign("if_outranked: fold\n").outranked is Outranked.FOLD


@pytest.mark.parametrize(
    ("more", "topic", "said"),
    [
        ("if_outranked: wait\n", "tips", "unknown if_outranked 'wait'"),
        ("if_outranked: fold\n", "status", "'status' is transactional: nothing outranks its mails"),
        ("send_within: 10m\n", "tips", "a mail waits up to 15m to be compared"),
    ],
)
def test_what_cannot_be_done_with_a_mail_is_a_problem(more: str, topic: str, said: str) -> None:
    with pytest.raises(AuthoringError) as error:
        campaign(more, topic)
    assert said in str(error.value)
