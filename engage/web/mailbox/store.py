"""Keeps the mailbox's messages in one append-only file and finds them again.

A record is a line of JSON (the summary and the size of the request), the request's bytes as they came, and a line end:
one write a message, nothing is encoded twice. In memory are only offsets and what the filters ask for, some 350 bytes
a message. SQLite would index as well, but costs several times as much a message, and nothing here needs its queries.

What a killed process has appended is in the system's page cache and stays; what was synced stays even when the power
fails. A record cut short is dropped when the file is opened.
"""

import fcntl
import os
import secrets
import sys
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import orjson

from engage.domain.errors import EngageError
from engage.web.mailbox.summary import Summary

_FILE = "messages.log"


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the messages, newest first; `older` is where the next page begins, if there is one."""

    messages: list[Summary]
    older: int | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The ids of the messages received right before and after one."""

    older: str | None
    newer: str | None


class MailStore:
    """The messages in the folder `path`, or with None in a temporary file. Safe to use from several threads.

    Raises EngageError when the folder cannot be written, or another process has it open.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.folder = path
        self._file = _opened(path)
        self._lock = Lock()
        self._forget()
        self._load()

    @property
    def version(self) -> str:
        """Changes whenever the list of messages does."""
        return f"{self._generation}-{len(self._ids)}"

    def __len__(self) -> int:
        return len(self._ids)

    def campaigns(self) -> dict[str, int]:
        """How many messages there are of each campaign, by name; "" for those of none."""
        with self._lock:
            return dict(sorted(self._by_campaign.items()))

    def append(self, summary: Summary, request: bytes) -> None:
        """Keeps a message. Raises OSError when the disk does not take it; nothing of it is then kept."""
        head = orjson.dumps({**summary.fields(), "size": len(request)}) + b"\n"
        with self._lock:
            size = len(head) + len(request) + 1
            written = os.pwritev(self._file.fileno(), [head, request, b"\n"], self._end)
            if written != size:
                os.ftruncate(self._file.fileno(), self._end)
                raise OSError("the disk is full")
            self._remember(summary, len(head), len(request))

    def sync(self) -> None:
        """Has the disk keep what was appended before; there is nothing to keep without a folder. Raises OSError."""
        if self.folder is not None:
            os.fdatasync(self._file.fileno())

    def clear(self) -> None:
        """Forgets every message, on disk too."""
        with self._lock:
            os.ftruncate(self._file.fileno(), 0)
            self._forget()

    def page(self, campaign: str = "", to: str = "", before: int | None = None, limit: int = 50) -> Page:
        """The newest messages received before number `before`, of one campaign, to addresses containing `to`."""
        found: list[int] = []
        with self._lock:
            start = len(self._ids) if before is None else min(before, len(self._ids))
            for number in self._matching(range(start - 1, -1, -1), campaign, to):
                found.append(number)
                if len(found) > limit:
                    break
        return Page(self._read_summaries(found[:limit]), found[limit - 1] if len(found) > limit else None)

    def every(self, campaign: str = "", to: str = "", chunk: int = 500) -> Iterator[list[Summary]]:
        """All that match, oldest first, some at a time."""
        with self._lock:
            found = list(self._matching(range(len(self._ids)), campaign, to))
        for first in range(0, len(found), chunk):
            yield self._read_summaries(found[first : first + chunk])

    def read(self, message_id: str) -> tuple[Summary, bytes]:
        """A message and the request that brought it. Raises KeyError when there is none of that id."""
        with self._lock:
            number = self._numbers[message_id]
            offset, head, size = self._offsets[number], self._heads[number], self._sizes[number]
        record = os.pread(self._file.fileno(), head + size, offset)
        if len(record) < head + size:  # cleared in between
            raise KeyError(message_id)
        return _summary(record[:head])[0], record[head:]

    def neighbours(self, message_id: str) -> Neighbours:
        """Who comes before and after. Raises KeyError when there is no message of that id."""
        with self._lock:
            number = self._numbers[message_id]
            last = len(self._ids) - 1
            return Neighbours(
                older=self._ids[number - 1] if number > 0 else None,
                newer=self._ids[number + 1] if number < last else None,
            )

    def close(self) -> None:
        """Lets another process open the folder."""
        self._file.close()

    def _matching(self, numbers: Sequence[int], campaign: str, to: str) -> Iterator[int]:
        wanted = to.strip().lower()
        for number in numbers:
            if (not campaign or self._campaigns[number] == campaign) and wanted in self._recipients[number]:
                yield number

    def _read_summaries(self, numbers: Sequence[int]) -> list[Summary]:
        with self._lock:
            places = [(self._heads[n], self._offsets[n]) for n in numbers if n < len(self._ids)]
        lines = [os.pread(self._file.fileno(), size, offset) for size, offset in places]
        return [_summary(line)[0] for line in lines if line.endswith(b"\n")]

    def _forget(self) -> None:
        self._end = 0
        self._offsets, self._heads, self._sizes = array("Q"), array("I"), array("I")
        self._ids: list[str] = []
        self._campaigns: list[str] = []
        self._recipients: list[str] = []
        self._numbers: dict[str, int] = {}
        self._by_campaign: Counter[str] = Counter()
        self._generation = secrets.token_urlsafe(6)

    def _remember(self, summary: Summary, head: int, size: int) -> None:
        self._numbers[summary.id] = len(self._ids)
        self._ids.append(summary.id)
        self._offsets.append(self._end)
        self._heads.append(head)
        self._sizes.append(size)
        self._campaigns.append(sys.intern(summary.campaign))
        self._recipients.append(summary.to.lower())
        self._by_campaign[summary.campaign] += 1
        self._end += head + size + 1

    def _load(self) -> None:
        for summary, head, size in _records(self._file):
            self._remember(summary, head, size)
        os.ftruncate(self._file.fileno(), self._end)


def read_log(folder: Path) -> Iterator[Summary]:
    """What the mailbox in a folder has taken, oldest first, read without it: it may be running, or have been killed."""
    with (folder / _FILE).open("rb") as file:
        for summary, _, _ in _records(file):
            yield summary


def _records(file: BinaryIO) -> Iterator[tuple[Summary, int, int]]:
    """Each whole record with the sizes of its first line and of its request."""
    end, length = 0, os.fstat(file.fileno()).st_size
    while line := file.readline():
        try:
            summary, size = _summary(line)
        except (ValueError, TypeError, KeyError):
            return
        end += len(line) + size + 1
        if end > length:
            return
        yield summary, len(line), size
        file.seek(end)


def _summary(line: bytes) -> tuple[Summary, int]:
    fields: dict[str, Any] = orjson.loads(line)
    size = int(fields.pop("size"))
    return Summary(**fields), size


def _opened(path: Path | None) -> BinaryIO:
    if path is None:
        return tempfile.TemporaryFile()
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path / _FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise EngageError(
            f"the mailbox cannot keep its mail in {path}: {error.strerror}",
            "set ENGAGE_DATA_DIR to a folder that can be written",
        ) from None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise EngageError(
            f"another process has the mailbox in {path} open", "stop it, or give this one another ENGAGE_DATA_DIR"
        ) from error
    return file
