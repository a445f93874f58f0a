"""What is wrong with an installation, and what to do about it: read off how it stands. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engage.domain.gates import REFUSED, State
from engage.queueing import Lane
from engage.reporting.status import FeedStatus, Problem, ProblemKind, Process, Severity, SourceStatus, Status
from engage.reporting.words import listed, many
from engage.store.topic_pauses import TopicPause

SILENT = timedelta(seconds=45)
"""A heart that has not beaten for so long has missed two beats."""

LATE = timedelta(minutes=5)
"""What goes on after a crash, or waits its turn in a burst, is on its way by then."""

VERY_LATE = timedelta(minutes=30)
"""What has waited for so long needs somebody now."""

RUN_LATE = timedelta(minutes=2)
"""A slot is looked at each second, and its run begun by the next worker that is free."""

_LONG_TASKS = frozenset({"run", "contest", "poll"})  # of thousands of partners, or of a slow database
_OPENED_LONG = 7  # breaks in a row: more than two minutes without a mail

_DELIVERIES, _HELD = "/console/deliveries", "/console/held"
_MACHINERY, _CAMPAIGNS = "/console/machinery", "/console/campaigns"
_RUN_THEM = "see that workers and a scheduler run"
_UP = "engage up"


@dataclass(frozen=True, slots=True)
class MissingEdition:
    """An email that is to go out from `at` on and is not there; `file` is below the templates folder."""

    program: str
    program_id: int
    campaign: str
    file: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PausedCampaign:
    """A campaign that somebody paused without editing its file."""

    program: str
    program_id: int
    campaign: str
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What the files and settings say is wrong. `campaigns`, `sources`: why they could not be read at all, or "".

    `broken`: how many problems lint has with files that are newer than what runs. `hears`: webhooks are believed, so
    that some should have come. `alarmed`: somebody hears of alarms.
    """

    campaigns: str = ""
    sources: str = ""
    broken: int = 0
    editions: Sequence[MissingEdition] = ()
    hears: bool = False
    alarmed: bool = True


@dataclass(frozen=True, slots=True)
class Headline:
    """What somebody who has just been woken reads first. `worst` None: nothing is wrong."""

    worst: Severity | None
    said: str
    more: str


_STOPS_MAIL = {
    ProblemKind.SENDING_PAUSED,
    ProblemKind.PROVIDER_AWAY,
    ProblemKind.NO_WORKER,
    ProblemKind.MAIL_LATE,
}


def headline_of(found: Status) -> Headline:
    """All of it in two sentences."""
    grave = [one for one in found.problems if one.severity is not Severity.NOTE]
    if not grave:
        return Headline(None, "All is well.", "Mail goes out, and nothing waits for anybody.")
    counts = Counter(one.severity for one in grave)
    more = [
        f"{many(counts[severity], 'thing needs', 'things need')} somebody {when}"
        for severity, when in ((Severity.ERROR, "now"), (Severity.WARNING, "today"))
        if counts[severity]
    ]
    if any(one.kind in _STOPS_MAIL for one in grave):
        said = "Mail does not go out."
    else:
        said = "Something is wrong." if counts[Severity.ERROR] else "Mail goes out."
    return Headline(grave[0].severity, said, f"{listed(more)}.")


def problems_of(
    found: Status,
    noted: Noted,
    topics: Sequence[TopicPause],
    campaigns: Sequence[PausedCampaign],
    programs: Mapping[int, str],
) -> tuple[Problem, ...]:
    """All that is wrong, the worst first and of equals the oldest. `topics` and `campaigns` are those that are paused,
    `programs` each one's key by its id.
    """
    problems = [
        *_sending(found),
        *_processes(found.processes, found.at),
        *_files(noted),
        *_sources(found.sources, found.at),
        *_late(found),
        *_schedules(found),
        *_waiting(found),
        *_paused(topics, campaigns, programs),
        *_feeds(found.feeds),
        *_editions(noted.editions),
        *_reporting(found, noted),
    ]
    return tuple(sorted(problems, key=lambda one: (one.severity.rank, one.since or found.at)))


