"""A year of schedules in three zones, with two schedulers that tick before, at and after each slot."""

from tests.faults.stage import Measured, Where, bare
from tests.support.calendar_year import SCHEDULES, ZONES, calendar_year

DAYS = 366


def run(where: Where, database: str) -> Measured:
    """366 days, three zones (one changes its clocks by half an hour), 20 campaigns each: one firing per local slot."""
    days = where.scaled(DAYS)
    with bare(where, database) as (url, folder):
        year = calendar_year(url, folder, days=days)
    counted = (
        f"{days} days x {len(ZONES)} zones x {len(SCHEDULES)} campaigns, two schedulers: "
        f"{year.fired:,} firings for {year.slots:,} local slots"
    )
    breaches = [
        f"{len(wrong)} slots {how}, such as {wrong[0]}"
        for wrong, how in ((year.missing, "not fired"), (year.extra, "too many"), (year.untimely, "late"))
        if wrong
    ]
    figures = {"days": days, "zones": len(ZONES), "campaigns": len(SCHEDULES), "slots": year.slots, "fired": year.fired}
    return Measured(counted, breaches if not year.exact else [], figures)
