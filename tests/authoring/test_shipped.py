"""The campaigns that engage ships."""

from pathlib import Path

from engage.authoring import load_campaigns
from engage.domain.campaigns import CampaignState
from engage.domain.programs import StatusKind, TopicKind

SHIPPED = load_campaigns(Path(__file__).resolve().parents[2] / "campaigns")
PROGRAM = SHIPPED.programs["northwind-partners"]


def test_they_have_no_problem_and_are_live() -> None:
    assert SHIPPED.problems == ()
    assert {one.state for one in SHIPPED.campaigns.values()} == {CampaignState.LIVE}


def test_each_says_why_it_is_there() -> None:
    assert all(one.why and one.source.startswith("# ") for one in SHIPPED.campaigns.values())


def test_each_has_a_place_in_the_order() -> None:
    assert sorted(PROGRAM.order) == sorted(name for _, name in SHIPPED.campaigns)


def test_what_happened_to_a_partners_own_business_is_transactional_and_the_rest_is_not() -> None:
    kinds = {one.name: PROGRAM.topics[one.topic].kind for one in SHIPPED.campaigns.values()}

    assert {name for name, kind in kinds.items() if kind is TopicKind.TRANSACTIONAL} == {
        "referral-accepted",
        "referral-qualified",
        "referral-became-opportunity",
        "referral-in-demo",
        "referral-has-proposal",
        "referral-in-negotiation",
        "referral-won",
        "referral-lost",
        "referral-reopened",
        "referral-help-wanted",
        "reward-earned",
        "reward-earned-after-retention",
        "reward-paid",
        "reward-reversed",
        "confirm-address",
        "new-link",
        "bring-into-crm",
        "referral-noted",
    }


def test_the_ladder_has_every_kind_of_status_and_says_what_comes_next() -> None:
    assert {status.kind for status in PROGRAM.ladder} == set(StatusKind)
    assert all(status.label and status.next for status in PROGRAM.ladder)
