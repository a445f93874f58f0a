"""One poll of a watched database: rows are taken in the order of the cursor, each once, whatever happens in between.

Each batch is one transaction of engage's database: what the rows say, their hashes, how far the source has been read.
A poller that is killed leaves whole batches behind; the next one goes on after them. What was read again because of the
overlap is known by its hash. A poller whose source another one has claimed writes nothing and stops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.records import Outcome, Record, Taken
from engage.facts import Scope
from engage.sources.mapping import RowMapping
from engage.sources.querying import FoundRow, OpenSource, opened
from engage.sources.watched import Overtaken, PushSource, SqlSource, WatchedSource
from engage.store.database import Database
from engage.store.intake import Intake, analyze
from engage.store.sources import (
    RejectedRow,
    SourceState,
    drop_rejects,
    forget_hashes,
    hear_now_and_then,
    keep_hashes,
    keep_rejects,
    known_hashes,
    move,
    rejected_rows,
    tried_again,
)

RETRIED = 1000
"""How many rejected rows each poll tries again, at the most."""

_SHORTEST_LEASE, _LONGEST_LEASE = timedelta(minutes=2), timedelta(minutes=15)


class Observe(Protocol):
    """Takes a batch of rows in the caller's transaction: `engage.pipeline.observing.observe`."""

    def __call__(
        self,
        db: Connection,
        scope: Scope,
        rows: Sequence[Sequence[Record]],
        *,
        source: str,
        news: bool,
        now: datetime,
        limit: int | None = None,
    ) -> Intake: ...


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll found: rows that it read, of them known by their hash, and what became of the others.

    `retried` were rejected before and have been taken now. `drop`: where a folder's files went, if there were any;
    `error`: why they could not be taken.
    """

    read: int = 0
    known: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    retried: int = 0
    drop: str = ""
    error: str = ""


class Turn:
    """One poller's hold on a source. Each write moves the version; Overtaken is raised once another has it."""

    def __init__(self, source: WatchedSource, state: SourceState, clock: Callable[[], datetime]) -> None:
        self.source = source
        self.state = state
        self.started = clock()
        self._version = state.version
        self._clock = clock

    @property
    def now(self) -> datetime:
        return self._clock()

    def write(self, db: Connection, **values: Any) -> None:
        """The first statement of each transaction. The source stays ours for a while longer; raises Overtaken."""
        values.setdefault("next_poll_at", self.now + lease(self.source))
        if not move(db, self.state.id, self._version, **values):
            raise Overtaken
        self._version += 1
        sa.event.listen(db, "rollback", self._undone, once=True)

    def _undone(self, _: Connection) -> None:
        self._version -= 1

    def finish(self, db: Connection, **values: Any) -> None:
        """The last write of a poll that came to its end."""
        done: dict[str, Any] = {"succeeded_at": self.started, "failures": 0, "error": None, "held": False}
        due = max(self.started + self.source.every, self.now)
        self.write(db, **(done | {"next_poll_at": due} | values))


def lease(source: WatchedSource) -> timedelta:
    """How long a poller that is not heard of keeps a source for itself: as long as a query may take to begin."""
    return min(max(source.every, _SHORTEST_LEASE), _LONGEST_LEASE)


@dataclass(frozen=True, slots=True)
class Poller:
    """What polls need. `matching` is told the ids of events after their transaction is committed."""

    database: Database
    observe: Observe
    matching: Callable[[Sequence[int]], None]
    environ: Callable[[], Mapping[str, str]]

    def poll(self, source: SqlSource, scope: Scope, turn: Turn) -> Polled:
        """Polls a source that has been claimed. Raises SourceDown, SourceChanged or Overtaken."""
        poll = _Poll(self, source, scope, turn)
        try:
            with opened(source, self.environ()) as there:
                return poll.run(there)
        finally:
            self.matching(poll.event_ids)  # at the end: what turns out to be a burst is held from its beginning


