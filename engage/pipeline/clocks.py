"""When mail of a schedule with `clock: partner` is due: at the slot's local time, where the partner is.

The facts of a run are those of the instant at which the time comes first anywhere; the mails wait, each for its own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from engage.domain.campaigns import Campaign, Clock, ScheduleTrigger
from engage.domain.keys import local_of, slot_of
from engage.domain.local_time import instant_of
from engage.domain.programs import Program
from engage.slots import Slot, current_slot, next_slot
from engage.store.deliveries import Claimed
from engage.store.people import PartnerStanding


def on_their_clocks(campaign: Campaign) -> bool:
    """Whether each partner's own clock counts."""
    return isinstance(campaign.trigger, ScheduleTrigger) and campaign.trigger.clock is Clock.PARTNER


def comes_at(slot: str, zone: str | None, program: Program) -> datetime:
    """When a slot comes on the clocks of a zone; of the program's where the partner's is not known."""
    return instant_of(local_of(slot), zone or program.zone)


@lru_cache(maxsize=256)  # a plan asks it of each partner
def slot_now(trigger: ScheduleTrigger, zone: str, now: datetime) -> Slot:
    """The slot that is current for a program in `zone`: on partners' clocks, as soon as it comes to the first."""
    return current_slot(trigger.cron, trigger.zone(zone), now)


@lru_cache(maxsize=256)
def slot_next(trigger: ScheduleTrigger, zone: str, now: datetime) -> Slot:
    """The one after that."""
    return next_slot(trigger.cron, trigger.zone(zone), now)


def current_comes_at(campaign: Campaign, program: Program, zone: str | None, now: datetime) -> datetime | None:
    """When the current slot comes, or came, to a partner in `zone`; None of schedules on the program's clocks."""
    trigger = campaign.trigger
    if not isinstance(trigger, ScheduleTrigger) or trigger.clock is not Clock.PARTNER:
        return None
    return comes_at(slot_now(trigger, program.zone, now).key, zone, program)


def due_on_their_clocks(
    program: Program,
    batch: Sequence[Claimed],
    campaigns: Mapping[str, Campaign | None],
    partners: Mapping[int, PartnerStanding],
) -> dict[int, datetime]:
    """When those of these mails whose partners' clocks count are due, by the zones in which they are now.

    Of an entry whose key names no slot, what was found when they entered stays.
    """
    due: dict[int, datetime] = {}
    for one in batch:
        campaign, slot = campaigns.get(one.campaign), slot_of(one.occasion)
        partner = partners.get(one.partner_id or 0)
        if campaign is not None and partner is not None and slot is not None and on_their_clocks(campaign):
            due[one.id] = comes_at(slot, partner.zone, program)
    return due
