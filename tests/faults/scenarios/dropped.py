"""The provider takes the mail and loses the connection before it answers."""

from engage.domain.deliveries import DeliveryState
from tests.faults import ledger
from tests.faults.settling import listed, settle_by_webhooks
from tests.faults.stage import Measured, Where, stage

DROPPED = 500  # for each database
_SHARE = 0.4  # of the answers: five losses in a row open the breaker, and a good answer closes it
_ROOM = 100  # mails more than needed for all losses to happen


def run(where: Where, database: str) -> Measured:
    """500 answers are lost: the provider has each mail once, the list of unknown ones is exact, webhooks settle all."""
    dropped = where.scaled(DROPPED, 20)
    with stage(where, database) as on:
        on.has_partners(100)
        script = [{"accept_then_drop": True, "share": _SHARE, "seed": 8, "times": dropped}]
        on.mailbox.post("/mailbox/faults", script)
        for _ in range(2):
            on.crew.worker()
        on.crew.scheduler()
        while on.mailbox.get("/mailbox/faults") != b"[]":
            on.takes(round(dropped / _SHARE / 5) + _ROOM // 5)
            on.settle()
        found = on.ledger()
        breaches = found.breaches
        have = ledger.provider_log(on.site).deliveries
        unknown = {row.public_id for row in found.unknown}
        if len(unknown) != dropped:
            breaches.append(f"{dropped} answers were dropped, {len(unknown)} are unknown")
        if unknown - have.keys():
            breaches.append(f"{len(unknown - have.keys())} are unknown that the provider does not have")
        if found.states[DeliveryState.ACCEPTED] + len(unknown) != have.total():
            breaches.append(f"the provider has {have.total()}")
        if listed(on) != unknown:
            breaches.append("engage unknown list does not list exactly what is unknown")
        settled = settle_by_webhooks(on)
    counted = f"{dropped} answers dropped; {found.counted()}; {settled.said}"
    figures = {"dropped": dropped, **settled.figures, **found.figures()}
    return Measured(counted, [*breaches, *settled.breaches], figures)