class _Poll:
    def __init__(self, poller: Poller, source: SqlSource, scope: Scope, turn: Turn) -> None:
        self._poller = poller
        self._source = source
        self._scope = scope
        self._turn = turn
        self._id = turn.state.id
        self._baselined_at = turn.state.baselined_at
        self._position = turn.state.position
        self._polled = Polled()
        self.event_ids: list[int] = []

    def run(self, there: OpenSource) -> Polled:
        bound = there.bound(self._position)
        # What was rejected in the silent first reading is no news when it is taken later.
        news_after = self._baselined_at or self._turn.now
        retried, event_ids = try_again(self._poller, self._source, self._scope, self._turn, news_after=news_after)
        self._polled = replace(self._polled, retried=retried)
        self.event_ids += event_ids
        for lot in there.lots(bound[0] if bound else None):
            self._take_lot(there, lot)
        with self._poller.database.write() as db:
            self._turn.finish(db, baselined_at=self._baselined_at or self._turn.now)
            hear_now_and_then(db, self._scope.program_id, self._source.feeds, self._turn.now)
            if bound is not None:
                forget_hashes(db, self._id, bound[1])
            if self._baselined_at is None:
                analyze(db)
        return self._polled

    def _take_lot(self, there: OpenSource, lot: Sequence[FoundRow]) -> None:
        assert there.cursor is not None
        highest = there.cursor.reached([row.position for row in lot], self._turn.now)
        self._position = max(highest, self._position or highest)
        with self._poller.database.write() as db:
            self._turn.write(db, position=self._position)
            known = known_hashes(db, self._id, [row.hash for row in lot])
            rows = list({row.hash: row for row in lot if row.hash not in known}.values())
            outcomes, event_ids = self._take(db, [row.values for row in rows], news=self._baselined_at is not None)
            keep_hashes(db, self._id, {row.hash: row.position for row in rows})
            self._settle(db, rows, outcomes)
        self.event_ids += event_ids
        self._count(outcomes, read=len(lot), known=len(lot) - len(rows))

    def _settle(self, db: Connection, rows: Sequence[FoundRow], outcomes: Sequence[Taken]) -> None:
        """Keeps rejected rows and forgets those of which a newer version was taken."""
        last = {self._key(row): (row, taken) for row, taken in zip(rows, outcomes, strict=True)}
        rejected = {
            key: (row.values, taken.reason) for key, (row, taken) in last.items() if taken.outcome is Outcome.REJECTED
        }
        keep_rejects(db, self._id, rejected, self._turn.now)
        drop_rejects(db, self._id, [key for key in last if key not in rejected])

    def _key(self, row: FoundRow) -> str:
        value = row.values[self._source.key] if self._source.key else None
        return row.hash if value is None else str(value)

    def _take(self, db: Connection, rows: Sequence[Mapping[str, Any]], *, news: bool) -> tuple[list[Taken], list[int]]:
        return take_rows(db, self._poller, self._source, self._scope, rows, news=news, now=self._turn.now)

    def _count(self, outcomes: Sequence[Taken], *, read: int, known: int) -> None:
        found = [taken.outcome for taken in outcomes]
        so_far = self._polled
        self._polled = replace(
            so_far,
            read=so_far.read + read,
            known=so_far.known + known,
            accepted=so_far.accepted + found.count(Outcome.ACCEPTED),
            unchanged=so_far.unchanged + found.count(Outcome.UNCHANGED),
            rejected=so_far.rejected + found.count(Outcome.REJECTED),
        )


def try_again(
    poller: Poller, source: SqlSource | PushSource, scope: Scope, turn: Turn, *, news_after: datetime | None
) -> tuple[int, list[int]]:
    """Takes rejected rows whose time has come, such as a referral whose partner came a poll later.

    Returns how many were taken, and the events to be matched. Rows that were rejected up to `news_after` are no news.
    """
    with poller.database.read() as db:
        if not rejected_rows(db, turn.state.id, 1):
            return 0, []
    with poller.database.write() as db:
        turn.write(db)
        waiting = rejected_rows(db, turn.state.id, RETRIED)
        old = [row for row in waiting if news_after is not None and row.first_at <= news_after]
        new = waiting if news_after is None else [row for row in waiting if row.first_at > news_after]
        taken, event_ids = 0, []
        for rows, news in ((old, False), (new, True)):
            values = [row.row for row in rows]
            outcomes, events = take_rows(db, poller, source, scope, values, news=news, now=turn.now)
            taken += settle_again(db, turn.state.id, rows, outcomes, turn.now)
            event_ids += events
    return taken, event_ids


def settle_again(
    db: Connection, source_id: int, rows: Sequence[RejectedRow], outcomes: Sequence[Taken], now: datetime
) -> int:
    """Forgets rejected rows that have been taken, and notes why the others were not; returns how many were."""
    again = {row.id: taken.reason for row, taken in zip(rows, outcomes, strict=True) if taken.reason}
    drop_rejects(db, source_id, [row.row_key for row in rows if row.id not in again])
    changed = {row.id: again[row.id] for row in rows if row.id in again and again[row.id] != row.reason}
    tried_again(db, list(again), changed, now)
    return len(rows) - len(again)


def take_rows(
    db: Connection,
    poller: Poller,
    source: SqlSource | PushSource,
    scope: Scope,
    rows: Sequence[Mapping[str, Any]],
    *,
    news: bool,
    now: datetime,
) -> tuple[list[Taken], list[int]]:
    """What became of each row, and the events to be matched."""
    read = [mapped(source.rows, row) for row in rows]
    records = [row for row in read if not isinstance(row, Taken)]
    if not records:
        return [row for row in read if isinstance(row, Taken)], []
    taken = poller.observe(db, scope, records, source=source.name, news=news, now=now, limit=source.limit)
    outcomes = iter(taken.rows)
    return [row if isinstance(row, Taken) else next(outcomes) for row in read], list(taken.event_ids)


def mapped(rows: RowMapping, row: Mapping[str, Any]) -> list[Record] | Taken:
    """The records of a row, or why it is rejected before the store sees it."""
    try:
        return rows.read(row)
    except ValueError as error:
        return Taken(Outcome.REJECTED, str(error))