def _sending(found: Status) -> Iterator[Problem]:
    provider, since = found.provider, found.provider.since
    match provider.state:
        case State.PAUSED:
            refused = (provider.reason or "").startswith(REFUSED)
            yield Problem(
                ProblemKind.SENDING_PAUSED,
                Severity.ERROR if refused else Severity.WARNING,
                "sending",
                provider.stands,
                "mend what was wrong, then resume sending" if refused else "resume sending when it may go on",
                since,
                f"{_HELD}#sending",
                "engage sending resume --why TEXT",
            )
        case State.BROKEN:
            lasts = provider.opened >= _OPENED_LONG
            yield Problem(
                ProblemKind.PROVIDER_AWAY,
                Severity.ERROR if lasts else Severity.WARNING,
                "sending",
                provider.stands,
                "it goes on by itself when the provider is back",
                since,
                f"{_MACHINERY}#provider",
                "engage sending",
            )
        case State.RESTING:
            yield Problem(
                ProblemKind.PROVIDER_RESTS,
                Severity.NOTE,
                "sending",
                provider.stands,
                "it goes on by itself",
                since,
                f"{_MACHINERY}#provider",
                "engage sending",
            )
        case State.OPEN:
            pass


def _processes(processes: Sequence[Process], now: datetime) -> Iterator[Problem]:
    path = f"{_MACHINERY}#processes"
    for role, kind, said in (
        ("worker", ProblemKind.NO_WORKER, "no worker runs: no mail goes out"),
        (
            "scheduler",
            ProblemKind.NO_SCHEDULER,
            "no scheduler runs: no schedule starts, nothing lost is found again",
        ),
    ):
        beats = [one.beat_at for one in processes if one.role == role]
        if not any(now - at <= SILENT for at in beats):
            since = max(beats, default=None)
            yield Problem(kind, Severity.ERROR, f"{role}s", said, f"start one: engage {role}", since, path, _UP)
    alive = {one.role for one in processes if now - one.beat_at <= SILENT}
    for process in processes:
        if now - process.beat_at > SILENT and process.role in alive:
            said = "has not been heard of: it is dead, stopped, or cut off from the database"
            advice = "look at its log and start it again; what it held is taken up by others within minutes"
            yield Problem(
                ProblemKind.PROCESS_SILENT, Severity.WARNING, process.name, said, advice, process.beat_at, path
            )
        else:
            yield from _stuck(process, now, path)


def _stuck(process: Process, now: datetime, path: str) -> Iterator[Problem]:
    for task in process.doing:
        longest = VERY_LATE if task.task in _LONG_TASKS else LATE
        if now - task.since > longest and now - process.beat_at <= SILENT:
            said = f"is at one task for long: {task.task} of {many(task.ids, 'id', 'ids')}"
            advice = "look at its log; stop it if it does not go on: its work is taken up by others"
            yield Problem(ProblemKind.WORKER_STUCK, Severity.WARNING, process.name, said, advice, task.since, path)


def _files(noted: Noted) -> Iterator[Problem]:
    broken = ProblemKind.CAMPAIGNS_BROKEN
    if noted.campaigns:
        yield Problem(broken, Severity.ERROR, "campaigns", noted.campaigns, "mend the files", command="engage lint")
    elif noted.broken:
        said = f"{many(noted.broken, 'problem', 'problems')}; what passed last still runs"
        yield Problem(
            broken,
            Severity.WARNING,
            "campaigns and templates",
            said,
            "mend the files",
            path=_CAMPAIGNS,
            command="engage lint",
        )
    if noted.sources:
        yield Problem(
            ProblemKind.SOURCES_UNREADABLE,
            Severity.ERROR,
            "sources",
            noted.sources,
            "mend sources.yaml; what made sense last is watched on",
            command="engage lint",
        )


def _sources(sources: Sequence[SourceStatus], now: datetime) -> Iterator[Problem]:
    for source in sources:
        if (found := _of_source(source)) is None:
            continue
        kind, severity, said, advice = found
        yield Problem(
            kind,
            severity,
            f"source {source.name}",
            said,
            advice,
            now - source.lag if source.lag is not None and kind is not ProblemKind.SOURCE_REJECTS else None,
            f"{_MACHINERY}#sources",
            f"engage sources rejects {source.name}" if kind is ProblemKind.SOURCE_REJECTS else "engage sources",
            source.program_id,
        )


