"""A worker that sleeps past its lease (SIGSTOP, a paused virtual machine) and then goes on as if nothing had been."""

import signal
import sqlite3
from collections import Counter
from contextlib import closing

from engage.domain.deliveries import DeliveryState
from engage.store.database import Database
from tests.faults import ledger
from tests.faults.processes import Member
from tests.faults.settling import settle_by_webhooks
from tests.faults.stage import Measured, Stage, Where, stage

NOTHING_BEGUN = ("claimed", "rendered")
"""Asleep here, another worker may take over."""

GONE_OUT = ("sending-committed", "answered")
"""Asleep here, nobody may: the mails are unknown."""

MAILS = 20  # for each failpoint


def run(where: Where, database: str) -> Measured:
    """After claiming, before `sending`, and after the 202: what it writes is refused, its mails go out once."""
    breaches: list[str] = []
    unknown: Counter[str] = Counter()
    with stage(where, database) as on:
        on.has_partners(5)
        for failpoint in (*NOTHING_BEGUN, *GONE_OUT):
            before = on.count(DeliveryState.UNKNOWN)
            breaches += _sleep_through_a_lease(on, failpoint)
            unknown[failpoint] = on.count(DeliveryState.UNKNOWN) - before
        found = on.ledger()
        settled = settle_by_webhooks(on)
    counted = f"asleep at {', '.join(unknown)}; {found.counted()}; {settled.said}"
    figures = {"asleep_at": list(unknown), "unknown_after": dict(unknown), **settled.figures, **found.figures()}
    return Measured(counted, [*breaches, *found.breaches, *settled.breaches], figures)


def _asleep(on: Stage, failpoint: str) -> Member:
    """A worker that is asleep there, and holds up nobody.

    On SQLite one that is stopped while another of its threads is writing keeps everybody from writing: it is woken, and
    another one tried.
    """
    while True:
        sleeper = on.crew.worker(f"{failpoint}:1:STOP")
        on.takes(MAILS)
        on.wait_for(sleeper.stopped, f"no worker has come to {failpoint}")
        if _can_be_written(on.database):
            return sleeper
        sleeper.signal(signal.SIGCONT)
        on.crew.stop([sleeper])


def _can_be_written(database: Database) -> bool:
    if not database.is_sqlite:
        return True
    with closing(sqlite3.connect(database.url.database or "", timeout=3, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def _sleep_through_a_lease(on: Stage, failpoint: str) -> list[str]:
    scheduler = on.crew.scheduler()
    sleeper = _asleep(on, failpoint)
    held = {id_ for id_, (state, _) in ledger.leases(on.database).items() if state in ("claimed", "sending")}
    on.wait_for(
        lambda: not any(ledger.leases(on.database)[id_][1] for id_ in held),
        "the sweeper has not taken back what it holds",
    )
    others: list[Member] = []
    if failpoint in NOTHING_BEGUN:  # another one has it in its hands: only the lease tells whose it is
        others = [on.crew.worker(f"{failpoint}:1:STOP")]
        on.wait_for(others[0].stopped, "no other worker takes over")
    on.crew.stop([scheduler])  # whose writes would hide the sleeper's
    before, mails = ledger.leases(on.database), on.mails()
    sleeper.signal(signal.SIGCONT)
    on.crew.stop([sleeper])  # in order: what it still wanted to write, it has tried to
    after = ledger.leases(on.database)
    changed = [id_ for id_ in held if before[id_] != after[id_]]
    sent = on.mails() - mails if failpoint != "sending-committed" else 0  # there it had begun, and nobody else will
    for other in others:
        other.signal(signal.SIGCONT)
    others += [on.crew.worker(), on.crew.scheduler()]
    on.settle()
    on.crew.stop(others)
    return [
        *([] if held else [f"the worker that stopped at {failpoint} held nothing"]),
        *([f"after {failpoint} it changed {len(changed)} deliveries that were no longer its own"] if changed else []),
        *([f"after {failpoint} it sent {sent} that were no longer its own"] if sent else []),
    ]
