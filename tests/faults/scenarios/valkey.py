"""Valkey is killed and comes back empty, or is flushed, while 2,000 mails are queued."""

import itertools
import random
import time
from datetime import datetime

import redis

from engage.domain.deliveries import DUE
from engage.web.mailbox import read_log
from tests.faults import ledger
from tests.faults.stage import Measured, Stage, Where, stage

KILLS, FLUSHES = 25, 10  # for each database
QUEUED = 2_000
AGAIN_WITHIN = 10.0
_PAUSE = 0.12  # seconds that the provider takes: 2,000 mails are not gone before they can be lost


def run(where: Where, database: str) -> Measured:
    """Nothing is lost, and mail goes out again within 10 s of each outage. Sweeps and leases are as in production."""
    queued = where.scaled(QUEUED, 300)
    faults = ["kill"] * where.scaled(KILLS) + ["flush"] * where.scaled(FLUSHES)
    random.Random(5).shuffle(faults)
    with stage(where, database, hurried=False) as on:
        on.has_partners(100)
        on.takes(queued)
        on.mailbox.post("/mailbox/faults", {"delay_before": _PAUSE, "times": 1_000_000})
        on.crew.scheduler()
        on.crew.worker()
        on.wait_for(lambda: on.mails() > 0, "no mail has gone out")
        outages = [_Outage.of(on, fault, queued) for fault in faults]
        on.mailbox.delete("/mailbox/faults")
        on.settle()
        found = on.ledger()
        received = [datetime.fromisoformat(mail.received_at).timestamp() for mail in read_log(on.site.mailbox_folder)]
    gaps = [outage.silence(received) for outage in outages]
    worst = max(gaps)
    late = [gap for gap in gaps if gap > AGAIN_WITHIN]
    counted = (
        f"{faults.count('kill')} kills, {faults.count('flush')} FLUSHALL with {queued:,} or more queued; "
        f"{found.counted()}; sending again within {worst:.1f} s"
    )
    figures = {
        "kills": faults.count("kill"),
        "flushes": faults.count("flush"),
        "sending_again_within_seconds": round(worst, 2),
        "sending_again_median_seconds": round(sorted(gaps)[len(gaps) // 2], 2),
        **found.figures(),
    }
    breaches = [f"{len(late)} times nothing was sent for {max(late):.1f} s"] if late else []
    return Measured(counted, [*found.breaches, *breaches], figures)


class _Outage:
    """From the moment at which Valkey was there again to the first mail of those whose hint was lost."""

    def __init__(self, up: float, recovered: float) -> None:
        self.up, self.recovered = up, recovered

    @classmethod
    def of(cls, on: Stage, fault: str, queued: int) -> "_Outage":
        """Makes one, and waits until mail whose hint was lost is claimed. Keeps the queue long."""
        on.takes(max(0, queued - len(ledger.ids_in(on.database, *DUE))))
        waiting: set[int] = set()

        def seen() -> set[int]:
            waiting.update(ledger.ids_in(on.database, *DUE))
            return waiting

        on.wait_for(seen, "nothing is queued")
        if fault == "kill":
            on.valkey.kill_and_restart()
        else:
            with redis.Redis.from_url(on.valkey.url) as client:
                client.flushall()
        up = time.time()
        on.takes(max(0, queued - len(waiting)))
        on.wait_for(lambda: waiting - ledger.ids_in(on.database, *DUE), "nothing that was queued is taken up again")
        return cls(up, time.time())

    def silence(self, received: list[float]) -> float:
        """The longest time within the outage in which no mail reached the provider, in seconds."""
        end = min((at for at in received if at >= self.recovered), default=self.recovered)
        moments = [self.up, *(at for at in received if self.up < at < end), end]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))
