"""Frequency caps and who wins where they leave too little room, worked out anew from the log.

Each dispatch window is decided again: its winners, its losers and those who are held out line up as `order` ranks them,
and before each stands what had gone out by then and who of the better ranks has won.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.audit.log import Mail, NotSent
from tests.audit.words import Rules, duration
from tests.audit.world import World


@dataclass(frozen=True, slots=True)
class Candidate:
    """A marketing mail that competed. `won`: it went out, or would have, had its partner not been held out."""

    campaign: str
    topic: str
    step: str
    partner: str
    occasion: str
    won: bool
    said: str


@dataclass(slots=True)
class Room:
    """What takes room under a program's caps: when, by cap and whose."""

    program: str
    rules: Rules
    world: World
    _taken: dict[tuple[int, str], list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def take(self, partner: str, topic: str, at: datetime) -> None:
        """Called in order of time."""
        for key, _ in self._concerning(partner, topic):
            self._taken[key].append(at)

    def full(self, partner: str, topic: str, at: datetime) -> list[str]:
        """The caps that leave no room for one more mail at `at`."""
        found = []
        for key, cap in self._concerning(partner, topic):
            taken = self._taken[key]
            if len(taken) - bisect_right(taken, at - duration(cap["in"])) >= cap["at_most"]:
                found.append(f"{cap['at_most']} per {cap['per']} in {cap['in']}, of {key[1]}")
        return found

    def _concerning(self, partner: str, topic: str) -> Iterator[tuple[tuple[int, str], Rules]]:
        whose: dict[str, Callable[[], str]] = {
            "partner": lambda: partner,
            "company": lambda: self.world.companies[partner],
            "address": lambda: self.world.emails[partner],
            "program": lambda: self.program,
        }
        for number, cap in enumerate(self.rules["frequency_caps"]):
            if cap.get("topic", topic) == topic:
                yield (number, whose[cap["per"]]()), cap


def contest(room: Room, order: list[str], candidates: list[Candidate], at: datetime) -> Iterator[str]:
    """What is wrong with how these were decided together; `room` then has the winners."""

    def rank(one: Candidate) -> tuple[int, str, str, str, str]:
        place = order.index(one.campaign) if one.campaign in order else len(order)
        return place, one.campaign, f"partner:{one.partner}", one.occasion, one.step

    for one in sorted(candidates, key=rank):
        full = room.full(one.partner, one.topic, at)
        if one.won and full:
            yield f"{one.said}: it won, and there was no room ({'; '.join(full)})"
        if not one.won and not full:
            yield f"{one.said}: it lost, and there was room for it in its rank"
        if one.won:
            room.take(one.partner, one.topic, at)


def competed(mails: list[Mail], lines: list[NotSent], world: World, topic: Callable[[str], str]) -> dict[Any, Any]:
    """Who competed at each instant: {at: candidates}. `mails` are all that are held to caps."""
    found: dict[datetime, list[Candidate]] = defaultdict(list)
    for mail in mails:
        name = mail.campaign
        found[mail.at].append(Candidate(name, topic(name), mail.step, mail.partner, mail.occasion, True, str(mail)))
    for line in lines:
        lost = line.reason in ("frequency_cap", "folded")
        if lost or (line.phase == "contest" and line.reason in ("held_out", "in_control_group")):
            # of a company's letter it is the company, whose contact has its name
            assert line.whom in world.zones, line
            name = line.campaign
            one = Candidate(name, topic(name), line.step, line.whom, line.occasion, not lost, str(line))
            found[line.at].append(one)
    return found


def windows_end(at: datetime, length: timedelta) -> bool:
    """Whether a dispatch window ends at this instant."""
    return not at.timestamp() % length.total_seconds()
