"""Looks at the installation: reads `Status` from the database, given what only the settings and files say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, CampaignState, ScheduleTrigger
from engage.domain.deliveries import DeliveryState
from engage.domain.gates import Gate, State, stands, state_of, tokens_in
from engage.facts import Scope, feed_state
from engage.queueing import Lane
from engage.reporting.problems import problems_of
from engage.reporting.status import (
    MOST,
    RATE_OVER,
    Counts,
    Doing,
    FeedStatus,
    Process,
    ProviderStatus,
    Queue,
    Schedule,
    SourceStatus,
    Status,
)
from engage.reporting.surroundings import Noted
from engage.reporting.waiting import PausedCampaign
from engage.store import loads
from engage.store.alarms import unsent_alarms
from engage.store.campaign_pauses import standing_campaign_pauses
from engage.store.caps import next_contest
from engage.store.feedback import last_webhook
from engage.store.gates import read_gate
from engage.store.holds import held_bursts
from engage.store.runs import held_runs, marks
from engage.store.topic_pauses import standing_pauses
from engage.triggers import next_at

DELIVERING = (Lane.TRANSACTIONAL, Lane.BULK, Lane.ALERTS)
_ERRORS_SHOWN = 20
_RATED = 20_000  # so many of the newest mails say how quickly they come and go


@dataclass(frozen=True, slots=True)
class Known:
    """What the settings and the authored files say. `carrier` and `rate` are the provider's, as its gate names it.

    `noted` is what of it is wrong.
    """

    carrier: str
    rate: float | None
    scopes: Sequence[Scope] = ()
    campaigns: Sequence[Campaign] = ()
    sources: Sequence[SourceStatus] = ()
    noted: Noted = field(default_factory=Noted)


def status(db: Connection, known: Known, now: datetime) -> Status:
    """How it stands at `now`, in one reading transaction."""
    gate, contest = read_gate(db, known.carrier), next_contest(db)
    found = Status(
        at=now,
        problems=(),
        queues=_queues(db, known.sources, contest, now),
        processes=_processes(db),
        schedules=_schedules(db, known, now),
        provider=_provider(db, known, gate, now),
        sources=tuple(known.sources),
        feeds=_feeds(db, known.scopes, now),
        counts=_counts(db, now),
        last_webhook=last_webhook(db),
        contest_due=contest,
    )
    programs = {scope.program_id: scope.program.key for scope in known.scopes}
    problems = problems_of(found, known.noted, standing_pauses(db), _paused(db, programs), programs)
    return replace(found, problems=problems)


def _queues(
    db: Connection, sources: Sequence[SourceStatus], contest: datetime | None, now: datetime
) -> tuple[Queue, ...]:
    since = now - RATE_OVER
    made, done = loads.created_lately(db, since, now, _RATED), loads.settled_lately(db, since, now, _RATED)
    queues = []
    for lane in DELIVERING:
        load = loads.lane_load(db, lane, now, MOST)
        rates = made.in_a_minute(lane), done.in_a_minute(lane)
        queues.append(Queue(lane, load.waiting, load.due, load.oldest_due, load.retrying, *rates))
    events, webhooks = loads.unmatched_events(db, MOST), loads.unabsorbed_webhooks(db, MOST)
    queues.append(Queue(Lane.EVENTS, events.number, events.number, events.oldest))
    queues.append(Queue(Lane.FEEDBACK, webhooks.number, webhooks.number, webhooks.oldest))
    upkeep = [*loads.unfinished(db).values(), *([contest] if contest is not None else [])]
    queues.append(_of_times(Lane.UPKEEP, upkeep, now))
    queues.append(_of_times(Lane.SOURCES, [one.next_at for one in sources if one.next_at is not None], now))
    return tuple(queues)


def _of_times(lane: Lane, times: Sequence[datetime], now: datetime) -> Queue:
    due = [at for at in times if at <= now]
    return Queue(lane, len(times), len(due), min(due, default=None))


def _processes(db: Connection) -> tuple[Process, ...]:
    def doing(found: loads.Beat) -> tuple[Doing, ...]:
        return tuple(Doing(task, ids, datetime.fromisoformat(since)) for task, ids, since in found.doing)

    return tuple(Process(beat.process, beat.role, beat.at, doing(beat)) for beat in loads.all_beats(db))


def _schedules(db: Connection, known: Known, now: datetime) -> tuple[Schedule, ...]:
    scopes = {scope.program.key: scope for scope in known.scopes}
    looked, last, unfinished = marks(db), loads.last_runs(db), loads.unfinished(db)
    found = []
    for campaign in known.campaigns:
        if not isinstance(campaign.trigger, ScheduleTrigger) or campaign.state is not CampaignState.LIVE:
            continue
        scope = scopes[campaign.program]
        key = scope.program_id, campaign.name
        mark, run, begun = looked.get(key), last.get(key), unfinished.get(key)
        until = mark.looked_until if mark is not None and mark.schedule is not None else now
        coming = next_at(campaign.trigger, scope.program.zone, until)
        due = [at for at in (coming, begun) if at is not None and at <= now]
        found.append(
            Schedule(
                program=campaign.program,
                program_id=scope.program_id,
                campaign=campaign.name,
                last_slot=run.slot if run else None,
                last_at=run.at if run else None,
                last_state=run.state if run else None,
                matched=run.matched if run else None,
                next_at=coming,
                lateness=max((now - at for at in due), default=timedelta(0)),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.next_at or now, one.program, one.campaign)))


def _provider(db: Connection, known: Known, gate: Gate, now: datetime) -> ProviderStatus:
    state = state_of(gate, now)
    paused, rate = state is State.PAUSED, known.rate
    return ProviderStatus(
        name=known.carrier,
        state=state,
        stands=stands(gate, now),
        reason=gate.paused_why if paused else gate.reason if state is not State.OPEN else None,
        since=gate.paused_at,
        until=gate.shut_until if state in (State.BROKEN, State.RESTING) else None,
        failures=gate.failures,
        opened=gate.opened,
        rate=rate,
        budget=None if rate is None else tokens_in(gate, rate, now),
        errors=tuple(loads.last_failures(db, _ERRORS_SHOWN)),
    )


def _paused(db: Connection, programs: Mapping[int, str]) -> list[PausedCampaign]:
    return [
        PausedCampaign(programs[one.program_id], one.program_id, one.campaign, one.paused_at, one.why)
        for one in standing_campaign_pauses(db)
        if one.program_id in programs
    ]


def _feeds(db: Connection, scopes: Sequence[Scope], now: datetime) -> tuple[FeedStatus, ...]:
    found = []
    for scope in scopes:
        for feed in scope.program.feeds:
            state = feed_state(db, scope, feed, now)
            found.append(FeedStatus(scope.program.key, scope.program_id, feed, state.last_heard, state.fresh))
    return tuple(found)


def _counts(db: Connection, now: datetime) -> Counts:
    return Counts(
        unknown=loads.outstanding(db, DeliveryState.UNKNOWN, MOST),
        dead=loads.outstanding(db, DeliveryState.DEAD, MOST),
        held_runs=len(held_runs(db)),
        held_bursts=len(held_bursts(db)),
        in_hands=loads.in_hands(db, MOST),
        alarms_unsent=unsent_alarms(db, now),
    )
