"""Lift: what a campaign has changed, by those who were treated against those who were left without it.

Promise: like is compared with like. Everybody counts once, by their first entry, whatever became of their mail; what
they did counts in equally long windows after it; and who is still within theirs does not count yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, Conversion, Goal
from engage.domain.experiments import Arm
from engage.reporting.intervals import Interval, Sample, difference_of_means, difference_of_proportions
from engage.store.experiments import Entered, first_entries
from engage.store.goals import converted
from engage.store.upserts import BATCH

ENOUGH = 30
"""A comparison in which a group is smaller is too small to tell."""


class Verdict(StrEnum):
    MORE = "more"
    LESS = "less"
    TOO_SMALL = "too small to tell"


@dataclass(frozen=True, slots=True)
class Group:
    """Of one arm: whose window is over, how many of those reached the goal, and who is still within theirs.

    `amounts` has, of a goal of revenue, the revenue of each whose window is over, in minor units.
    """

    partners: int
    converted: int
    still_open: int
    amounts: Sample

    @property
    def rate(self) -> float | None:
        return self.converted / self.partners if self.partners else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The treated against another arm. `interval` is of their proportions or, of revenue, of their means in minor
    units; None where a group is too small to have one.
    """

    against: Arm
    treated: Group
    others: Group
    interval: Interval | None

    @property
    def enough(self) -> bool:
        return min(self.treated.partners, self.others.partners) >= ENOUGH

    @property
    def verdict(self) -> Verdict:
        if self.interval is None or not self.enough or self.interval.holds_zero:
            return Verdict.TOO_SMALL
        return Verdict.MORE if self.interval.difference > 0 else Verdict.LESS


@dataclass(frozen=True, slots=True)
class Lift:
    """A campaign's comparisons, one for each arm that anybody entered in. `moved` have been in several arms, by a merge
    or an edited share, and count in none; `elsewhere` have entered only while another share was held out.
    """

    campaign: Campaign
    goal: Goal
    comparisons: tuple[Comparison, ...]
    moved: int
    elsewhere: int


def lift(
    db: Connection,
    program_id: int,
    campaign: Campaign,
    versions: Collection[int],
    since: datetime | None,
    until: datetime,
    now: datetime,
) -> Lift:
    """Of a campaign that has a goal, over the entries from `since` (None: ever) to before `until`, as of `now`.

    Only entries into these `versions` of the campaign, which hold out the same share, are compared: over two stretches
    of time with different shares, what changes with time would look like what the campaign changes.
    """
    goal = campaign.goal
    assert goal is not None, "lift is measured by a goal"
    entered = first_entries(db, program_id, campaign.name, since, until, versions)
    anyhow = first_entries(db, program_id, campaign.name, since, until)
    staying = [one for one in entered if not one.moved]
    groups = {arm: group_of(db, goal, [one for one in staying if one.arm is arm], now) for arm in Arm}
    treated = groups[Arm.TREATED]
    comparisons = tuple(
        Comparison(arm, treated, groups[arm], _interval(goal, treated, groups[arm]))
        for arm in (Arm.HELD_OUT, Arm.CONTROL)
        if groups[arm].partners or groups[arm].still_open
    )
    return Lift(campaign, goal, comparisons, len(entered) - len(staying), len(anyhow) - len(entered))


def group_of(db: Connection, goal: Goal, members: Sequence[Entered], now: datetime) -> Group:
    """What these did in the time after they entered, as of `now`."""
    over = [one for one in members if one.entered_at + goal.within <= now]
    reached = 0
    amounts: list[float] = []
    for start in range(0, len(over), BATCH):
        part = {one.partner_id: one.entered_at for one in over[start : start + BATCH]}
        done = converted(db, goal.conversion, part, now)
        for partner_id, at in part.items():
            counted = [amount for when, amount in done.get(partner_id, ()) if at < when <= at + goal.within]
            reached += bool(counted)
            amounts.append(sum(counted))
    return Group(len(over), reached, len(members) - len(over), Sample.of(amounts))


def _interval(goal: Goal, treated: Group, others: Group) -> Interval | None:
    smallest = min(treated.partners, others.partners)
    if goal.conversion is Conversion.REVENUE:
        return difference_of_means(treated.amounts, others.amounts) if smallest > 1 else None
    if not smallest:
        return None
    return difference_of_proportions(treated.converted, treated.partners, others.converted, others.partners)
