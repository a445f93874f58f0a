"""Campaigns without a file of their own, which others imply: the daily mail of each topic with `gather`, and the word
to our marketing about an edition that is not there in time."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta

from engage.domain.campaigns import (
    AlertStep,
    Campaign,
    CampaignState,
    EditionTrigger,
    GatherTrigger,
    ScheduleTrigger,
    SendStep,
    Text,
    texts_of,
)
from engage.domain.facts import Subject
from engage.domain.journeys import path_of
from engage.domain.programs import OWNER, Program, Topic, gather_campaign

DAILY_STEP = "daily"
"""The id of the only step."""

EDITION_MISSING = "alerts/edition_missing"
"""The email that tells of an edition which is not there."""

MARKETING = "marketing"
"""The desk that is told; without it, whoever alerts fall back to."""

_TOLD_WITHIN = timedelta(days=3)


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


def editions_of(campaign: Campaign) -> Iterator[Text]:
    """The texts of the campaign that are another email each month."""
    if isinstance(campaign.trigger, ScheduleTrigger):
        for step in path_of(campaign.steps).mails():
            yield from (text for text in texts_of(step) if text.edition)


def edition_campaign(campaign: Campaign, program: Program) -> Campaign | None:
    """The campaign that tells our marketing of editions of this one that are missing; None if it has no editions."""
    text = next(editions_of(campaign), None)
    if text is None:
        return None
    to = MARKETING if MARKETING in program.desks else OWNER
    said = [program.key, campaign.name, campaign.topic, to]
    return Campaign(
        name=f"{campaign.name}-edition",
        program=program.key,
        why=f"The next edition of '{campaign.name}' is not there yet, and somebody has to write it.",
        state=CampaignState.LIVE,
        topic=campaign.topic,
        subject=Subject.STAFF,
        trigger=EditionTrigger(campaign.name),
        where=None,
        again=None,
        stop_when=None,
        send_within=_TOLD_WITHIN,
        steps=(AlertStep("missing", Text(EDITION_MISSING, place=text.place), to),),
        starts=None,
        ends=None,
        path=campaign.path,
        source=f"# implied by the editions of {campaign.name}\n",
        content_hash=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
    )
