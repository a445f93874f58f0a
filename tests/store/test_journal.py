"""The journal: what it has taken comes back, whoever dies and however full the disk is."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.domain.errors import ServiceUnreachable
from engage.store.journal import Entry, Journal

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def entry(number: int) -> Entry:
    return Entry(f"delivery-{number}", 1, f"x-{number}", AT)


def dies(journal: Journal) -> None:
    """As a killed process leaves its journal: the lock is gone, the file is not."""
    assert journal._file is not None
    os.close(journal._file)
    journal._file = None


def left_behind(folder: Path) -> list[Entry]:
    following = Journal(folder)
    found = [one for entries in following.left_behind() for one in entries]
    following.close()
    return found


def test_what_a_process_has_recorded_is_taken_over_once_it_is_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.make_room()
    journal.append([entry(1), entry(2)])
    journal.append([entry(3)])
    assert left_behind(tmp_path) == [], "it lives"
    dies(journal)
    assert left_behind(tmp_path) == [entry(1), entry(2), entry(3)]
    assert left_behind(tmp_path) == [], "and was removed when it was read"


def test_an_entry_that_could_not_be_replayed_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([entry(1)])
    dies(journal)
    replaying = Journal(tmp_path).left_behind()
    assert next(replaying) == [entry(1)]
    replaying.close()  # type: ignore[attr-defined]  # as when the database is away
    assert left_behind(tmp_path) == [entry(1)]


def test_what_the_database_has_is_forgotten_and_the_room_is_there_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(2_000):
        journal.make_room()
        journal.append([entry(number)])
        journal.forget([entry(number)])
    assert journal.entries() == []
    (path,) = tmp_path.glob("*.journal")
    assert path.stat().st_size <= 128 * 1024
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_entries_that_came_while_others_were_replayed_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([entry(1)])
    known = journal.entries()
    journal.append([entry(2)])
    journal.forget(known)
    assert journal.entries() == [entry(2)]
    dies(journal)
    assert entry(2) in left_behind(tmp_path)


@pytest.mark.parametrize("torn", [b'{"delivery": "2", "att', b"\x00\x00", b'{"delivery": "2"}\n'])
def test_a_line_that_was_not_written_whole_ends_what_is_read(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(tmp_path)
    journal.append([entry(1)])
    assert journal._file is not None
    os.pwrite(journal._file, torn, journal._end)
    dies(journal)
    assert left_behind(tmp_path) == [entry(1)]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: no file grows beyond `size`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_there_is_no_room_and_what_had_room_is_recorded(tmp_path: Path) -> None:
    started = Journal(tmp_path)
    started.make_room()
    with files_no_larger_than(64 * 1024):
        started.append([entry(number) for number in range(32)])
        started.append([entry(number) for number in range(32, 500)])
        with pytest.raises(ServiceUnreachable, match="make room there"):
            started.make_room()
    dies(started)
    assert left_behind(tmp_path)[:32] == [entry(number) for number in range(32)]


def test_beyond_its_room_a_full_disk_is_an_error_and_nothing_half_written_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with files_no_larger_than(100):
        journal.append([entry(1)])
        with pytest.raises(OSError) as error:  # noqa: PT011 - its number says it
            journal.append([entry(2)])
    assert error.value.errno in (errno.ENOSPC, errno.EFBIG)
    dies(journal)
    assert left_behind(tmp_path) == [entry(1)]
