"""Which slots of a schedule are to be fired. A slot is a *local* date and time; each fires once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from engage.domain.campaigns import CatchUp, Clock, ScheduleTrigger
from engage.domain.local_time import FIRST_TO_LAST
from engage.slots import Slot, next_slot, slots_between

ON_TIME = timedelta(minutes=5)
"""A slot that is fired at most so late was not missed: a restart, or a database that fails over, is nobody's news."""

LATEST_LATENESS = timedelta(hours=1)
"""`latest` makes up for the latest missed slot if it is at most this late."""

FURTHEST_BACK = timedelta(days=7)
"""`all` makes up for missed slots that are at most this late."""


@dataclass(frozen=True, slots=True)
class Due:
    """`slots` are to be fired, in their order; `passed_over` counts those that never will be."""

    slots: tuple[Slot, ...] = ()
    passed_over: int = 0


def schedule_in(trigger: ScheduleTrigger, zone: str) -> str:
    """Names a schedule as it is read by a program in this zone: the same text, the same slots."""
    return f"{trigger.cron} {trigger.zone(zone)}"


def due_slots(trigger: ScheduleTrigger, zone: str, catch_up: CatchUp, looked_until: datetime, now: datetime) -> Due:
    """What becomes of the slots after `looked_until` up to `now`, of a program in `zone`.

    Those that are on time are fired, whatever `catch_up` says; it says which of those that were missed are, too. On
    partners' clocks a slot is on time until it has come on the last of them.
    """
    if next_at(trigger, zone, looked_until) > now:
        return Due()
    slots = slots_between(trigger.cron, trigger.zone(zone), looked_until, now)
    last_on_clocks = now - FIRST_TO_LAST if trigger.clock is Clock.PARTNER else now
    on_time = [slot for slot in slots if slot.at >= last_on_clocks - ON_TIME]
    missed = slots[: len(slots) - len(on_time)]
    made_up = _made_up(missed, catch_up, superseded=bool(on_time), now=last_on_clocks)
    return Due((*made_up, *on_time), len(missed) - len(made_up))


def _made_up(missed: list[Slot], catch_up: CatchUp, *, superseded: bool, now: datetime) -> list[Slot]:
    match catch_up:
        case CatchUp.SKIP:
            return []
        case CatchUp.LATEST:
            if superseded or not missed or missed[-1].at < now - LATEST_LATENESS:
                return []
            # local times that clocks skip come due together, when clocks are put forward: none is later than another
            return [slot for slot in missed if slot.at == missed[-1].at]
        case CatchUp.ALL:
            return [slot for slot in missed if slot.at >= now - FURTHEST_BACK]


@lru_cache(maxsize=4096)  # the same is asked at each slot of any campaign, and cron takes long to work out
def next_at(trigger: ScheduleTrigger, zone: str, after: datetime) -> datetime:
    """The instant of the first slot after `after`, of a program in `zone`."""
    return next_slot(trigger.cron, trigger.zone(zone), after).at
