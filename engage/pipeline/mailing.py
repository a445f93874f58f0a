"""Decides, for each mail that a step calls for, whether it is to go out; what is to be sent becomes a delivery.

Every decision is kept with the values behind it. Nothing here sends. A fixed number of statements, however many mails.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import AlertStep, BranchStep, Campaign, MailStep, Text, goes_to_staff
from engage.domain.decisions import Decision, Defer, Reason, Skip
from engage.domain.facts import Feed
from engage.domain.journeys import every_step
from engage.domain.keys import public_id
from engage.facts import FeedState, Scope, feed_state, feeds_of
from engage.pipeline.caps import is_held_to_caps
from engage.pipeline.cases import Recipient, case_for
from engage.pipeline.choosing import Words, arm_in, drawn
from engage.pipeline.collapsing import collapse
from engage.pipeline.entries import Hints, Mailing
from engage.pipeline.gathering import Gathered, gather, link_updates
from engage.pipeline.recipients import Recipients
from engage.pipeline.sunset import resting
from engage.pipeline.updates import Updates, is_update
from engage.policy import decide
from engage.policy.caps import window_end
from engage.queueing import Lane
from engage.store.deliveries import insert_deliveries
from engage.store.enrollments import insert_decisions
from engage.store.people import PartnerStanding
from engage.store.topic_pauses import paused_topics


def mail(db: Connection, scope: Scope, mailings: Sequence[Mailing], now: datetime) -> Hints:
    """Decides on these mails and stores what is to be sent; returns the deliveries by lane."""
    if not mailings:
        return {}
    entries = [one.entry for one in mailings]
    runs = {entry.occasion_id for entry in entries if entry.by_run}
    campaigns = {entry.campaign.name: entry.campaign for entry in entries}
    alerts = any(isinstance(one.step, AlertStep) for one in mailings)
    people = Recipients.load(db, scope, entries, alerts=alerts, run_occasions=runs)
    feeds = heard_feeds(db, scope, campaigns.values(), now)
    paused = paused_topics(db, scope.program_id, now)
    partners = [people.partner(one.entry, one.entry.campaign, one.step) for one in mailings]
    whom = [partner.partner_id if partner else None for partner in partners]
    wanted = [(id_, one.entry.campaign.name, one.step) for id_, one in zip(whom, mailings, strict=True)]
    words = Words.load(db, scope, wanted)
    updates = Updates.load(db, scope, [(one.entry, one.step) for one in mailings], now)
    people.resting = resting(db, scope, people.partners, now)
    decided, to_send, gathered = [], [], []
    for one, partner, partner_id in zip(mailings, partners, whom, strict=True):
        campaign = one.entry.campaign
        recipient = people.of(one.entry, campaign, one.step)
        untold = updates.untold(one.entry, one.step, partner.rhythms) if partner else None
        passed = _decide(scope, one, recipient, partner, people, feeds[campaign.name], paused, untold, now)
        unit = partner.external_id if partner else recipient.key
        text = words.of(partner_id, unit, campaign.name, one.step)
        arm = arm_in(scope.program, campaign, one.entry.arm, partner.external_id if partner else None)
        decision = drawn(passed, arm, text)
        decided.append(_decision_row(scope, one, decision, now))
        text = text.of_slot(one.entry.slot) if text is not None else None
        if text is not None and not isinstance(decision, Skip):
            words.use(partner_id, campaign.name, one.step, text)
            people.take_address(one.entry.occasion_id, one.step, recipient)
            to_send.append(_delivery_row(scope, one, recipient, partner_id, text, decision, now))
        elif text is not None and not isinstance(passed, Skip):  # held out: it takes the room that it would have had
            row = _delivery_row(scope, one, recipient, partner_id, text, passed, now)
            to_send += [row | {"held_out": True}] if row["contest_at"] is not None else []
        elif partner is not None and decision == Skip(Reason.GATHERED):
            zone = partner.zone or scope.program.zone
            gathered.append(Gathered(one.enrollment_id, campaign.topic, partner.partner_id, zone))
    insert_decisions(db, decided)
    hints = insert_deliveries(db, to_send)
    collapse(db, scope, [one.entry for one in mailings if is_update(one.entry, one.step)], now)
    return _with_daily_mails(db, scope, gathered, hints, now) if gathered else hints


def _with_daily_mails(db: Connection, scope: Scope, gathered: Sequence[Gathered], hints: Hints, now: datetime) -> Hints:
    """Makes the daily mails that are to tell of these updates, where they are not there yet, and links them."""
    mailings, days = gather(db, scope, gathered, now)
    for lane, ids in mail(db, scope, mailings, now).items():
        hints.setdefault(lane, []).extend(ids)
    link_updates(db, scope, days, now)
    return hints


def _decide(
    scope: Scope,
    one: Mailing,
    recipient: Recipient,
    partner: PartnerStanding | None,
    people: Recipients,
    feeds: tuple[FeedState, ...],
    paused: Collection[str],
    untold: Reason | None,
    now: datetime,
) -> Decision:
    entry, campaign = one.entry, one.entry.campaign
    case = case_for(
        campaign,
        scope.program,
        now,
        recipient,
        partner,
        transactional=scope.program.topics[campaign.topic].transactional,
        expires_at=now + campaign.send_within,
        event_age=entry.event_age,
        same_address=entry.by_run and people.same_address(entry.occasion_id, campaign, one.step, recipient),
        topic_paused=campaign.topic in paused,
        feeds=feeds,
        resting=partner is not None and partner.partner_id in people.resting,
        untold=untold,
        not_before=one.not_before,
    )
    return decide(case)


def feeds_asked(campaign: Campaign) -> frozenset[Feed]:
    """The feeds that the campaign's conditions rest on, those of its branches and its roll-out too."""
    only = campaign.only.where if campaign.only else None
    branches = (step.condition for step in every_step(campaign.steps) if isinstance(step, BranchStep))
    return frozenset().union(*(feeds_of(part) for part in (campaign.where, only, campaign.stop_when, *branches)))


