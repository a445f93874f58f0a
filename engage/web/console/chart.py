"""Deliveries over time as bars: what each hour or day came to, reckoned for an SVG without any text in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from engage.domain.deliveries import DeliveryState as State
from engage.store.counts import HourCount, hour_of

WIDTH, HEIGHT = 1000, 100


class Span(StrEnum):
    """How much a chart shows."""

    DAY = "24h"
    FORTNIGHT = "14d"

    @property
    def step(self) -> timedelta:
        """What one bar stands for."""
        return timedelta(hours=1) if self is Span.DAY else timedelta(days=1)

    def begins(self, now: datetime) -> datetime:
        """The beginning of its first bar; the last is the one that `now` is in."""
        if self is Span.DAY:
            return hour_of(now) - timedelta(hours=23)
        return hour_of(now).replace(hour=0) - timedelta(days=13)


GROUPS = {
    "sent": ("Sent", (State.ACCEPTED,)),
    "kept": ("Not to be sent", (State.SKIPPED, State.SUPPRESSED, State.CANCELLED, State.EXPIRED, State.HELD)),
    "stuck": ("Unknown or dead", (State.UNKNOWN, State.DEAD)),
}
"""css class -> (what it is called, the states that are counted together), from the ground up."""


@dataclass(frozen=True, slots=True)
class Bar:
    css: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One hour or day: how many came to what, in the order of GROUPS."""

    at: datetime
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`bars` lie in WIDTH x HEIGHT; `highest` is what the full height stands for."""

    span: Span
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]
    highest: int
    totals: tuple[int, ...]


def chart_of(counts: Iterable[HourCount], span: Span, now: datetime) -> Chart:
    """The chart of these counts, which are of hours from `span.begins(now)` on."""
    begins, step = span.begins(now), span.step
    number = (now - begins) // step + 1
    rows = [[0] * len(GROUPS) for _ in range(number)]
    of = {state: index for index, (_, states) in enumerate(GROUPS.values()) for state in states}
    for one in counts:
        if one.state in of and begins <= one.hour <= now:
            rows[(one.hour - begins) // step][of[State(one.state)]] += one.number
    columns = tuple(Column(begins + step * index, tuple(row)) for index, row in enumerate(rows))
    highest = max(sum(row) for row in rows)
    totals = tuple(sum(row[index] for row in rows) for index in range(len(GROUPS)))
    return Chart(span, columns, tuple(_bars(rows, highest)), highest, totals)


def _bars(rows: list[list[int]], highest: int) -> Iterable[Bar]:
    width = WIDTH / len(rows)
    for column, row in enumerate(rows):
        top = float(HEIGHT)
        for css, number in zip(GROUPS, row, strict=True):
            if number:
                height = max(number / highest * HEIGHT, 1.0)  # one among thousands is still seen
                top -= height
                yield Bar(css, round(column * width, 2), round(top, 2), round(width * 0.85, 2), round(height, 2))