def _of_source(source: SourceStatus) -> tuple[ProblemKind, Severity, str, str] | None:
    if source.state == "held":
        advice = "mend it and drop the files again" if source.kind == "folder" else "mend it; it goes on by itself"
        return ProblemKind.SOURCE_HELD, Severity.ERROR, f"is held: {source.error}", advice
    if source.state == "failing":
        return ProblemKind.SOURCE_FAILING, Severity.WARNING, f"fails: {source.error}", "it is tried again by itself"
    if source.rejected:
        said = many(source.rejected, "rejected row waits", "rejected rows wait")
        return ProblemKind.SOURCE_REJECTS, Severity.NOTE, said, "see why, and mend the rows or the mapping"
    return None


def _late(found: Status) -> Iterator[Problem]:
    """What is due and does not move. What waits its turn behind others does, and nobody is needed."""
    now, open_ = found.at, found.provider.state is State.OPEN
    mails = [queue for queue in found.queues if queue.in_a_minute is not None]
    for queue in mails:
        if open_ and queue.oldest_due is not None and now - queue.oldest_due > LATE:
            said = f"{queue.lane} mail has been due since {queue.oldest_due:%Y-%m-%d %H:%M} UTC"
            if queue.out_a_minute:
                pace = f"{queue.out_a_minute:,.0f} go out a minute, and {many(queue.due, 'is', 'are')} due"
                yield _late_mail(Severity.NOTE, f"{said}: {pace}", "it goes on by itself", queue.oldest_due)
            else:
                yield _late_mail(
                    _how_late(now - queue.oldest_due), f"{said}, and no worker has sent it", _RUN_THEM, queue.oldest_due
                )
    since = found.contest_due
    if open_ and since is not None and now - since > LATE:
        said = f"mail has been due since {since:%Y-%m-%d %H:%M} UTC, and no worker has sent it"
        yield _late_mail(_how_late(now - since), said, _RUN_THEM, since)
    for lane, kind, about, what in (
        (Lane.EVENTS, ProblemKind.EVENTS_LATE, "events", "stored, and no campaign has heard of them"),
        (Lane.FEEDBACK, ProblemKind.FEEDBACK_LATE, "webhooks", "stored, and not read"),
    ):
        queue = found.queue(lane)
        if queue.oldest_due is not None and now - queue.oldest_due > LATE:
            said = f"{many(queue.due, 'is', 'are')} {what}"
            yield Problem(
                kind, _how_late(now - queue.oldest_due), about, said, _RUN_THEM, queue.oldest_due, _MACHINERY, _UP
            )


def _late_mail(severity: Severity, said: str, advice: str, since: datetime) -> Problem:
    path = f"{_MACHINERY}#queues"
    return Problem(ProblemKind.MAIL_LATE, severity, "sending", said, advice, since, path, _UP)


def _how_late(late: timedelta) -> Severity:
    return Severity.ERROR if late > VERY_LATE else Severity.WARNING


def _schedules(found: Status) -> Iterator[Problem]:
    for one in found.schedules:
        at_work = one.last_state == "running"
        if one.lateness > (VERY_LATE if at_work else RUN_LATE):
            since = found.at - one.lateness
            said = "is still being carried out" if at_work else "is due and not carried out"
            advice = "see what the workers do" if at_work else _RUN_THEM
            yield Problem(
                ProblemKind.SCHEDULE_LATE,
                Severity.WARNING if at_work else _how_late(one.lateness),
                f"schedule of {one.program}/{one.campaign}",
                said,
                advice,
                since,
                f"{_MACHINERY}#schedules",
                _UP,
                one.program_id,
            )


def _waiting(found: Status) -> Iterator[Problem]:
    counts = found.counts
    if counts.held_runs or counts.held_bursts:
        said = [many(counts.held_runs, "run", "runs")] * (counts.held_runs > 0)
        said += [many(counts.held_bursts, "burst of status changes", "bursts of status changes")] * (
            counts.held_bursts > 0
        )
        yield Problem(
            ProblemKind.HELD,
            Severity.WARNING,
            "held",
            " and ".join(said),
            "release or drop each",
            path=f"{_HELD}#waiting",
            command="engage held list",
        )
    retrying = sum(queue.retrying for queue in found.queues)
    for kind, number, severity, advice, command in (
        (
            ProblemKind.UNKNOWN,
            counts.unknown,
            Severity.WARNING,
            "they may or may not have been sent; settle or resend them",
            "engage unknown list",
        ),
        (
            ProblemKind.DEAD,
            counts.dead,
            Severity.WARNING,
            "nothing comes of them by itself; retry or drop them",
            "engage dead list",
        ),
        (
            ProblemKind.RETRYING,
            retrying,
            Severity.NOTE,
            "the provider did not take them; they are tried again by themselves",
            "",
        ),
    ):
        if number:
            said_of = f"{many(number, 'is', 'are')} {'retry' if kind is ProblemKind.RETRYING else kind}"
            path = f"{_DELIVERIES}?state={'retry' if kind is ProblemKind.RETRYING else kind}"
            yield Problem(kind, severity, "deliveries", said_of, advice, path=path, command=command)


