"""Builds the services from the settings, once, for every entry point."""

from engage.bootstrap.parts import mailbox_webhook_key
from engage.bootstrap.services import JOURNEYS_AT_ONCE, Services
from engage.bootstrap.upkeep import HEARTBEAT, SILENT_AFTER

__all__ = ["HEARTBEAT", "JOURNEYS_AT_ONCE", "SILENT_AFTER", "Services", "mailbox_webhook_key"]
