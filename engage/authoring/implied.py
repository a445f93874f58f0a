"""The campaigns that a program implies, without a file of their own: the daily mail of each topic with `gather`."""

import hashlib
import json

from engage.domain.campaigns import Campaign, CampaignState, GatherTrigger, SendStep, Text
from engage.domain.facts import Subject
from engage.domain.programs import Program, Topic, gather_campaign

DAILY_STEP = "daily"
"""The id of the only step."""


def implied_campaigns(program: Program, path: str = "") -> list[Campaign]:
    """One campaign for each topic with `gather`; `path` is of the file of one whose place does not name it."""
    return [campaign for topic in program.topics.values() if (campaign := daily_campaign(program, topic, path))]


def daily_campaign(program: Program, topic: Topic, path: str = "") -> Campaign | None:
    """The campaign of a topic's daily mail; None if it has none."""
    gather = topic.gather
    if gather is None:
        return None
    said = [program.key, topic.key, gather.at.isoformat(), gather.template, topic.send_within.total_seconds()]
    return Campaign(
        name=gather_campaign(topic.key),
        program=program.key,
        why=f"The updates of a day in one mail, for partners who want '{topic.label}' once a day.",
        state=CampaignState.LIVE,
        topic=topic.key,
        subject=Subject.PARTNER,
        trigger=GatherTrigger(topic.key, gather.at),
        where=None,
        again=None,
        stop_when=None,
        send_within=topic.send_within,
        steps=(SendStep(DAILY_STEP, (Text(gather.template, place=gather.place),)),),
        starts=None,
        ends=None,
        path=gather.place.file or path,
        source=f"# implied by `gather` of topic {topic.key}\n",
        content_hash=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
    )
