"""Exports that are dropped into a folder: taken once they are complete, then moved to `done` or `failed`.

A drop is a sub-folder, or the files that lie in the folder itself. It is complete when all files of the mapping are
there and none has changed between two looks. Then it is moved to `.taking` and imported from there: whoever is killed
on the way leaves it there, and the next look goes on with it, which imports nothing twice.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from engage.domain.errors import EngageError, InputError, ServiceUnreachable
from engage.domain.records import Record, Taken
from engage.domain.windows import format_duration
from engage.facts import Scope
from engage.sources.importing import Report, import_directory
from engage.sources.polling import Polled, Poller, Turn
from engage.sources.watched import FolderSource, SourceChanged, SourceDown
from engage.store.intake import analyze, hear

log = structlog.get_logger(__name__)

TAKING, DONE, FAILED = ".taking", "done", "failed"
UNFINISHED = (".part", ".tmp")
"""How names end of files that are still being written."""

_ITSELF = "."


@dataclass(frozen=True, slots=True)
class _Seen:
    """A drop as a look found it: a digest of its files, and since when it has been the same."""

    digest: str
    since: datetime


def take_drop(poller: Poller, source: FolderSource, scope: Scope, turn: Turn) -> Polled:
    """Looks into a folder that has been claimed, and takes the first complete drop, if there is one.

    Raises SourceDown when the folder cannot be read or written, Overtaken.
    """
    with _explained(source.folder):
        ready, seen = _look(source, turn)
        if ready is not None:
            _move_to_taking(source, ready)
            seen.pop(ready.name if ready != source.folder else _ITSELF, None)
    if not _complete(source, source.folder / TAKING):
        held = {"error": turn.state.error, "held": True} if turn.state.held else {}
        with poller.database.write() as db:
            turn.finish(db, position=_write_seen(seen), **held)
        return Polled()
    return _Drop(poller, source, scope, turn).take(_write_seen(seen))


def first_drop(source: FolderSource) -> Path:
    """Where the drop lies that would be taken first. Raises InputError that says what is missing, SourceDown."""
    with _explained(source.folder):
        found = [source.folder / TAKING, *(folder for _, folder in _drops(source))]
        for folder in found:
            if not _missing(source, folder):
                return folder
    waits = waiting_drops(source) or (f"no drop lies in {source.folder}",)
    raise InputError("; ".join(waits), f"a drop has {', '.join(file.file for file in source.mapping.files)}")


def waiting_drops(source: FolderSource) -> tuple[str, ...]:
    """What each drop that lies there waits for, in a sentence; none where the folder cannot be read."""
    waits = []
    try:
        for _, folder in _drops(source):
            missing = _missing(source, folder)
            if len(missing) == len(source.mapping.files):
                continue
            if _complete(source, folder):
                waits.append(f"{folder} waits until its files have stood still for {format_duration(source.every)}")
            else:
                waits.append(f"{folder} waits for {' and '.join(missing)}")
    except OSError:  # a poll says so
        return ()
    return tuple(waits)


class _Drop:
    def __init__(self, poller: Poller, source: FolderSource, scope: Scope, turn: Turn) -> None:
        self._poller = poller
        self._source = source
        self._scope = scope
        self._turn = turn
        self._folder = source.folder / TAKING
        self._event_ids: list[int] = []

    def take(self, seen: str) -> Polled:
        """Imports what lies in `.taking` and moves it to where it belongs."""
        try:
            report = import_directory(self._folder, self._source.mapping, self._take, rejects=self._folder)
        except ServiceUnreachable:  # engage's own database: the drop stays where it is
            raise
        except EngageError as error:
            return self._failed(error, seen)
        finally:
            self._poller.matching(self._event_ids)  # at the end: a burst is held from its beginning
        turn = self._turn
        with _explained(self._source.folder):
            (self._folder / "report.json").write_text(_as_json(report, self._source.name, turn.started))
        with self._poller.database.write() as db:
            turn.write(db, baselined_at=turn.state.baselined_at or turn.now, position=seen)
            for feed in self._source.feeds:
                hear(db, self._scope.program_id, feed, turn.now)
            analyze(db)
        where = self._away(DONE)
        with self._poller.database.write() as db:
            turn.finish(db)
        total = report.total
        return Polled(
            total.read, accepted=total.accepted, unchanged=total.unchanged, rejected=total.rejected, drop=str(where)
        )

    def _take(self, rows: Sequence[Sequence[Record]]) -> Sequence[Taken]:
        turn, source = self._turn, self._source
        with self._poller.database.write() as db:
            turn.write(db)
            news = turn.state.baselined_at is not None
            taken = self._poller.observe(
                db, self._scope, rows, source=source.name, news=news, now=turn.now, limit=source.limit
            )
        self._event_ids += taken.event_ids
        return taken.rows

    def _failed(self, error: EngageError, seen: str) -> Polled:
        advice = f"-> {error.hint}\n" if error.hint else ""
        again = "Mend it and drop the files again; what was taken of them already is not taken twice.\n"
        with _explained(self._source.folder):
            (self._folder / "error.txt").write_text(f"{error.message}\n{advice}{again}", encoding="utf-8")
        where = self._away(FAILED)
        with self._poller.database.write() as db:
            said = f"the drop in {where} could not be taken: {error}"
            log.error("source_held", source=self._source.name, error=said)
            before = self._turn.state
            values = {"held": True, "error": said, "failures": before.failures + 1, "succeeded_at": before.succeeded_at}
            self._turn.finish(db, position=seen, **values)
        return Polled(drop=str(where), error=said)

    def _away(self, name: str) -> Path:
        with _explained(self._source.folder):
            folder = self._source.folder / name
            folder.mkdir(exist_ok=True)
            stamp = self._turn.started.strftime("%Y%m%dT%H%M%SZ")
            names = (stamp, *(f"{stamp}-{number}" for number in range(2, 100)))
            target = next(folder / each for each in names if not (folder / each).exists())
            return self._folder.rename(target)


def _look(source: FolderSource, turn: Turn) -> tuple[Path | None, dict[str, _Seen]]:
    """The first complete drop, if any and none is being taken, and what is to be remembered of all of them."""
    before = _read_seen(turn.state.position)
    seen: dict[str, _Seen] = {}
    ready = None
    for name, folder in _drops(source):
        digest = _digest(source, folder)
        known = before.get(name)
        seen[name] = known if known is not None and known.digest == digest else _Seen(digest, turn.started)
        if ready is None and turn.started - seen[name].since >= source.every and _complete(source, folder):
            ready = folder
    return (None if _complete(source, source.folder / TAKING) else ready), seen


def _drops(source: FolderSource) -> Iterator[tuple[str, Path]]:
    """The sub-folders, then the folder itself; it alone while what an interrupted move left waits for the rest."""
    if (source.folder / TAKING).exists():
        yield _ITSELF, source.folder
        return
    for folder in sorted(path for path in source.folder.iterdir() if path.is_dir()):
        if not _ignored(folder.name) and folder.name not in (DONE, FAILED):
            yield folder.name, folder
    yield _ITSELF, source.folder


def _complete(source: FolderSource, folder: Path) -> bool:
    """Whether all files of the mapping are there; what lies in `.taking` already belongs to the folder itself."""
    taking = source.folder / TAKING
    places = (folder, taking) if folder == source.folder else (folder,)
    return all(any((place / file.file).is_file() for place in places) for file in source.mapping.files)


def _missing(source: FolderSource, folder: Path) -> list[str]:
    return [file.file for file in source.mapping.files if not (folder / file.file).is_file()]


def _digest(source: FolderSource, folder: Path) -> str:
    """What changes while files are being written: names, sizes, times."""
    files = folder.rglob("*") if folder != source.folder else (folder / file.file for file in source.mapping.files)
    found = []
    for path in sorted(files):
        if path.is_file() and not path.name.startswith("."):
            status = path.stat()
            found.append(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}")
    return hashlib.blake2b("\n".join(found).encode(), digest_size=16).hexdigest()


def _move_to_taking(source: FolderSource, ready: Path) -> None:
    taking = source.folder / TAKING
    if ready != source.folder:
        ready.rename(taking)
        return
    for file in source.mapping.files:
        target = taking / file.file
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ready / file.file).is_file():
            (ready / file.file).replace(target)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.endswith(UNFINISHED)


def _read_seen(position: str | None) -> dict[str, _Seen]:
    kept = json.loads(position) if position else {}
    return {name: _Seen(digest, datetime.fromisoformat(since)) for name, (digest, since) in kept.items()}


def _write_seen(seen: dict[str, _Seen]) -> str:
    return json.dumps({name: (each.digest, each.since.isoformat()) for name, each in seen.items()})


def _as_json(report: Report, source: str, at: datetime) -> str:
    told: dict[str, Any] = {"source": source, "taken_at": at.isoformat(), **report.as_json()}
    return json.dumps(told, indent=2) + "\n"


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror or error}"
        if isinstance(error, FileNotFoundError) and not folder.exists():
            raise SourceChanged(f"{folder} is not a folder", "make it, or mend folder: in sources.yaml") from None
        raise SourceDown(what, "see that engage may read and write there") from None
