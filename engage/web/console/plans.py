"""Plans as pages show them: who would get a campaign next and why not the others, bounded in size, time and number.

A plan asks for an audience, which takes as long as there are partners. So it is made when somebody looks at it, is kept
for some minutes, decides about so many at the most, and no more than two are made at a time.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engage.bootstrap import Services
from engage.domain.campaigns import Campaign, EventTrigger, ScheduleTrigger
from engage.domain.decisions import Defer, Reason, Send
from engage.facts import Scope
from engage.pipeline.ahead import next_run
from engage.pipeline.clocks import on_their_clocks
from engage.pipeline.library import Library
from engage.pipeline.plan import Later, Plan, Planned, plan
from engage.slots import Slot

DECIDED = 1000
"""About so many is decided one by one; of all others only who would enter is known."""

KEPT_FOR = timedelta(minutes=5)
TAKES_AT_MOST = timedelta(seconds=20)
_KEPT, _AT_ONCE = 64, 2
_WAITS = 25.0  # seconds

Key = tuple[int, int, str]


class Busy(Exception):
    """Others are having plans made, or this one took too long."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan for the next run of a campaign; of one on events, of those of the last day. `made_at`: when it was made.

    `goes` are those who would get the first mail, at once or when it is time on their own clocks, `later` those who
    would get it when something is over, `not_` those who would not; each decided about. `why_later` and `why_not`
    count what stands against it, the most first.
    """

    plan: Plan
    slot: Slot | None
    made_at: datetime
    goes: tuple[Planned, ...]
    later: tuple[Planned, ...]
    not_: tuple[Planned, ...]
    why_later: tuple[tuple[Reason, int], ...]
    why_not: tuple[tuple[Reason, int], ...]

    @property
    def undecided(self) -> int:
        """How many would enter about whom nothing was decided."""
        return max(self.plan.entering - len(self.plan.decisions), 0)


class Plans:
    """The plans of one process. Safe to ask from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._making = threading.BoundedSemaphore(_AT_ONCE)
        self._kept: OrderedDict[Key, Outlook] = OrderedDict()

    def of(self, services: Services, library: Library, campaign: Campaign) -> Outlook | None:
        """The plan of this version of the campaign; None where nothing can be planned. Raises Busy."""
        scope, now = library.scope_of(campaign), services.clock()
        slot = next_run(campaign, scope.program, now)
        if slot is None and not isinstance(campaign.trigger, EventTrigger):
            return None
        key = scope.program_id, library.version_of(campaign), slot.key if slot else ""
        if (kept := self._fresh(key, now)) is not None:
            return kept
        if not self._making.acquire(timeout=_WAITS):
            raise Busy
        try:
            if (kept := self._fresh(key, now)) is not None:  # somebody else had it made meanwhile
                return kept
            made = _made(services, scope, campaign, slot, now)
        finally:
            self._making.release()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    def _fresh(self, key: Key, now: datetime) -> Outlook | None:
        with self._lock:
            kept = self._kept.get(key)
        return kept if kept is not None and kept.made_at > now - KEPT_FOR else None


def _made(services: Services, scope: Scope, campaign: Campaign, slot: Slot | None, now: datetime) -> Outlook:
    as_of = slot.at if slot is not None else now
    try:
        with services.database.read(at_most=TAKES_AT_MOST) as db:
            planned = plan(db, scope, campaign, as_of, heard_at=now, most=DECIDED)
    except TimeoutError:
        raise Busy from None
    awaited = {Reason.OUTSIDE_SEND_WINDOW} if on_their_clocks(campaign) else set()
    goes, later, others = list[Planned](), list[Planned](), list[Planned]()
    for one in planned.decisions:
        match one.decision:
            case Send() | Later():
                goes.append(one)
            case Defer(_, reason):
                (goes if reason in awaited else later).append(one)
            case _:
                others.append(one)
    return Outlook(
        planned, slot, now, tuple(goes), tuple(later), tuple(others), _counted(later), _why_not(planned, others)
    )


def _counted(those: Sequence[Planned]) -> tuple[tuple[Reason, int], ...]:
    reasons = Counter(one.decision.reason for one in those if not isinstance(one.decision, Send | Later))
    return tuple(reasons.most_common())


def _why_not(planned: Plan, others: Sequence[Planned]) -> tuple[tuple[Reason, int], ...]:
    """What keeps everybody out who does not enter, decided about or not, and what stands against a mail to the rest."""
    known: Mapping[Reason, int] = planned.kept_out
    decided = {reason: many for reason, many in _counted(others) if reason not in known}
    return tuple(sorted({**known, **decided}.items(), key=lambda one: (-one[1], one[0])))


def is_planned(campaign: Campaign) -> bool:
    """Whether there can be a plan of it at all: others have neither a schedule nor events of their own."""
    return isinstance(campaign.trigger, ScheduleTrigger | EventTrigger)
