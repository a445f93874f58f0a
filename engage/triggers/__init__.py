"""Which campaigns an event concerns, and which slots of a schedule are due. Pure."""

from engage.triggers.events import concerned
from engage.triggers.schedules import LATEST_LATENESS, due_slot

__all__ = ["LATEST_LATENESS", "concerned", "due_slot"]
