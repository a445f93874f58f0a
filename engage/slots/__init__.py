"""Cron and local time as pure functions: each local slot comes once, whatever clocks do."""

from engage.slots.cron import Slot, current_slot, next_slot, slots_between

__all__ = ["Slot", "current_slot", "next_slot", "slots_between"]
