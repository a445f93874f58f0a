"""A worker that sleeps past its lease (SIGSTOP, a paused virtual machine) and then goes on as if nothing had been."""

import signal
from collections import Counter

from engage.domain.deliveries import DeliveryState
from engage.failpoints import NAMES
from tests.faults import ledger
from tests.faults.settling import settle_by_webhooks
from tests.faults.stage import Measured, Stage, Where, stage

ASLEEP_AT = ("claimed", "rendered", "sending-committed", "answered")
MAILS = 20  # for each failpoint
_GONE_OUT = ("sending-committed", "answered")  # with these nobody may send again: the mails are unknown


def run(where: Where, database: str) -> Measured:
    """After claiming, before `sending`, and after the 202: what it writes is refused, its mails go out once."""
    assert set(ASLEEP_AT) <= set(NAMES)
    breaches: list[str] = []
    unknown: Counter[str] = Counter()
    with stage(where, database) as on:
        on.has_partners(5)
        on.crew.scheduler()
        for failpoint in ASLEEP_AT:
            before = on.count(DeliveryState.UNKNOWN)
            breaches += _sleep_through_a_lease(on, failpoint)
            unknown[failpoint] = on.count(DeliveryState.UNKNOWN) - before
        found = on.ledger()
        settled = settle_by_webhooks(on)
    counted = f"asleep at {', '.join(ASLEEP_AT)}; {found.counted()}; its writes were refused; {settled.said}"
    figures = {"asleep_at": list(ASLEEP_AT), "unknown_after": dict(unknown), **settled.figures, **found.figures()}
    return Measured(counted, [*breaches, *found.breaches, *settled.breaches], figures)


def _sleep_through_a_lease(on: Stage, failpoint: str) -> list[str]:
    held_states = (DeliveryState.CLAIMED, DeliveryState.SENDING)
    sleeper = on.crew.worker(f"{failpoint}:1:STOP")
    on.takes(MAILS)
    on.wait_for(sleeper.stopped, f"no worker has come to {failpoint}")
    held = ledger.ids_in(on.database, *held_states)
    on.wait_for(
        lambda: not held & ledger.ids_in(on.database, *held_states), "the sweeper has not taken back what it holds"
    )
    taken_back = {row.id: row.state for row in ledger.rows(on.database) if row.id in held}
    other = on.crew.worker()
    if failpoint not in _GONE_OUT:
        on.settle()
        taken_back = {row.id: row.state for row in ledger.rows(on.database) if row.id in held}
    sleeper.signal(signal.SIGCONT)
    on.settle()
    on.crew.stop([sleeper, other])  # in order: what the sleeper still wanted to write, it has tried to
    after = {row.id: row.state for row in ledger.rows(on.database) if row.id in held}
    if not held:
        return [f"the worker that stopped at {failpoint} held nothing"]
    changed = [id_ for id_ in held if taken_back[id_] != DeliveryState.PENDING and taken_back[id_] != after[id_]]
    return [f"after {failpoint} the sleeper changed {len(changed)} deliveries that it held no more"] if changed else []
