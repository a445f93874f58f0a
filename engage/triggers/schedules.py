"""Which slot of a schedule is due. A slot is a *local* date and time; each fires once."""

from datetime import datetime, timedelta

from engage.slots import Slot, slots_between

LATEST_LATENESS = timedelta(hours=1)
"""After downtime the latest missed slot is made up for if it is at most this late; earlier ones are passed over."""


def due_slot(cron: str, zone: str, looked_until: datetime, now: datetime) -> Slot | None:
    """The latest slot after `looked_until` up to `now`, if it is not too late for it."""
    after = max(looked_until, now - LATEST_LATENESS)
    slots = slots_between(cron, zone, after, now)
    return slots[-1] if slots else None