def heard_feeds(
    db: Connection, scope: Scope, campaigns: Iterable[Campaign], now: datetime
) -> dict[str, tuple[FeedState, ...]]:
    """The state of the feeds that each campaign's conditions rest on, by campaign's name."""
    wanted = {c.name: feeds_asked(c) for c in campaigns}
    states = {feed: feed_state(db, scope, feed, now) for feed in set().union(*wanted.values())}
    return {name: tuple(states[feed] for feed in sorted(feeds)) for name, feeds in wanted.items()}


def silence(feeds: tuple[FeedState, ...]) -> str:
    """Why what rests on these feeds is held; "" if all of them are heard."""
    if any(not feed.connected for feed in feeds):
        return Reason.FEED_NEVER_CONNECTED
    return Reason.FEED_STALE if any(not feed.fresh for feed in feeds) else ""


def lane_of(campaign: Campaign, step: MailStep, scope: Scope) -> Lane:
    if goes_to_staff(campaign, step):
        return Lane.ALERTS
    return Lane.TRANSACTIONAL if scope.program.topics[campaign.topic].transactional else Lane.BULK


def _decision_row(scope: Scope, one: Mailing, decision: Decision, now: datetime) -> dict[str, Any]:
    return {
        "program_id": scope.program_id,
        "enrollment_id": one.enrollment_id,
        "step": one.step.id,
        "phase": "enroll",
        "decision": decision.kind,
        "reason": decision.reason if isinstance(decision, Defer | Skip) else None,
        "until": decision.until if isinstance(decision, Defer) else None,
        "values": dict(one.entry.values),
        "decided_at": now,
    }


def _delivery_row(
    scope: Scope,
    one: Mailing,
    recipient: Recipient,
    partner_id: int | None,
    text: Text,
    decision: Decision,
    now: datetime,
) -> dict[str, Any]:
    entry, campaign, step = one.entry, one.entry.campaign, one.step
    lane, due_at = lane_of(campaign, step, scope), _due_at(scope, one, decision, now)
    held = is_held_to_caps(scope.program, campaign.topic, lane)
    contest_at = window_end(due_at, scope.program.dispatch_window) if held else None
    # a salesperson may be alerted about several partners on one occasion: each is a delivery of its own
    occasion = f"{entry.key}|{recipient.about}" if recipient.about else entry.key
    return {
        "program_id": scope.program_id,
        "public_id": public_id(scope.program.key, campaign.name, step.id, recipient.key, occasion),
        "campaign": campaign.name,
        "version_id": one.version_id,
        "step": step.id,
        "recipient": recipient.key,
        "occasion": occasion,
        "enrollment_id": one.enrollment_id,
        "partner_id": partner_id,
        "company_id": recipient.company_id,
        "staff_id": recipient.staff_id,
        "address_id": recipient.address_id,
        "template": text.template,
        "topic": campaign.topic,
        "lane": lane,
        "due_at": contest_at or due_at,
        "contest_at": contest_at,
        "held_out": False,
        "expires_at": max(now, one.not_before or now) + campaign.send_within,
        "created_at": now,
    }


def _due_at(scope: Scope, one: Mailing, decision: Decision, now: datetime) -> datetime:
    """When the mail is due; an update of a topic with `collapse` waits for others of its referral."""
    collapses = scope.program.topics[one.entry.campaign.topic].collapse if is_update(one.entry, one.step) else None
    due_at = now + (collapses or timedelta())
    return max(due_at, decision.until) if isinstance(decision, Defer) else due_at
