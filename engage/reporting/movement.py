"""What does not move though it should: the provider, the processes, and what is due. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from engage.domain.gates import REFUSED, State
from engage.queueing import Lane
from engage.reporting.status import Problem, ProblemKind, Process, Severity, Status
from engage.reporting.words import many

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

_MACHINERY = "/console/machinery"
_RUN_THEM = "see that workers and a scheduler run"
_UP = "engage up"


def movement_of(found: Status) -> Iterator[Problem]:
    yield from _sending(found)
    yield from _processes(found.processes, found.at)
    yield from _late(found)
    yield from _schedules(found)


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
                "/console/held#sending",
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
            yield Problem(
                kind,
                Severity.ERROR,
                f"{role}s",
                said,
                "start one (engage up starts all)",
                since,
                path,
                f"engage {role}",
            )
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
