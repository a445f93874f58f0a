"""Experiments: who is held out of what, who gets which words, who is among the first of a roll-out. Pure.

Promise: each answer depends on nothing but the program, the campaign and whom it concerns (and the step, of words), so
that it is the same on every day and every machine, however a campaign's file is edited otherwise. A larger share
contains the smaller one. The answers to different questions have nothing to do with each other.

`unit` is whom an answer is about: a partner's external id, as it stands after aliases and merges.
"""

from enum import StrEnum
from math import log

from engage.domain.campaigns import Campaign, SendStep, Text
from engage.domain.chance import chance
from engage.domain.decisions import Reason, Skip
from engage.domain.programs import Program


class Arm(StrEnum):
    """On which side of a comparison somebody stands who has entered a campaign."""

    TREATED = "treated"
    HELD_OUT = "held_out"  # of this campaign
    CONTROL = "control"  # of all marketing of the program


_WITHHELD = {Arm.HELD_OUT: Reason.HELD_OUT, Arm.CONTROL: Reason.IN_CONTROL_GROUP}


def withheld(arm: Arm) -> Skip | None:
    """Why nothing is sent to somebody of this arm; None where they are treated."""
    reason = _WITHHELD.get(arm)
    return Skip(reason) if reason else None


def draws(program: Program, campaign: Campaign) -> bool:
    """Whether anybody may be held out of the campaign at all."""
    return bool(campaign.holdout or (program.control_group and not program.topics[campaign.topic].transactional))


def in_control_group(program: Program, campaign: Campaign, unit: str) -> bool:
    """Whether somebody gets no marketing mail of the program, such as the campaign's: the same for all of them."""
    if not program.control_group or program.topics[campaign.topic].transactional:
        return False
    return chance(program.key, "control", unit) < program.control_group


def arm_of(program: Program, campaign: Campaign, unit: str) -> Arm:
    """The arm in which somebody enters. Who is held out is drawn for each campaign apart, the control group once."""
    if in_control_group(program, campaign, unit):
        return Arm.CONTROL
    if campaign.holdout and chance(program.key, campaign.name, "holdout", unit) < campaign.holdout:
        return Arm.HELD_OUT
    return Arm.TREATED


def in_share(program: str, campaign: str, unit: str, share: float) -> bool:
    """Whether somebody is among the first `share` (0 to 1) of a campaign's roll-out."""
    return chance(program, campaign, "only", unit) < share


def variant_of(program: str, campaign: str, step: SendStep, unit: str) -> Text:
    """The one of the step's texts that somebody gets, always the same: each in proportion to its weight.

    A text that is added, taken out or given another weight moves only as many as it must (rendezvous hashing: each text
    draws an exponential time whose rate is its weight, and the earliest wins).
    """

    def time(text: Text) -> float:
        return -log(1 - chance(program, campaign, step.id, "variant", text.template, unit)) / text.weight

    return min(step.texts, key=time)
