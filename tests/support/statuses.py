"""How an installation may stand: a bad night, with something in every part."""

from datetime import UTC, datetime, timedelta

from engage.domain.gates import State
from engage.queueing import Lane
from engage.reporting.status import (
    Counts,
    Doing,
    FeedStatus,
    Problem,
    ProblemKind,
    Process,
    ProviderStatus,
    Queue,
    Schedule,
    Severity,
    SourceStatus,
    Status,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def a_status() -> Status:
    return Status(
        at=NOW,
        problems=(Problem(ProblemKind.PROVIDER_AWAY, Severity.ERROR, "sendgrid", "does not take mail"),),
        queues=tuple(
            Queue(lane, 12, 3, NOW - timedelta(minutes=2), in_a_minute=6.0, out_a_minute=4.5) for lane in Lane
        ),
        processes=(
            Process("worker@a:1", "worker", NOW - timedelta(seconds=4), (Doing("deliver", 64, NOW - timedelta(0, 9)),)),
            Process("worker@b:2", "worker", NOW - timedelta(seconds=70), ()),
        ),
        schedules=(
            Schedule("main", 1, "welcome", None, None, None, None, NOW - timedelta(0, 30), timedelta(seconds=30)),
        ),
        provider=ProviderStatus(
            "sendgrid", State.BROKEN, "waits", "503", NOW, NOW + timedelta(0, 30), 7, 1, 50.0, 12.5, ()
        ),
        sources=(SourceStatus("crm", "sql", "main", 1, "ok", timedelta(seconds=61), None, 2, None, None),),
        feeds=(FeedStatus("main", 1, "logins", None, False),),
        counts=Counts(4, 5, 1, 2, 6, 0),
        last_webhook=NOW - timedelta(hours=1),
        contest_due=None,
    )
