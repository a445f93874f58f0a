"""How the installation stands: one frozen value that the console, `engage status` and the metrics all show.

Nothing in it costs more as history grows: `engage.reporting.looking` reads it. What is counted is counted up to MOST,
so that a number of MOST stands for "so many or more". Instants are aware UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from engage.domain.gates import State
from engage.queueing import Lane
from engage.store.loads import Failure

MOST = 10_000
"""As far as is counted: who has more of something to look at needs no exact number."""


class Severity(StrEnum):
    """How bad a problem is, the worst first."""

    ERROR = "error"  # mail does not go out, or what happens does not come in: somebody is needed now
    WARNING = "warning"  # part of it waits, or will: somebody is needed today
    NOTE = "note"  # it mends itself, or somebody wanted it so

    @property
    def rank(self) -> int:
        return tuple(Severity).index(self)


class ProblemKind(StrEnum):
    """What can be wrong, as one word for metrics, alerts and scripts."""

    SENDING_PAUSED = "sending_paused"  # by an operator, or because our credentials were refused
    PROVIDER_AWAY = "provider_away"  # the breaker is open
    PROVIDER_RESTS = "provider_rests"  # it asked to be left alone for a while
    TOPIC_PAUSED = "topic_paused"
    CAMPAIGN_PAUSED = "campaign_paused"
    NO_WORKER = "no_worker"
    NO_SCHEDULER = "no_scheduler"
    REDIS_AWAY = "redis_away"  # it wakes workers, and does not answer
    PROCESS_SILENT = "process_silent"  # its heart has not beaten for SILENT
    WORKER_STUCK = "worker_stuck"  # at one task for longer than any should take
    MAIL_LATE = "mail_late"  # due and not sent
    EVENTS_LATE = "events_late"  # stored and not matched with campaigns
    FEEDBACK_LATE = "feedback_late"  # webhooks stored and not absorbed
    SCHEDULE_LATE = "schedule_late"  # a slot has come and its run has not been carried out
    SOURCE_HELD = "source_held"
    SOURCE_FAILING = "source_failing"
    SOURCE_REJECTS = "source_rejects"
    SOURCES_UNREADABLE = "sources_unreadable"
    CAMPAIGNS_BROKEN = "campaigns_broken"  # files that do not pass lint
    FEED_SILENT = "feed_silent"  # stale, or never connected
    EDITION_MISSING = "edition_missing"
    HELD = "held"  # runs and bursts that wait for an operator
    UNKNOWN = "unknown"  # deliveries that may or may not have been sent
    DEAD = "dead"  # deliveries of which nothing comes by itself
    RETRYING = "retrying"  # deliveries that the provider did not take
    WEBHOOKS_NEVER = "webhooks_never"  # the provider has never reported anything
    ALARMS_UNSENT = "alarms_unsent"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `about` it `said` is so; `advice` is what to do.

    `path` is the page of the console that helps, `command` what helps in a terminal. `program_id` None: it concerns the
    installation as a whole.
    """

    kind: ProblemKind
    severity: Severity
    about: str
    said: str
    advice: str = ""
    since: datetime | None = None
    path: str = ""
    command: str = ""
    program_id: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits in one lane, in the database: hints in Redis are not counted.

    Of lanes that deliver, mails; of `events` events to be matched, of `feedback` webhooks to be absorbed, of `upkeep`
    runs to be carried out, of `sources` sources to be polled. `waiting` are all, up to MOST, with those whose time has
    not come; `due` those that a worker should take now; `retrying` those that the provider did not take. `in_a_minute`
    and `out_a_minute` are rates over RATE_OVER; None: not counted for this lane.
    """

    lane: Lane
    waiting: int
    due: int
    oldest_due: datetime | None
    retrying: int = 0
    in_a_minute: float | None = None
    out_a_minute: float | None = None


@dataclass(frozen=True, slots=True)
class Doing:
    """What one thread of a worker is at: `ids` is how many of them it was handed."""

    task: str
    ids: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Process:
    """A process that beats. `role`: worker, scheduler. One that ended in order is gone; see SILENT_AFTER for others."""

    name: str
    role: str
    beat_at: datetime
    doing: tuple[Doing, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A live campaign on a schedule. `lateness`: how long a slot has been due that is not carried out; 0 mostly.

    `last_slot`, `last_at`, `last_state`: its latest run: which slot, when it was begun, and its state (store.runs).
    `next_at`: when the next slot comes that nobody has looked at; in the past when the scheduler is late.
    """

    program: str
    program_id: int
    campaign: str
    last_slot: str | None
    last_at: datetime | None
    last_state: str | None
    matched: int | None
    next_at: datetime | None
    lateness: timedelta


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The provider's gate. `name` is the carrier, such as `sendgrid api.sendgrid.com`; `rate` in messages a second.

    `stands` says it in words, as said of "sending". `failures` counts those in a row, `opened` how often in a row the
    breaker opened without a success in between.

    `budget`: how many messages of the rate are free just now, at most `rate`; None without a rate. `reason` says why it
    is not open, `until` when it is tried again.
    """

    name: str
    state: State
    stands: str
    reason: str | None
    since: datetime | None
    until: datetime | None
    failures: int
    opened: int
    rate: float | None
    budget: float | None
    errors: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A watched source. `state`: waiting, new, ok, failing or held. `lag`: since the last poll that succeeded began."""

    name: str
    kind: str
    program: str
    program_id: int
    state: str
    lag: timedelta | None
    error: str | None
    rejected: int
    tried_at: datetime | None
    next_at: datetime | None
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed that facts rest on. `heard_at` None: it was never connected."""

    program: str
    program_id: int
    feed: str
    heard_at: datetime | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many wait for somebody, each up to MOST. `in_hands`: claimed or sending now."""

    unknown: int
    dead: int
    held_runs: int
    held_bursts: int
    in_hands: int
    alarms_unsent: int


@dataclass(frozen=True, slots=True)
class Status:
    """How all of it stands at `at`. `problems`: the worst first, and of equals the oldest.

    `contest_due`: when the next contest for room under frequency caps is due, or was if it still waits.
    """

    at: datetime
    problems: tuple[Problem, ...]
    queues: tuple[Queue, ...]
    processes: tuple[Process, ...]
    schedules: tuple[Schedule, ...]
    provider: ProviderStatus
    sources: tuple[SourceStatus, ...]
    feeds: tuple[FeedStatus, ...]
    counts: Counts
    last_webhook: datetime | None
    contest_due: datetime | None

    @property
    def worst(self) -> Severity | None:
        """None: nothing is wrong."""
        return self.problems[0].severity if self.problems else None

    def queue(self, lane: Lane) -> Queue:
        return next(queue for queue in self.queues if queue.lane is lane)

    def of_programs(self, program_ids: Iterable[int]) -> "Status":
        """What somebody may see who is let into these programs only: counts of the whole stay, names do not."""
        mine = frozenset(program_ids)
        return replace(
            self,
            problems=tuple(one for one in self.problems if one.program_id is None or one.program_id in mine),
            schedules=tuple(one for one in self.schedules if one.program_id in mine),
            sources=tuple(one for one in self.sources if one.program_id in mine),
            feeds=tuple(one for one in self.feeds if one.program_id in mine),
            provider=replace(
                self.provider, errors=tuple(one for one in self.provider.errors if one.program_id in mine)
            ),
        )


RATE_OVER = timedelta(minutes=5)
"""The time over which rates are reckoned."""
