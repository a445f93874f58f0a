"""The slots of a schedule: five fields of cron, read on the wall clocks of a zone.

croniter only ever sees local times without a zone. Given a zone, it fires `30 1 * * *` twice when clocks go back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from engage.domain.keys import slot_key
from engage.domain.local_time import instant_of

_NOTHING = timedelta()
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which a schedule comes due. `local` is naive, on the zone's clocks; `at` is its instant in UTC."""

    local: datetime
    at: datetime

    @property
    def key(self) -> str:
        """Names the slot by its local date and time, so that no change of clocks makes two of it."""
        return slot_key(self.local)


def slots_between(cron: str, zone: str, after: datetime, until: datetime) -> list[Slot]:
    """The slots with `after < at <= until`, each local slot once, in their order.

    `cron` has passed `engage.authoring`; `after` and `until` are aware.
    """
    found = []
    for slot in _slots_after(cron, zone, after):
        if slot.at > until:
            break
        found.append(slot)
    return found


def next_slot(cron: str, zone: str, after: datetime) -> Slot:
    """The first slot whose instant is after `after`."""
    return next(_slots_after(cron, zone, after))


def current_slot(cron: str, zone: str, now: datetime) -> Slot:
    """The latest slot at or before `now`."""
    # While an hour is repeated, local times later than the clock's have been already: look from the first round.
    wall = now.astimezone(ZoneInfo(zone))
    repeated = (wall.replace(fold=0).utcoffset() or _NOTHING) - (wall.utcoffset() or _NOTHING)
    first_round = wall.replace(tzinfo=None) + repeated
    times = croniter(cron, first_round.replace(second=0, microsecond=0) + _MINUTE)
    while True:
        local: datetime = times.get_prev(datetime)
        if (at := instant_of(local, zone)) <= now:
            return Slot(local, at)


def _slots_after(cron: str, zone: str, after: datetime) -> Iterator[Slot]:
    # No slot at or before the clock's reading is still to come, so that nothing before it need be looked at.
    times = croniter(cron, after.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
    while True:
        local: datetime = times.get_next(datetime)
        if (at := instant_of(local, zone)) > after:
            yield Slot(local, at)
