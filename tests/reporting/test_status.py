"""How the installation stands: each thing that can be wrong is said, the worst first, with what to do."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.deliveries import DeliveryState
from engage.domain.gates import State
from engage.domain.messages import Outcome, SendResult
from engage.queueing import Lane
from engage.reporting.headline import headline_of
from engage.reporting.status import MOST, Problem, ProblemKind, Schedule, Severity
from engage.store.campaign_pauses import begin_pause
from engage.store.tables import attempts, deliveries, events, heartbeats, runs, webhooks
from engage.store.topic_pauses import pause_topic
from engage.store.upkeep import AtWork
from tests.support.engage import Engage
from tests.support.many_mails import Mails

MINUTE = timedelta(minutes=1)
AWAY = SendResult(Outcome.RETRY, detail="connection refused")
REFUSED = SendResult(Outcome.RETRY, status=401, detail="401 authorization required", auth_failed=True)


@pytest.fixture
def running(engage: Engage) -> Engage:
    """Processes run, and nothing else is wrong but that no feed was ever connected."""
    engage.services.open_runs()
    beats(engage)
    return engage


def beats(engage: Engage, *doing: AtWork) -> None:
    engage.services.beat("worker@a:1", "worker", doing)
    engage.services.beat("scheduler@a:2", "scheduler")


def wrong(engage: Engage) -> dict[ProblemKind, Problem]:
    return {one.kind: one for one in engage.services.status().problems if one.kind is not ProblemKind.FEED_SILENT}


def mails(engage: Engage) -> Mails:
    return Mails(engage.services.database, engage.program)


def test_nothing_is_wrong_where_all_runs(running: Engage) -> None:
    assert wrong(running) == {}
    found = running.services.status()
    assert headline_of(found).said == "All is well."
    assert [one.kind for one in found.problems] == [ProblemKind.FEED_SILENT], "it was never connected: a note"


def test_without_processes_nothing_goes_out(engage: Engage) -> None:
    found = wrong(engage)
    assert {ProblemKind.NO_WORKER, ProblemKind.NO_SCHEDULER} == found.keys()
    assert found[ProblemKind.NO_WORKER].severity is Severity.ERROR
    assert headline_of(engage.services.status()).said == "Mail does not go out."


def test_a_process_that_falls_silent_is_named_before_it_is_forgotten(running: Engage) -> None:
    running.services.beat("worker@b:9", "worker")
    running.now += timedelta(seconds=46)
    beats(running)
    silent = wrong(running)[ProblemKind.PROCESS_SILENT]
    assert (silent.about, silent.severity) == ("worker@b:9", Severity.WARNING)
    running.now += 2 * MINUTE
    running.services.sweep()
    assert ProblemKind.NO_WORKER in wrong(running), "the last ones are silent, too"


def test_what_workers_are_at_is_told_and_what_takes_too_long(running: Engage) -> None:
    beats(running, AtWork("deliver", 3, running.now - 4 * MINUTE), AtWork("run", 1, running.now - 20 * MINUTE))
    [worker] = [one for one in running.services.status().processes if one.role == "worker"]
    assert [(one.task, one.ids) for one in worker.doing] == [("deliver", 3), ("run", 1)]
    assert wrong(running) == {}
    beats(running, AtWork("deliver", 3, running.now - 6 * MINUTE))
    assert "deliver of 3 ids" in wrong(running)[ProblemKind.WORKER_STUCK].said


def test_a_provider_that_is_away_is_said_at_once_and_is_worse_when_it_stays_away(running: Engage) -> None:
    gate, database = running.services.gate, running.services.database

    def fails(times: int) -> Problem:
        for _ in range(times):
            with database.write() as db:
                gate.note(db, gate.passage(db, running.now), [AWAY], running.now)
            running.now += MINUTE
            beats(running)
        return wrong(running)[ProblemKind.PROVIDER_AWAY]

    assert fails(5).severity is Severity.WARNING
    assert running.services.status().provider.state is State.BROKEN
    assert fails(8).severity is Severity.ERROR
    assert "connection refused" in fails(1).said


def test_refused_credentials_are_an_error_and_an_operators_pause_is_not(running: Engage) -> None:
    gate, database = running.services.gate, running.services.database
    with database.write() as db:
        gate.pause(db, "a wrong price", running.now)
    paused = wrong(running)[ProblemKind.SENDING_PAUSED]
    assert (paused.severity, paused.since) == (Severity.WARNING, running.now)
    with database.write() as db:
        gate.resume(db, "mended", running.now)
        gate.note(db, gate.passage(db, running.now), [REFUSED], running.now)
    refused = wrong(running)[ProblemKind.SENDING_PAUSED]
    assert (refused.severity, refused.command) == (Severity.ERROR, "engage sending resume --why TEXT")
    assert "401 authorization required" in refused.said


def test_mail_that_is_due_and_does_not_move_is_late(running: Engage) -> None:
    many = mails(running)
    many.add(3, created_at=running.now - 10 * MINUTE, lane=Lane.TRANSACTIONAL)
    late = wrong(running)[ProblemKind.MAIL_LATE]
    assert (late.severity, late.since) == (Severity.WARNING, running.now - 10 * MINUTE)
    many.add(5, running.now - MINUTE, lane=Lane.TRANSACTIONAL, state="accepted", settled_at=running.now - MINUTE)
    assert wrong(running)[ProblemKind.MAIL_LATE].severity is Severity.NOTE, "it waits its turn: others go out"
    queue = running.services.status().queue(Lane.TRANSACTIONAL)
    assert (queue.waiting, queue.due, queue.out_a_minute, queue.in_a_minute) == (3, 3, 1.0, 1.0)
    with running.services.database.write() as db:
        db.execute(sa.update(deliveries).values(settled_at=running.now - 60 * MINUTE))
        db.execute(
            sa.update(deliveries).where(deliveries.c.state == "pending").values(due_at=running.now - 40 * MINUTE)
        )
    assert wrong(running)[ProblemKind.MAIL_LATE].severity is Severity.ERROR
    with running.services.database.write() as db:
        running.services.gate.pause(db, "a wrong price", running.now)
    assert wrong(running).keys() == {ProblemKind.SENDING_PAUSED}, "what keeps it back is said instead"


def test_what_competes_or_is_due_later_is_not_late(running: Engage) -> None:
    many, later = mails(running), running.now + 60 * MINUTE
    many.add(2, created_at=running.now - 10 * MINUTE, contest_at=later)
    many.add(2, created_at=running.now - 10 * MINUTE, due_at=later)
    assert wrong(running) == {}
    queue = running.services.status().queue(Lane.BULK)
    assert (queue.waiting, queue.due, queue.oldest_due) == (4, 0, None)


def test_deliveries_that_wait_for_somebody_are_counted(running: Engage) -> None:
    many, at = mails(running), running.now - MINUTE
    ids = many.add(2, at, state=DeliveryState.DEAD, settled_at=at)
    many.add(1, at, state=DeliveryState.UNKNOWN, settled_at=at)
    many.add(4, at, state=DeliveryState.RETRY, due_at=running.now + MINUTE)
    many.add(1, at, state=DeliveryState.SENDING, lease="x", lease_until=running.now + MINUTE)
    with running.services.database.write() as db:
        tried = {"program_id": many.program_id, "delivery_id": ids[0], "number": 1, "lease": "x", "subject": "s"}
        answered = {"started_at": at, "finished_at": at, "outcome": "dead", "status": 550, "detail": "no such user"}
        db.execute(sa.insert(attempts), tried | answered)
    found = wrong(running)
    assert [found[kind].said for kind in (ProblemKind.DEAD, ProblemKind.UNKNOWN, ProblemKind.RETRYING)] == [
        "2 are dead",
        "1 is unknown",
        "4 are retry",
    ]
    status = running.services.status()
    assert (status.counts.dead, status.counts.unknown, status.counts.in_hands) == (2, 1, 1)
    [error] = status.provider.errors
    assert (error.delivery_id, error.outcome, error.detail) == (ids[0], "dead", "no such user")


def test_more_than_can_matter_is_not_counted_on(running: Engage) -> None:
    at = running.now - MINUTE
    mails(running).add(MOST + 1, at, state=DeliveryState.DEAD, settled_at=at)
    assert wrong(running)[ProblemKind.DEAD].said == "10,000+ are dead"


def test_events_and_webhooks_that_nobody_takes_are_late(running: Engage) -> None:
    running.partner()
    running.refers("ann", "acme")
    running.becomes("ann", "acme", "won")
    with running.services.database.write() as db:
        ago = running.now - 6 * MINUTE
        db.execute(sa.update(events).where(events.c.unmatched).values(observed_at=ago))
        db.execute(sa.insert(webhooks), {"provider": "sendgrid", "received_at": ago, "body": "[]"})
    found = wrong(running)
    assert {ProblemKind.EVENTS_LATE, ProblemKind.FEEDBACK_LATE} <= found.keys()
    assert running.services.status().queue(Lane.EVENTS).oldest_due == ago


def test_a_schedule_tells_its_last_and_next_run_and_how_late_it_is(running: Engage) -> None:
    def newsletter() -> Schedule:
        [found] = [one for one in running.services.status().schedules if one.campaign == "monthly-newsletter"]
        return found

    found = newsletter()
    assert found.next_at is not None
    assert (found.last_slot, found.lateness) == (None, timedelta(0))
    running.now = found.next_at + 3 * MINUTE
    beats(running)
    assert newsletter().lateness == 3 * MINUTE, "nobody has opened its run"
    assert wrong(running)[ProblemKind.SCHEDULE_LATE].about.endswith("/monthly-newsletter")
    running.services.open_runs()
    assert newsletter().last_state == "open"
    running.work()
    after = newsletter()
    assert (after.last_state, after.lateness) == ("done", timedelta(0))
    assert after.next_at is not None
    assert after.next_at > running.now


def test_held_runs_paused_topics_and_campaigns_are_told(running: Engage) -> None:
    many = mails(running)
    with running.services.database.write() as db:
        held = {"program_id": many.program_id, "campaign": "monthly", "version_id": many.version_id, "state": "held"}
        db.execute(sa.insert(runs), held | {"slot": "2026-03-02T09:00", "as_of": running.now, "reason": "feed_stale"})
        pause_topic(db, many.program_id, "tips", "3 complaints about 900 mails", running.now)
        begin_pause(db, many.program_id, "monthly", "a wrong price", running.now)
    found = wrong(running)
    assert found[ProblemKind.HELD].said == "1 run"
    assert "3 complaints" in found[ProblemKind.TOPIC_PAUSED].said
    assert "a wrong price" in found[ProblemKind.CAMPAIGN_PAUSED].said
    assert headline_of(running.services.status()).said == "Mail goes out."


def test_the_worst_comes_first_and_of_equals_the_oldest(engage: Engage) -> None:
    many, at = mails(engage), engage.now - 40 * MINUTE
    many.add(1, at, state=DeliveryState.DEAD, settled_at=at)
    many.add(1, at)
    ranks = [one.severity.rank for one in engage.services.status().problems]
    assert ranks == sorted(ranks)
    assert engage.services.status().problems[0].kind is ProblemKind.MAIL_LATE


def test_who_is_let_into_other_programs_reads_no_names_of_this_one(running: Engage) -> None:
    many = mails(running)
    with running.services.database.write() as db:
        pause_topic(db, many.program_id, "tips", "complaints", running.now)
    whole = running.services.status()
    theirs = whole.of_programs([many.program_id + 1])
    assert whole.schedules
    assert whole.feeds
    assert (theirs.schedules, theirs.feeds, theirs.sources) == ((), (), ())
    assert ProblemKind.TOPIC_PAUSED not in {one.kind for one in theirs.problems}
    assert whole.of_programs([many.program_id]) == whole


def test_files_that_cannot_be_read_do_not_hide_the_rest(running: Engage) -> None:
    file = running.services.settings.campaigns_dir / "program.yaml"
    file.write_text(file.read_text() + "\nnonsense: 1\n")
    running.now += MINUTE
    beats(running)
    assert "what passed last still runs" in wrong(running)[ProblemKind.CAMPAIGNS_BROKEN].said


def test_a_beat_of_a_version_that_told_nothing_is_understood(running: Engage) -> None:
    with running.services.database.write() as db:
        old: dict[str, object] = {"process": "worker@old:1", "role": "worker", "beat_at": running.now}
        db.execute(sa.insert(heartbeats), old)
    [found] = [one for one in running.services.status().processes if one.name == "worker@old:1"]
    assert found.doing == ()
