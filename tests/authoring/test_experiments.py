"""Holdout, control group and roll-out as authors write them, and what they read when it is wrong."""

import pytest

from engage.authoring import parse_campaign
from engage.domain.campaigns import Campaign, Conversion, Only
from engage.domain.errors import AuthoringError
from tests.authoring.texts import PROGRAM, campaign_text, programs


def read(**parts: str | None) -> Campaign:
    return parse_campaign(campaign_text(**parts), "campaigns/x.yaml", programs())


def refused(**parts: str | None) -> str:
    with pytest.raises(AuthoringError) as caught:
        read(**parts)
    return caught.value.message


def test_nobody_is_held_out_or_shut_out_unless_somebody_says_so() -> None:
    found = read()
    assert (found.goal, found.holdout, found.only, programs()["acme"].control_group) == (None, 0.0, None, 0.0)


@pytest.mark.parametrize(("written", "share"), [("10%", 0.1), ("2.5%", 0.025), ("0%", 0.0), ("100 %", 1.0)])
def test_shares_are_written_in_per_cent(written: str, share: float) -> None:
    assert read(holdout=f"holdout: {written}").holdout == share
    found = read(only=f"only: {{share: {written}}}").only
    assert found is not None
    assert found.share == share
    assert programs(f"{PROGRAM}    control_group: {written}\n")["acme"].control_group == share


@pytest.mark.parametrize("written", ["0.1", "10", "-1%", "ten per cent", "1e1%", "%"])
def test_what_is_no_share_is_told_how_to_write_one(written: str) -> None:
    assert f"'{written}' is not a share; write per cent, such as 10%" in refused(holdout=f"holdout: '{written}'")


def test_nobody_holds_out_more_than_everybody() -> None:
    for parts in ({"holdout": "holdout: 100.01%"}, {"only": "only: {share: 100.01%}"}):
        assert "100.01% is more than everybody; write 0% to 100%" in refused(**parts)
    with pytest.raises(AuthoringError, match="more than everybody"):
        programs(f"{PROGRAM}    control_group: 101%\n")


def test_transactional_mail_cannot_be_held_out() -> None:
    said = refused(topic="topic: status", holdout="holdout: 10%")
    assert "topic 'status' is transactional: its mail is owed to partners and cannot be held out" in said
    assert read(topic="topic: status", only="only: {share: 10%}").only == Only(share=0.1)


def test_only_takes_a_condition_a_list_and_a_share() -> None:
    found = read(only="only: {where: [region: {is: Europe}], partners: [p1, 007], share: 10%}").only
    assert found is not None
    assert found.where is not None
    assert (found.partners, found.share) == (frozenset({"p1", "007"}), 0.1)


def test_only_restricts_to_something() -> None:
    assert "'only' restricts the campaign to nobody in particular; add share: 10%" in refused(only="only: {}")
    assert "unknown key 'shares' in only; did you mean 'share'?" in refused(only="only: {shares: 10%}")
    assert "'partners' is an empty list" in refused(only="only: {partners: []}")
    assert "unknown fact 'regoin'" in refused(only="only: {where: [regoin: {is: Europe}]}")


def test_goals_are_read() -> None:
    found = read(goal="goal: win within 30d").goal
    assert found is not None
    assert (found.conversion, found.within.days) == (Conversion.WIN, 30)
    assert "nobody can reach 'winning'" in refused(goal="goal: winning within 30d")
    assert "'win' is not a goal" in refused(goal="goal: win")
