"""Whether some campaign answers what a partner asks for on their page, so that the page promises no mail in vain."""

from datetime import datetime
from zoneinfo import ZoneInfo

from engage.domain.campaigns import CampaignState, EventKind
from engage.domain.programs import Program
from engage.pipeline.library import Library
from engage.triggers import concerned


def answers(library: Library, program: Program, kind: EventKind, now: datetime) -> bool:
    """Whether a campaign of the program is live today that waits for this event."""
    today = now.astimezone(ZoneInfo(program.zone)).date()
    return any(
        campaign.state is CampaignState.LIVE and campaign.has_begun(today) and not campaign.is_over(today)
        for campaign in concerned(library.on_events(program.key), kind, None)
    )
