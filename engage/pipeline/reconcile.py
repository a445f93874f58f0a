"""Asks the provider's records for deliveries whose answer was lost, and settles those that it has.

Found is proof; not found proves nothing, for records lag behind: such a delivery stays unknown, for an operator.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from engage.providers.sendgrid_activity import REQUESTS, Found, NotNow
from engage.store.database import Database
from engage.store.evidence import accept_on_evidence
from engage.store.settling import begin_look, end_look, to_look_up

log = structlog.get_logger(__name__)


class Records(Protocol):
    """What a provider's records offer: `find` takes a delivery's public id and raises NotNow."""

    def find(self, delivery: str) -> list[Found]: ...


def due_for_a_look(database: Database, now: datetime) -> list[int]:
    """As many unknown deliveries as can be asked for at once."""
    with database.read() as db:
        return to_look_up(db, now, REQUESTS)


def reconcile(database: Database, records: Records, ids: Sequence[int], clock: Callable[[], datetime]) -> set[int]:
    """Asks for those of `ids` that are still unknown and that nobody else asks for; returns those that were settled.

    No transaction is open while the provider is asked. Where the records cannot be asked now, the rest waits.
    """
    settled: set[int] = set()
    for id_ in ids:
        with database.write() as db:
            look = begin_look(db, id_, clock())
        if look is None:
            continue
        try:
            found = records.find(look.public_id)
        except NotNow as later:
            with database.write() as db:
                end_look(db, look)
            log.info("records_not_asked", why=later.message, until=later.until.isoformat(timespec="seconds"))
            break
        if not found:
            continue
        if len(found) > 1:
            log.warning("accepted_more_than_once", delivery=look.public_id, times=len(found))
        with database.write() as db:
            settled |= accept_on_evidence(db, {id_: found[0].provider_id}, clock())
    if settled:
        log.info("unknown_settled", by="the provider's records", deliveries=len(settled))
    return settled
