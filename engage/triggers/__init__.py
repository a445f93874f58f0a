"""Which campaigns an event concerns, and which slots of a schedule are due. Pure."""

from engage.triggers.events import concerned
from engage.triggers.schedules import ON_TIME, Due, due_slots, next_at, schedule_in

__all__ = ["ON_TIME", "Due", "concerned", "due_slots", "next_at", "schedule_in"]
