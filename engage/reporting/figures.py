"""What each campaign has done so far, reckoned now and then, so that whoever looks at it reads one row.

Promise: no page counts history. A campaign is reckoned an hour after the last time at the earliest, and so seldom that
it never takes more than a hundredth of the time.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, Conversion, Goal
from engage.domain.experiments import Arm
from engage.reporting.intervals import Sample
from engage.reporting.lift import Comparison, Group, group_of, lift
from engage.store.clicks import used_mails
from engage.store.experiments import Entered
from engage.store.figures import Name, count_alerts, count_entries, first_entered, kept_figures

EVERY = timedelta(hours=1)
"""So old a campaign's figures get at the least."""

SHARE = 100
"""It is reckoned so many times less often than it takes."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The treated against those who were left without it: `against` is held_out or control (domain.experiments.Arm).

    Of partners whose time is over: how many, and how many of them reached the goal. `value` and `other_value` are their
    rates, or their mean revenue in minor units; `difference`, and `low` to `high` around it, the same. `verdict` is
    reporting.lift.Verdict; `enough`: no group is too small.
    """

    against: str
    partners: int
    reached: int
    value: float | None
    others: int
    others_reached: int
    other_value: float | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: str
    enough: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """A campaign's figures as of an instant, over all its time.

    `entries`: how often anybody entered. Of mails to partners, `mails` went out, or may have, to `reached` partners; in
    `clicked` of them somebody clicked, `opened` somebody opened, in `by_machines` only machines clicked. `alerts` went
    to our staff. With a `goal` (win, revenue, referral or login), of `due` partners whose time is over `goal_reached`
    reached it, and `still_open` still have time; `compared` is its lift, where anybody was held out. `seconds`: how
    long it took to reckon.
    """

    as_of: datetime
    entries: int
    mails: int
    reached: int
    clicked: int
    opened: int
    by_machines: int
    alerts: int
    goal: str | None = None
    due: int = 0
    goal_reached: int = 0
    still_open: int = 0
    compared: tuple[Compared, ...] = ()
    seconds: float = 0.0

    @property
    def click_rate(self) -> float | None:
        """The share of mails in which somebody clicked."""
        return self.clicked / self.mails if self.mails else None

    @property
    def goal_rate(self) -> float | None:
        """The share of those whose time is over who reached the goal."""
        return self.goal_reached / self.due if self.due else None

    @property
    def is_money(self) -> bool:
        """Whether what is compared is revenue, in minor units, instead of shares."""
        return self.goal == Conversion.REVENUE

    @property
    def lift(self) -> Compared | None:
        """The comparison that says the most: with who was held out of this campaign, else with the control group."""
        return min(self.compared, key=lambda one: one.against != Arm.HELD_OUT, default=None)


def reckon(db: Connection, program_id: int, campaign: Campaign, versions: Collection[int], now: datetime) -> Figures:
    """Counts it all. `versions` are those whose entries can be compared. Costs as much as the campaign's history."""
    used = next(iter(used_mails(db, program_id, None, now, campaign.name)), None)
    goal = campaign.goal
    group, compared = Group(0, 0, 0, Sample.of(())), list[Compared]()
    if goal is not None:
        entered = first_entered(db, program_id, campaign.name)
        group = group_of(db, goal, [Entered(id_, at, Arm.TREATED, False) for id_, at in entered.items()], now)
        measured = lift(db, program_id, campaign, versions, None, now, now)
        compared = [_compared(one, goal) for one in measured.comparisons]
    return Figures(
        as_of=now,
        entries=count_entries(db, program_id, campaign.name),
        mails=used.mails if used else 0,
        reached=used.reached if used else 0,
        clicked=used.clicked if used else 0,
        opened=used.opened if used else 0,
        by_machines=used.by_machines if used else 0,
        alerts=count_alerts(db, program_id, campaign.name),
        goal=goal.conversion.value if goal else None,
        due=group.partners,
        goal_reached=group.converted,
        still_open=group.still_open,
        compared=tuple(compared),
    )


def _compared(one: Comparison, goal: Goal) -> Compared:
    interval = one.interval
    return Compared(
        against=one.against.value,
        partners=one.treated.partners,
        reached=one.treated.converted,
        value=_value(one.treated, goal),
        others=one.others.partners,
        others_reached=one.others.converted,
        other_value=_value(one.others, goal),
        difference=interval.difference if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        verdict=one.verdict.value,
        enough=one.enough,
    )


def _value(group: Group, goal: Goal) -> float | None:
    if goal.conversion is Conversion.REVENUE:
        return group.amounts.mean if group.partners else None
    return group.rate


def figures_of(db: Connection, program_ids: Collection[int]) -> dict[Name, Figures]:
    """The figures of each campaign of these programs, by program's id and name; none until they were first reckoned."""
    return {name: read(kept) for name, (_, kept) in kept_figures(db, program_ids).items() if kept}


def due(db: Connection, campaigns: Iterable[Name], now: datetime, most: int) -> list[tuple[Name, datetime | None]]:
    """Those of these campaigns whose figures are to be reckoned, the oldest first, with when they last were."""
    names = list(campaigns)
    kept = kept_figures(db, {program_id for program_id, _ in names})
    found = []
    for name in names:
        as_of, figures = kept.get(name, (None, {}))
        if as_of is None or as_of + max(EVERY, SHARE * timedelta(seconds=figures.get("seconds", 0.0))) <= now:
            found.append((name, as_of))
    return sorted(found, key=lambda one: (one[1] is not None, one[1] or now, one[0]))[:most]


def written(figures: Figures) -> dict[str, Any]:
    """The figures as the store keeps them."""
    return asdict(figures) | {"as_of": figures.as_of.isoformat()}


def read(kept: Mapping[str, Any]) -> Figures:
    """What `written` has written."""
    compared = tuple(Compared(**one) for one in kept["compared"])
    return Figures(**{**kept, "as_of": datetime.fromisoformat(kept["as_of"]), "compared": compared})
