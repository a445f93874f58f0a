"""Cron and local time as pure functions: each local slot comes once, whatever clocks do."""

from engage.slots.cron import Slot, current_slot, next_slot, slots_between
from engage.slots.local import instant_of
from engage.slots.periods import Period, tier_period

__all__ = ["Period", "Slot", "current_slot", "instant_of", "next_slot", "slots_between", "tier_period"]