def _paused(
    topics: Sequence[TopicPause], campaigns: Sequence[PausedCampaign], programs: Mapping[int, str]
) -> Iterator[Problem]:
    for topic in topics:
        yield Problem(
            ProblemKind.TOPIC_PAUSED,
            Severity.WARNING,
            f"topic {topic.topic} of {programs.get(topic.program_id, '?')}",
            topic.stands,
            "resume it when it may go on",
            topic.paused_at,
            f"{_HELD}#topics",
            f"engage sending resume --topic {topic.topic} --why TEXT",
            topic.program_id,
        )
    for one in campaigns:
        yield Problem(
            ProblemKind.CAMPAIGN_PAUSED,
            Severity.NOTE,
            f"campaign {one.campaign} of {one.program}",
            f"is paused: {one.why}",
            "resume it when it may go on",
            one.since,
            f"{_HELD}#campaigns",
            f"engage sending resume --campaign {one.campaign} --why TEXT",
            one.program_id,
        )


def _feeds(feeds: Sequence[FeedStatus]) -> Iterator[Problem]:
    path, command = f"{_MACHINERY}#sources", "engage doctor"
    for program, id_ in {one.program: one.program_id for one in feeds}.items():
        never = [one.feed for one in feeds if one.program == program and one.heard_at is None]
        if never:
            about = f"{'feed' if len(never) == 1 else 'feeds'} {listed(never)} of {program}"
            said = f"{'was' if len(never) == 1 else 'were'} never connected"
            advice = "import them, or campaigns that rest on them stay held"
            yield Problem(
                ProblemKind.FEED_SILENT, Severity.NOTE, about, said, advice, path=path, command=command, program_id=id_
            )
    for feed in feeds:
        if feed.heard_at is not None and not feed.fresh:
            yield Problem(
                ProblemKind.FEED_SILENT,
                Severity.WARNING,
                f"feed {feed.feed} of {feed.program}",
                f"is stale: last heard {feed.heard_at:%Y-%m-%d %H:%M} UTC",
                "see why its source is silent; campaigns that rest on it are held",
                path=path,
                command=command,
                program_id=feed.program_id,
            )


def _editions(editions: Sequence[MissingEdition]) -> Iterator[Problem]:
    for one in editions:
        yield Problem(
            ProblemKind.EDITION_MISSING,
            Severity.WARNING,
            f"edition of {one.program}/{one.campaign}",
            f"is not there and goes out from {one.at:%Y-%m-%d %H:%M} UTC on",
            f"write email_templates/{one.file}",
            path=f"{_CAMPAIGNS}/{one.program}/{one.campaign}",
            program_id=one.program_id,
        )


def _reporting(found: Status, noted: Noted) -> Iterator[Problem]:
    if noted.hears and found.last_webhook is None:
        said = "no webhook has ever come in: bounces, complaints and lost answers stay unseen"
        advice = "set up the provider's event webhook: docs/feedback.md"
        yield Problem(
            ProblemKind.WEBHOOKS_NEVER, Severity.WARNING, "webhooks", said, advice, path=f"{_MACHINERY}#provider"
        )
    if noted.alarmed and found.counts.alarms_unsent:
        said = f"{many(found.counts.alarms_unsent, 'alarm', 'alarms')} could not be sent yet"
        advice = "see that ENGAGE_ALARM_URL is right"
        yield Problem(
            ProblemKind.ALARMS_UNSENT,
            Severity.WARNING,
            "alarms",
            said,
            advice,
            path=_MACHINERY,
            command="engage sending",
        )
