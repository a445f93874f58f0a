"""Cron, windows and local time as pure functions: each local slot comes once, whatever clocks do."""

from engage.slots.cron import Slot, current_slot, next_slot, slots_between
from engage.slots.windows import Hours, Opening, opening

__all__ = ["Hours", "Opening", "Slot", "current_slot", "next_slot", "opening", "slots_between"]
