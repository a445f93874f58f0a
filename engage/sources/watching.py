"""Watches sources: which are due, who polls one now, what is tried next of those that fail. Each stands for itself."""

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from engage.domain.errors import EngageError
from engage.domain.programs import Program
from engage.facts import Scope
from engage.sources.dropping import take_drop, waiting_drops
from engage.sources.polling import Polled, Poller, Turn, lease
from engage.sources.pushing import PushedRow, retry_rejected, take_pushed
from engage.sources.watch_file import load_sources
from engage.sources.watched import (
    FolderSource,
    Overtaken,
    PushSource,
    SourceChanged,
    SourceDown,
    Sources,
    SqlSource,
    WatchedSource,
)
from engage.store.sources import SourceState, add_sources, claim, count_rejected, source_names, source_states

LONGEST_PAUSE = timedelta(minutes=15)
"""How long a source that fails is left alone, at the most."""

log = structlog.get_logger(__name__)

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source stands. `lag` is the time since the last poll that succeeded began, or since a system pushed; None:
    there was none.

    `state`: waiting (for the database `after` to be read for the first time), new, ok, failing or held.
    `waits`: what it waits for, in sentences. `tried_at`, `next_at`: the last poll and the next one.
    """

    source: WatchedSource
    state: str
    lag: timedelta | None
    error: str | None
    rejected: int
    tried_at: datetime | None
    next_at: datetime | None
    after: str
    waits: tuple[str, ...]


class Watcher:
    """The watched sources of one process. Safe to ask from several threads. `problem`: why `running` reads no newer."""

    def __init__(self, path: Path, poller: Poller, clock: Callable[[], datetime]) -> None:
        self._path = path
        self.poller = poller
        self._clock = clock
        self._lock = threading.Lock()
        self._read: Sources | None = None
        self._signature: Signature = ()
        self._programs: Mapping[str, Program] = {}
        self.problem = ""

    def sources(self, programs: Mapping[str, Program]) -> Sources:
        """The sources as the files say it now. Raises AuthoringError or InputError."""
        return load_sources(self._path, programs)

    def running(self, programs: Mapping[str, Program]) -> Sources:
        """The sources as the files say it, or said it when they last made sense; read again when they change."""
        with self._lock:
            signature = self._sign()
            if self._read is None or signature != self._signature or programs is not self._programs:
                self._programs = programs
                self.problem = ""
                try:
                    self._read = self.sources(programs)
                except EngageError as error:
                    self.problem = str(error)
                    log.error("sources", problem=str(error), hint="what made sense last is watched on")
                    self._read = self._read or Sources(str(self._path))
                self._signature = self._sign()
            return self._read

    def due(self, sources: Sources, program_ids: Mapping[str, int]) -> list[int]:
        """The ids of sources that are to be polled now.

        Databases are read for the first time one after the other, in the order of the file: partners before the
        referrals that name them.
        """
        if not sources.sources:
            return []
        states = self._states(sources.sources, program_ids)
        waiting = _waiting(sources, states)
        now = self._clock()
        due = {name: state.id for name, state in states.items() if state.next_poll_at <= now and name not in waiting}
        return [due[name] for name in due if name not in self._without_rejects(sources, due)]

    def _without_rejects(self, sources: Sources, ids: Mapping[str, int]) -> set[str]:
        """Systems that push are not asked for anything: unless rejected rows wait, there is nothing to do."""
        pushing = {source.name for source in sources.sources if isinstance(source, PushSource)} & ids.keys()
        if not pushing:
            return set()
        with self.poller.database.read() as db:
            rejected = count_rejected(db)
        return {name for name in pushing if not rejected.get(ids[name])}

    def receive(self, source: PushSource, scope: Scope, rows: Sequence[PushedRow]) -> Polled:
        """Takes what a system has pushed."""
        return take_pushed(self.poller, source, scope, rows, self._clock())

    def poll_due(self, sources: Sources, scopes: Mapping[str, Scope], ids: Iterable[int]) -> None:
        """Polls those of the sources that are still due: hints may come late and more than once."""
        with self.poller.database.read() as db:
            names = source_names(db, list(ids))
        for name in names:
            found = [source for source in sources.sources if source.name == name]
            for source in found:
                scope = scopes[source.program.key]
                state = self._states([source], {scope.program.key: scope.program_id})[name]
                if state.next_poll_at <= self._clock():
                    self._poll(source, scope, state)

    def poll(self, source: WatchedSource, scope: Scope) -> Polled:
        """Polls a source now, due or not. Raises SourceDown or SourceChanged, after it is noted, and Overtaken."""
        state = self._states([source], {scope.program.key: scope.program_id})[source.name]
        polled = self._poll(source, scope, state)
        if isinstance(polled, EngageError):
            raise polled
        if polled is None:
            raise SourceDown(f"another worker polls '{source.name}' just now", "try again in a minute")
        return polled

    def standings(self, sources: Sources) -> list[Standing]:
        """How each source stands, in the order of the file."""
        with self.poller.database.read() as db:
            states = source_states(db, [source.name for source in sources.sources])
            rejected = count_rejected(db)
        waiting = _waiting(sources, states)
        found = []
        for source in sources.sources:
            state = states.get(source.name)
            after = waiting.get(source.name, "")
            last = state.succeeded_at if state else None
            found.append(
                Standing(
                    source,
                    "waiting" if after else _state(state),
                    self._clock() - last if last is not None else None,
                    state.error if state else None,
                    rejected.get(state.id, 0) if state else 0,
                    tried_at=state.polled_at if state else None,
                    next_at=state.next_poll_at if state else None,
                    after=after,
                    waits=_waits(source, after),
                )
            )
        return found

    # ------------------------------------------------------------------------------------------------------------------

    def _poll(self, source: WatchedSource, scope: Scope, state: SourceState) -> Polled | EngageError | None:
        """One poll, if nobody else has the source; what went wrong is noted and returned."""
        now = self._clock()
        with self.poller.database.write() as db:
            version = claim(db, state, now, now + lease(source))
        if version is None:
            return None
        turn = Turn(source, replace(state, version=version), self._clock)
        try:
            polled = self._do(source, scope, turn)
        except Overtaken:
            log.info("source_overtaken", source=source.name)
            return None
        except (SourceDown, SourceChanged) as error:
            self._failed(turn, error)
            return error
        except EngageError:
            raise
        except Exception as error:  # noted where operators look, then told like every bug
            self._failed(turn, SourceDown(f"a fault in engage: {error!r}", "the log of the workers says where"))
            raise
        if state.failures and (polled.read or not isinstance(source, FolderSource)):  # a look at one mends nothing
            log.info("source_works_again", source=source.name)
        return polled

    def _do(self, source: WatchedSource, scope: Scope, turn: Turn) -> Polled:
        match source:
            case SqlSource():
                return self.poller.poll(source, scope, turn)
            case FolderSource():
                return take_drop(self.poller, source, scope, turn)
            case PushSource():
                return retry_rejected(self.poller, source, scope, turn)

    def _failed(self, turn: Turn, error: SourceDown | SourceChanged) -> None:
        """Notes why, and when it is tried again: full-jitter backoff. Says it once an outage."""
        state, source = turn.state, turn.source
        longest = min(LONGEST_PAUSE, source.every * 2.0 ** min(state.failures, 16))
        values = {
            "failures": state.failures + 1,
            "error": str(error),
            "held": isinstance(error, SourceChanged),
            "next_poll_at": turn.now + longest * random.random(),
        }
        try:
            with self.poller.database.write() as db:
                turn.write(db, **values)
        except Overtaken:
            return
        if state.error != str(error):
            event = "source_held" if values["held"] else "source_down"
            log.warning(event, source=source.name, error=error.message, hint=error.hint)

    def _states(self, sources: Sequence[WatchedSource], program_ids: Mapping[str, int]) -> dict[str, SourceState]:
        """The state of each source, in the given order; those that are new are added."""
        names = [source.name for source in sources]
        with self.poller.database.read() as db:
            states = source_states(db, names)
        missing = {source.name: program_ids[source.program.key] for source in sources if source.name not in states}
        if missing:
            with self.poller.database.write() as db:
                add_sources(db, missing, self._clock())
                states = source_states(db, names)
        return {name: states[name] for name in names}

    def _sign(self) -> Signature:
        """What changes when sources.yaml or a mapping that it names does."""
        paths = {self._path}
        if self._read is not None:
            paths |= {Path(each.mapping.path) for each in self._read.sources if isinstance(each, FolderSource)}
        found = []
        for path in sorted(paths):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)


def _waiting(sources: Sources, states: Mapping[str, SourceState]) -> dict[str, str]:
    """Databases that come after one that has not been read for the first time, and which one that is."""
    waiting: dict[str, str] = {}
    first = ""
    for source in sources.sources:
        state = states.get(source.name)
        if isinstance(source, SqlSource) and (state is None or state.baselined_at is None):
            if first:
                waiting[source.name] = first
            first = first or source.name
    return waiting


def _waits(source: WatchedSource, after: str) -> tuple[str, ...]:
    if after:
        return (f"waits until {after} has been read for the first time",)
    return waiting_drops(source) if isinstance(source, FolderSource) else ()


def _state(state: SourceState | None) -> str:
    if state is None:
        return "new"
    if state.held:
        return "held"
    if state.failures:
        return "failing"
    return "ok" if state.succeeded_at else "new"
