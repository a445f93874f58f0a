"""Turns events into occasions of campaigns, and enrolls the partner that each concerns."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

import structlog
from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, EventKind
from engage.domain.facts import Subject
from engage.domain.keys import help_key, noted_key, reward_key, status_key
from engage.facts import Scope, Value, audience
from engage.logs import IDS_SHOWN
from engage.pipeline.enroll import enroll
from engage.pipeline.entries import Entry, Hints
from engage.pipeline.library import Library
from engage.pipeline.rollout import Who, admitted
from engage.pipeline.updates import lock, take_back
from engage.store.enrollments import ensure_occasions
from engage.store.events import HistoryEvent, take_unmatched
from engage.triggers import concerned

log = structlog.get_logger(__name__)

Candidate = tuple[HistoryEvent, Campaign]
Meeting = tuple[HistoryEvent, Campaign, dict[str, Value]]


def match_events(db: Connection, library: Library, event_ids: Collection[int], now: datetime) -> Hints:
    """Matches those of the events that wait for it; returns the deliveries that came of them, by lane.

    Asked twice for the same events, the second time does nothing.
    """
    by_program: dict[int, list[HistoryEvent]] = {}
    for event in take_unmatched(db, event_ids):
        by_program.setdefault(event.program_id, []).append(event)
    hints: Hints = {}
    for program_id, events in sorted(by_program.items()):  # all workers take locks in one order
        scope = library.scope(program_id)
        if scope is not None:
            for lane, ids in _match(db, library, scope, events, now).items():
                hints.setdefault(lane, []).extend(ids)
    return hints


def _match(db: Connection, library: Library, scope: Scope, events: list[HistoryEvent], now: datetime) -> Hints:
    lock(db, scope.program, events)
    hints = _enter(db, library, scope, events, now)
    take_back(db, scope, events, now)
    return hints


def _enter(db: Connection, library: Library, scope: Scope, events: list[HistoryEvent], now: datetime) -> Hints:
    campaigns = library.on_events(scope.program.key)
    candidates = [(e, c) for e in events for c in concerned(campaigns, e.kind, e.to_status)]
    found = list(entering_now(db, scope, meeting_condition(db, scope, candidates, now), now))
    if not found:
        return {}
    occasions = ensure_occasions(
        db,
        [
            {
                "program_id": scope.program_id,
                "campaign": campaign.name,
                "version_id": library.version_of(campaign),
                "key": event_key(event),
                "event_id": event.id,
                "run_id": None,
                "occurred_at": event.occurred_at,
            }
            for event, campaign, _ in found
        ],
    )
    entries = [
        Entry(
            occasion_id=occasions[campaign.name, event_key(event)].id,
            campaign=campaign,
            key=event_key(event),
            partner_id=event.partner_id,
            by_run=False,
            referral_id=event.referral_id,
            reward_id=event.reward_id,
            event_age=news_age(event, now),
            values=values,
        )
        for event, campaign, values in found
    ]
    hints = enroll(db, scope, library.version_names(scope.program.key), entries, now)
    log.info(
        "matched",
        events=sorted({event.id for event, _, _ in found})[:IDS_SHOWN],
        campaigns=sorted({campaign.name for _, campaign, _ in found}),
        deliveries=sorted(id_ for ids in hints.values() for id_ in ids)[:IDS_SHOWN],
    )
    return hints


def news_age(event: HistoryEvent, now: datetime) -> timedelta:
    """How old the event was when engage learned of it; one that an operator has released, how old it is now."""
    return (event.observed_at if event.held_id is None else now) - event.occurred_at


def meeting_condition(
    db: Connection, scope: Scope, candidates: Iterable[Candidate], now: datetime
) -> Iterator[Meeting]:
    """Those whose campaign has no `where`, or whose subject meets it as of `now`, with the values of its facts.

    One statement a campaign.
    """
    by_campaign: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_campaign.setdefault(candidate[1].name, []).append(candidate)
    for found in by_campaign.values():
        campaign = found[0][1]
        if campaign.where is None:
            yield from ((event, campaign, {}) for event, _ in found)
            continue
        subjects = [(event, subject_id(campaign.subject, event)) for event, _ in found]
        ids = {id_ for _, id_ in subjects if id_ is not None}
        members = audience(scope, campaign.subject, campaign.where, now, ids=ids).rows(db)
        met = {member.subject_id: member.values for member in members}
        yield from ((event, campaign, met[id_]) for event, id_ in subjects if id_ in met)


def entering_now(db: Connection, scope: Scope, found: Iterable[Meeting], now: datetime) -> Iterator[Meeting]:
    """Those of these who meet the condition whom the campaign's `only` lets in. No statement where there is none."""
    by_campaign: dict[str, list[tuple[Meeting, Who]]] = {}
    for one in found:
        event, campaign, _ = one
        who = (event.partner_id, subject_id(campaign.subject, event) or 0)
        by_campaign.setdefault(campaign.name, []).append((one, who))
    for those in by_campaign.values():
        campaign = those[0][0][1]
        let_in = admitted(db, scope, campaign, [who for _, who in those], now)
        yield from (one for one, who in those if who in let_in)


def subject_id(subject: Subject, event: HistoryEvent) -> int | None:
    """The id of what the campaign is `for`, out of the event."""
    ids = {Subject.PARTNER: event.partner_id, Subject.REFERRAL: event.referral_id, Subject.REWARD: event.reward_id}
    return ids.get(subject)


def event_key(event: HistoryEvent) -> str:
    """The key of the occasion that an event is: see domain.keys."""
    match EventKind(event.kind):
        case EventKind.STATUS_CHANGED:
            return status_key(str(event.referral), int(event.sequence or 0))
        case EventKind.HELP_WANTED:
            return help_key(str(event.referral), event.occurred_at)
        case EventKind.NOTED:
            return noted_key(str(event.referral))
        case EventKind.REWARD_EARNED | EventKind.REWARD_PAID | EventKind.REWARD_REVERSED:
            return reward_key(str(event.reward), event.kind.removeprefix("reward."))
        case EventKind.LOGGED_IN | EventKind.REGISTERED | EventKind.CODE_WANTED | EventKind.LINK_WANTED:
            return f"{event.kind}:{event.occurred_at.isoformat()}"
