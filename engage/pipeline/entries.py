"""Who enters a campaign, by which occasion, and what is to be woken afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from engage.domain.campaigns import Campaign
from engage.domain.experiments import Arm
from engage.queueing import Lane


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject that enters, or has entered, a campaign. `by_run`: a schedule's slot found it, not an event.

    `arm` is the one in which it entered; None: not drawn yet, or no more theirs since a merge.
    """

    occasion_id: int
    campaign: Campaign
    key: str
    partner_id: int
    by_run: bool
    referral_id: int | None = None
    reward_id: int | None = None
    event_age: timedelta | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    arm: Arm | None = None


Hints = dict[Lane, list[int]]
"""Ids of deliveries by lane: what to wake the workers with once the transaction is committed."""
