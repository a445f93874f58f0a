"""Disks that are full: the database's, and the journal's. And a database that is away between a 202 and its commit."""

import signal
import sqlite3
import time
from contextlib import closing

import sqlalchemy as sa

from engage.domain.deliveries import DeliveryState
from tests.faults.processes import Member
from tests.faults.settling import settle_by_webhooks
from tests.faults.stage import Measured, Stage, Where, stage

FILLS = 3
_DATABASE_MB = {"sqlite": 24, "postgres": 160}
_JOURNAL_MB = 1
_FULL_SECONDS = 4.0
_SENDING = 100  # mails that are on their way when a disk runs full
_AGAIN_WITHIN = 60.0
_PAUSE = 0.05


def database(where: Where, database: str) -> Measured:
    """The database's disk runs full under load, and is freed: nothing was taken or sent that is not stored."""
    fills = where.scaled(FILLS)
    with stage(where, database, durable=True, small_disk=_DATABASE_MB[database]) as on:
        on.has_partners(50)
        on.mailbox.post("/mailbox/faults", {"delay_before": _PAUSE, "times": 1_000_000})
        shared = on.feed()
        on.crew.worker()
        on.crew.worker()
        on.crew.scheduler()
        on.crew.feeder(shared)
        seconds = []
        for _ in range(fills):
            shared.allowed.value = shared.taken.value + 4 * _SENDING
            before = on.mails()
            on.wait_for(lambda before=before: on.mails() >= before + 20, "no load")  # type: ignore[misc]
            on.database_disk.fill()
            on.wait_for(lambda: _is_full(on), "the disk did not run full")
            time.sleep(_FULL_SECONDS)
            on.database_disk.free()
            _supervise(on)
            seconds.append(on.wait_for(lambda: _can_write(on), "the database takes nothing any more", _AGAIN_WITHIN))
            taken, mails = shared.taken.value, on.mails()
            on.wait_for(
                lambda taken=taken, mails=mails: shared.taken.value > taken or on.mails() > mails,  # type: ignore[misc]
                "engage did not go on by itself",
                _AGAIN_WITHIN,
            )
        on.mailbox.delete("/mailbox/faults")
        on.fed(shared)
        on.settle()
        on.wait_for(lambda: not _journalled(on), "the journal is not replayed")
        found = on.ledger()
        settled = settle_by_webhooks(on)
    counted = f"{fills} times full; {found.counted()}; {settled.said}"
    figures = {"fills": fills, **settled.figures, **found.figures()}
    return Measured(counted, [*found.breaches, *settled.breaches], figures)


def journal(where: Where, database: str) -> Measured:
    """The journal's disk is full: nothing is sent that could not be recorded. It is freed: all of it goes."""
    with stage(where, database, small_journal=_JOURNAL_MB) as on:
        on.has_partners(20)
        on.journal_disk.fill()
        on.takes(_SENDING)
        on.crew.scheduler()
        on.crew.worker()
        time.sleep(_FULL_SECONDS)
        sent_while_full = on.mails()
        said = "the journal" in on.said("worker")
        on.journal_disk.free()
        on.settle()
        found = on.ledger()
    breaches = [f"{sent_while_full} mails went out that could not have been recorded"] if sent_while_full else []
    if not said:
        breaches.append("no log says that it is the journal's disk")
    if found.states[DeliveryState.ACCEPTED] != _SENDING:
        breaches.append("not all of it was sent once there was room again")
    counted = f"nothing sent while full, all of it afterwards; {found.counted()}"
    return Measured(counted, [*breaches, *found.breaches], {"sent_while_full": sent_while_full, **found.figures()})


def away(where: Where, database: str) -> Measured:
    """The database goes between the 202 and the commit, the worker dies; both come back: accepted, not unknown.

    The journal's disk is full meanwhile: it writes where it has made room before.
    """
    rounds = where.scaled(5, 2)
    journalled = 0
    with stage(where, database, durable=True, small_disk=_DATABASE_MB[database], small_journal=_JOURNAL_MB) as on:
        on.has_partners(20)
        for _ in range(rounds):
            journalled += _accepted_while_away(on)
        on.crew.scheduler()
        on.crew.worker()
        on.settle()
        found = on.ledger()
    unknown = found.states[DeliveryState.UNKNOWN]
    breaches = [f"{unknown} are unknown that were in the journal"] if unknown else []
    counted = f"{rounds} times away and killed, {journalled} or more mails journalled; {found.counted()}"
    return Measured(counted, [*found.breaches, *breaches], {"rounds": rounds, **found.figures()})


def _accepted_while_away(on: Stage) -> int:
    """One round; returns how many mails were in the journal by the time at which the worker was killed."""
    worker = _answered_without_database(on)
    worker.signal(signal.SIGCONT)
    on.wait_for(lambda: _journalled(on), "nothing is journalled")
    on.crew.kill(worker)
    journalled = _journalled(on)
    on.journal_disk.free()
    _bring_back(on)
    successor = on.crew.worker()
    on.wait_for(lambda: not _journalled(on), "the journal is not replayed")
    on.crew.kill(successor)
    return journalled


def _answered_without_database(on: Stage) -> Member:
    """A worker that is asleep with the provider's answer in its hands, while the database has gone.

    SQLite cannot be taken away while another thread of that worker is amid a transaction: it is woken, and another one
    tried.
    """
    while True:
        worker = on.crew.worker("answered:1:STOP")
        on.takes(20)
        on.wait_for(worker.stopped, "no worker has come to its first answer")
        on.journal_disk.fill()
        if _take_away(on):
            return worker
        on.note("SQLite was in use: another worker")
        on.journal_disk.free()
        worker.signal(signal.SIGCONT)
        on.crew.stop([worker])


def _take_away(on: Stage) -> bool:
    """Returns False when that cannot be done now."""
    if on.postgres is not None:
        on.postgres.crash()
        return True
    on.database.close()
    with closing(sqlite3.connect(str(on.database.url.database))) as connection:
        # A log that has room could be written on a full disk.
        ((in_use, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if in_use:
        return False
    on.database_disk.fill()
    return True


def _bring_back(on: Stage) -> None:
    if on.postgres is not None:
        on.postgres.start()
    else:
        on.database_disk.free()


def _journalled(on: Stage) -> int:
    """How many mails the journals hold that the database may not have."""
    files = (on.site.data / "journal").glob("*.journal")
    return sum(path.read_bytes().partition(b"\0")[0].count(b"\n") for path in files)


def _is_full(on: Stage) -> bool:
    return not _can_write(on)


def _can_write(on: Stage) -> bool:
    """Whether the database takes a transaction: a large one, so that no room within its files is enough."""
    try:
        with on.database.write() as db:
            db.execute(sa.text("CREATE TABLE IF NOT EXISTS filler (text text)"))
            for _ in range(40):
                db.execute(sa.text("INSERT INTO filler VALUES (:text)"), {"text": "x" * 50_000})
            db.execute(sa.text("DROP TABLE filler"))
    except Exception:  # noqa: BLE001 - in whatever way it says no
        return False
    return True


def _supervise(on: Stage) -> None:
    """Starts PostgreSQL again if it has ended, as systemd or Docker would."""
    deadline = time.monotonic() + _AGAIN_WITHIN
    while on.postgres is not None and not on.postgres.running():
        try:
            on.postgres.start()
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
