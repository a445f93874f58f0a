"""Enrolls whom an occasion concerns and decides, for each step, whether its message is to go out.

Every decision is kept with the values behind it. Nothing here sends: what is to be sent becomes a pending delivery.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AlertStep, Campaign, Step
from engage.domain.decisions import Decision, Defer, Skip
from engage.domain.keys import public_id
from engage.facts import FeedState, Scope, feed_state, feeds_of
from engage.pipeline.cases import Recipient, case_for
from engage.pipeline.recipients import Recipients
from engage.policy import decide
from engage.queueing import Lane
from engage.store.deliveries import insert_deliveries
from engage.store.enrollments import insert_decisions, insert_enrollments
from engage.store.topic_pauses import paused_topics


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject about to enter a campaign. `by_run`: it was a schedule's slot that found it, not an event."""

    occasion_id: int
    campaign: Campaign
    key: str
    partner_id: int
    by_run: bool
    referral_id: int | None = None
    reward_id: int | None = None
    event_age: timedelta | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


Hints = dict[Lane, list[int]]
"""Ids of deliveries by lane: what to wake the workers with once the transaction is committed."""


def enroll(
    db: Connection, scope: Scope, version_ids: Mapping[str, int], entries: Sequence[Entry], now: datetime
) -> Hints:
    """Enrolls, decides and stores what is to be sent; entries that are enrolled already change nothing.

    `version_ids` gives the stored version of each campaign by name. A fixed number of statements, however many entries.
    """
    ids = insert_enrollments(
        db,
        [
            {
                "program_id": scope.program_id,
                "campaign": entry.campaign.name,
                "version_id": version_ids[entry.campaign.name],
                "occasion_id": entry.occasion_id,
                "key": entry.key,
                "partner_id": entry.partner_id,
                "referral_id": entry.referral_id,
                "reward_id": entry.reward_id,
                "entered_at": now,
            }
            for entry in entries
        ],
    )
    enrolled: dict[int, Entry] = {}
    for entry in entries:
        id_ = ids.pop((entry.partner_id, entry.campaign.name, entry.key), None)
        if id_ is not None:
            enrolled[id_] = entry
    runs = {entry.occasion_id for entry in enrolled.values() if entry.by_run}
    campaigns = {entry.campaign.name: entry.campaign for entry in enrolled.values()}
    people = Recipients.load(db, scope, {entry.partner_id for entry in enrolled.values()}, campaigns.values(), runs)
    feeds = heard_feeds(db, scope, campaigns.values(), now)
    paused = paused_topics(db, scope.program_id, now)
    decided, to_send = [], []
    for id_, entry in enrolled.items():
        for step in entry.campaign.steps:
            recipient = people.of(entry.partner_id, entry.campaign, step)
            decision = _decide(scope, entry, step, recipient, people, feeds[entry.campaign.name], paused, now)
            decided.append(_decision_row(scope, id_, step, decision, entry.values, now))
            if not isinstance(decision, Skip):
                people.take_address(entry.occasion_id, step, entry.partner_id, recipient)
                to_send.append(_delivery_row(scope, version_ids, id_, entry, step, recipient, decision, now))
    insert_decisions(db, decided)
    return insert_deliveries(db, to_send)


def _decide(
    scope: Scope,
    entry: Entry,
    step: Step,
    recipient: Recipient,
    people: Recipients,
    feeds: tuple[FeedState, ...],
    paused: Collection[str],
    now: datetime,
) -> Decision:
    campaign = entry.campaign
    case = case_for(
        campaign,
        scope.program,
        now,
        recipient,
        people.partners[entry.partner_id],
        transactional=scope.program.topics[campaign.topic].transactional,
        expires_at=now + campaign.send_within,
        event_age=entry.event_age,
        same_address=entry.by_run and people.same_address(entry.occasion_id, step, entry.partner_id, recipient),
        topic_paused=campaign.topic in paused,
        feeds=feeds,
    )
    return decide(case)


def heard_feeds(
    db: Connection, scope: Scope, campaigns: Iterable[Campaign], now: datetime
) -> dict[str, tuple[FeedState, ...]]:
    """The state of the feeds that each campaign's conditions rest on, by campaign's name."""
    wanted = {c.name: feeds_of(c.where) | feeds_of(c.stop_when) for c in campaigns}
    states = {feed: feed_state(db, scope, feed, now) for feed in set().union(*wanted.values())}
    return {name: tuple(states[feed] for feed in sorted(feeds)) for name, feeds in wanted.items()}


def lane_of(campaign: Campaign, step: Step, scope: Scope) -> Lane:
    if isinstance(step, AlertStep):
        return Lane.ALERTS
    return Lane.TRANSACTIONAL if scope.program.topics[campaign.topic].transactional else Lane.BULK


def _decision_row(
    scope: Scope, enrollment_id: int, step: Step, decision: Decision, values: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    return {
        "program_id": scope.program_id,
        "enrollment_id": enrollment_id,
        "step": step.id,
        "phase": "enroll",
        "decision": decision.kind,
        "reason": decision.reason if isinstance(decision, Defer | Skip) else None,
        "until": decision.until if isinstance(decision, Defer) else None,
        "values": dict(values),
        "decided_at": now,
    }


def _delivery_row(
    scope: Scope,
    version_ids: Mapping[str, int],
    enrollment_id: int,
    entry: Entry,
    step: Step,
    recipient: Recipient,
    decision: Decision,
    now: datetime,
) -> dict[str, Any]:
    campaign = entry.campaign
    # a salesperson may be alerted about several partners on one occasion: each is a delivery of its own
    occasion = f"{entry.key}|{recipient.about}" if recipient.to_staff else entry.key
    return {
        "program_id": scope.program_id,
        "public_id": public_id(scope.program.key, campaign.name, step.id, recipient.key, occasion),
        "campaign": campaign.name,
        "version_id": version_ids[campaign.name],
        "step": step.id,
        "recipient": recipient.key,
        "occasion": occasion,
        "enrollment_id": enrollment_id,
        "partner_id": entry.partner_id,
        "staff_id": recipient.staff_id,
        "address_id": recipient.address_id,
        "template": step.template,
        "topic": campaign.topic,
        "lane": lane_of(campaign, step, scope),
        "due_at": decision.until if isinstance(decision, Defer) else now,
        "expires_at": now + campaign.send_within,
        "created_at": now,
    }
