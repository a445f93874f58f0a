"""PostgreSQL ends at once (SIGQUIT, "immediate") under load and comes back."""

import random
import time
from datetime import UTC, datetime

import sqlalchemy as sa

from engage.store.tables import attempts
from tests.faults.settling import settle_by_webhooks
from tests.faults.stage import Measured, Stage, Where, stage

RESTARTS = 20
AGAIN_WITHIN = 5.0
_PAUSE = 0.05  # seconds that the provider takes: some mails are always between the request and the commit


def run(where: Where, database: str) -> Measured:
    """The invariant holds, and engage writes again within 5 s of PostgreSQL's taking connections again."""
    chance = random.Random(6)
    restarts = where.scaled(RESTARTS, 3)
    with stage(where, database, durable=True) as on:
        assert on.postgres is not None
        on.has_partners(100)
        on.mailbox.post("/mailbox/faults", {"delay_before": _PAUSE, "times": 1_000_000})
        shared = on.feed()
        for _ in range(2):
            on.crew.worker()
        on.crew.scheduler()
        on.crew.feeder(shared)
        seconds = []
        for number in range(restarts):
            shared.allowed.value = shared.taken.value + 300
            before = on.mails()
            on.wait_for(lambda before=before: on.mails() > before + 10, "no load")  # type: ignore[misc]
            on.postgres.crash()
            time.sleep(chance.random() * (0.2 if number % 4 else 4))  # now and then for longer than a lease
            on.postgres.start()
            up = datetime.now(UTC)
            on.wait_for(lambda up=up: _began_since(on, up), "nothing is sent any more")  # type: ignore[misc]
            seconds.append(_began_since(on, up))
        on.mailbox.delete("/mailbox/faults")
        on.fed(shared)
        on.settle()
        found = on.ledger()
        settled = settle_by_webhooks(on)
    late = [one for one in seconds if one > AGAIN_WITHIN]
    counted = f"{restarts} restarts; {found.counted()}; sending again within {max(seconds):.1f} s; {settled.said}"
    figures = {
        "restarts": restarts,
        "sending_again_within_seconds": round(max(seconds), 2),
        "sending_again_median_seconds": round(sorted(seconds)[len(seconds) // 2], 2),
        **settled.figures,
        **found.figures(),
    }
    breaches = [f"{len(late)} times nothing was sent for {max(late):.1f} s"] if late else []
    return Measured(counted, [*found.breaches, *breaches, *settled.breaches], figures)


def _began_since(on: Stage, up: datetime) -> float:
    """Seconds from `up` to the first attempt after it; 0 while there is none."""
    began = on.scalar(sa.select(sa.func.min(attempts.c.started_at)).where(attempts.c.started_at > up))
    return max(1e-3, (began - up).total_seconds()) if began else 0.0
