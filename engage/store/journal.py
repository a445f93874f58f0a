"""A synced file on this machine for what the provider has taken while the database is away.

Promise: what `append` has returned from survives a killed process and a power failure, and comes back from `entries`
until `forget` says that the database has it. Room is made before mail goes out, so that a full disk cannot get between
an accepted mail and its record. Each process has a file of its own; those of processes that are gone are taken over.
"""

import errno
import fcntl
import os
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson

from engage.domain.errors import ServiceUnreachable

_ROOM = 64 * 1024  # bytes written ahead, some 400 entries
_LEAST_ROOM = _ROOM // 2  # more than the 32 mails that a worker has on their way can need
_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Entry:
    """A mail that the provider has taken: which attempt of which delivery (its public id), under which id, and when."""

    delivery: str
    attempt: int
    provider_id: str
    accepted_at: datetime


class Journal:
    """The journal of one process, in `folder`. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._path = folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        self._file: int | None = None
        self._end = self._room = 0  # bytes written, and bytes that are there to be written into
        self._waiting: list[Entry] = []

    def make_room(self) -> None:
        """Makes sure that what goes out next can be recorded. Raises ServiceUnreachable when the disk has no room."""
        if self._room - self._end >= _LEAST_ROOM:
            return
        with self._lock:
            try:
                file = self._opened()
                # Zeros, not a hole: only blocks that are there already can be written when the disk is full.
                missing = bytes(self._end + _ROOM - self._room)
                if os.pwrite(file, missing, self._room) != len(missing):
                    raise OSError(errno.ENOSPC, "the disk is full")
                os.fsync(file)
            except OSError as error:
                raise ServiceUnreachable(
                    f"the journal in {self._folder} cannot be written: {error.strerror}",
                    "make room there: nothing is sent that could not be recorded",
                ) from error
            self._room = self._end + _ROOM

    def append(self, entries: Sequence[Entry]) -> None:
        """Records entries and syncs them. Raises OSError when the disk does not take them."""
        lines = b"".join(orjson.dumps(asdict(entry)) + b"\n" for entry in entries)
        with self._lock:
            file = self._opened()
            if os.pwrite(file, lines, self._end) != len(lines):
                raise OSError(errno.ENOSPC, "the disk is full")
            os.fdatasync(file)
            self._end += len(lines)
            self._waiting += entries

    def entries(self) -> list[Entry]:
        """What this process has recorded and the database may not have yet."""
        with self._lock:
            return list(self._waiting)

    def forget(self, known: Collection[Entry]) -> None:
        """The database has `known`. The file is emptied when that is all: to replay an entry twice does no harm."""
        with self._lock:
            self._waiting = [entry for entry in self._waiting if entry not in known]
            if self._file is not None and not self._waiting:
                written, self._end = self._end, 0  # first: what comes next must lie where reading begins
                with suppress(OSError):  # what stays there is replayed once more
                    os.pwrite(self._file, bytes(written), 0)
                    os.fdatasync(self._file)

    def left_behind(self) -> Iterator[list[Entry]]:
        """What each process that is gone has recorded; its file is removed when the next one is asked for."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path == self._path:
                continue
            try:
                file = _locked(path, os.O_RDWR)
            except OSError:  # its process lives, or another one has just taken it over
                continue
            try:
                yield _read(file)
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            finally:
                os.close(file)

    def close(self) -> None:
        """Gives the file up, and removes it when nothing in it is waited for."""
        with self._lock:
            if self._file is not None:
                if not self._waiting:
                    self._path.unlink(missing_ok=True)
                os.close(self._file)
                self._file = None

    def _opened(self) -> int:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".new")  # nobody takes it over before it is locked
            file = _locked(draft, os.O_RDWR | os.O_CREAT)
            try:
                draft.rename(self._path)
                _sync_folder(self._folder)
            except OSError:
                os.close(file)
                raise
            self._file = file
        return self._file


def _locked(path: Path, flags: int) -> int:
    file = os.open(path, flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(file: int) -> list[Entry]:
    """The entries of a file up to where it ends: in zeros, or in a line that was not written whole."""
    written = os.pread(file, os.fstat(file).st_size, 0).partition(b"\0")[0]
    found: list[Entry] = []
    for line in written.splitlines():
        try:
            fields = orjson.loads(line)
            found.append(Entry(**fields | {"accepted_at": datetime.fromisoformat(fields["accepted_at"])}))
        except (ValueError, TypeError, KeyError):
            break
    return found
