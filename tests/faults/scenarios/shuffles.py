"""The provider's events come three times, with other ids, in any order, cut into requests anyhow."""

from tests.faults.stage import Measured, Where, bare
from tests.support.feedback_world import ends_the_same

EVENTS, COPIES, SHUFFLES = 10_000, 3, 50  # shuffles: for each database


def run(where: Where, database: str) -> Measured:
    """10,000 events x 3 with changed ids, 50 shuffles: the same final state each time."""
    shuffles = where.scaled(SHUFFLES, 2)
    events = EVENTS if where.scale >= 1 else 2_000
    with bare(where, database) as (url, folder):
        try:
            ended = ends_the_same(url, folder, events=events, shuffles=shuffles, copies=COPIES)
        except AssertionError as error:
            return Measured("", [str(error)])
    counted = (
        f"{events:,} events x {COPIES}, {shuffles} shuffles: the same each time; {ended.rate:,.0f} events a second"
    )
    figures = {"events": events, "copies": COPIES, "shuffles": shuffles, "events_a_second": round(ended.rate)}
    return Measured(counted, [], figures)
