"""Which campaigns an event concerns."""

from collections.abc import Iterable

from engage.domain.campaigns import Campaign, CampaignState, EventTrigger


def concerned(campaigns: Iterable[Campaign], kind: str, to_status: str | None) -> list[Campaign]:
    """The live or paused campaigns that wait for events of this kind (and, for a status change, this status)."""
    return [
        campaign
        for campaign in campaigns
        if isinstance(campaign.trigger, EventTrigger)
        and campaign.state in (CampaignState.LIVE, CampaignState.PAUSED)
        and campaign.trigger.event == kind
        and (not campaign.trigger.to or to_status in campaign.trigger.to)
    ]
