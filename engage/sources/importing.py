"""Imports a folder of source files through a mapping: all is checked first, then taken batch by batch.

Memory does not grow with the files. What the store does with a batch is handed in: this module knows no database.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engage.domain.errors import AuthoringError
from engage.domain.records import Outcome, Record, Taken
from engage.sources.files import Rows, SourceFile, SourceRow, find_files
from engage.sources.mapping import FileMapping, SourceMapping
from engage.sources.rejects import Rejects

BATCH = 500

Take = Callable[[Sequence[Sequence[Record]]], Sequence[Taken]]
"""Takes a batch of rows in one transaction and says what became of each."""
Progress = Callable[[str, int, int], None]
"""Is told a file's name, how many of its bytes have been read, and how many there are."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Source rows: each one read is accepted (stored or changed something), unchanged or rejected."""

    read: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.read + other.read,
            self.accepted + other.accepted,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class FileReport:
    """`rejects` is the file with the rejected rows, None if there were none or they were not asked for."""

    file: str
    counts: Counts
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class Report:
    files: tuple[FileReport, ...]

    @property
    def total(self) -> Counts:
        return sum((report.counts for report in self.files), Counts())

    def as_json(self) -> dict[str, Any]:
        """`{"files": [{"file", "read", "accepted", "unchanged", "rejected"}], "total": {…}}`"""
        return {
            "files": [{"file": report.file, **asdict(report.counts)} for report in self.files],
            "total": asdict(self.total),
        }


def import_directory(
    directory: Path,
    mapping: SourceMapping,
    take: Take,
    *,
    rejects: Path | None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Report:
    """Imports the mapping's files from the folder, in the mapping's order; the same again changes nothing.

    Every file is looked at before anything is taken: that it is there, is text in its encoding and has the columns
    that the mapping names. Raises InputError or AuthoringError then. A row that cannot be taken goes to `rejects`.
    """
    files = find_files(directory, mapping.files)
    for file in files:
        file.check_text()
    problems = [problem for file in files for problem in file.problems(mapping.path)]
    if problems:
        raise AuthoringError(tuple(sorted(problems)))
    return Report(tuple(_import_file(file, take, rejects, batch, progress) for file in files))


def _import_file(
    file: SourceFile, take: Take, folder: Path | None, batch: int, progress: Progress | None
) -> FileReport:
    counts = Counts()
    with ExitStack() as open_files:
        rows = open_files.enter_context(file.open())
        rejects = None
        if folder is not None:
            rejects = open_files.enter_context(Rejects(folder, file.mapping, rows.header))
        for lot in _lots(rows, batch):
            outcomes = _take(lot, file.mapping, take)
            for row, taken in zip(lot, outcomes, strict=True):
                if rejects is not None and taken.outcome is Outcome.REJECTED:
                    rejects.write(row, taken.reason)
            counts += _count(outcomes)
            if progress is not None:
                progress(file.mapping.file, rows.done, file.size)
    kept = rejects.path if rejects is not None and counts.rejected else None
    return FileReport(file.mapping.file, counts, kept)


def _take(lot: Sequence[SourceRow], mapping: FileMapping, take: Take) -> list[Taken]:
    """What became of each row of the lot, those included that never reached the store."""
    outcomes: dict[int, Taken] = {}
    read: dict[int, list[Record]] = {}
    for place, row in enumerate(lot):
        try:
            if row.broken:
                raise ValueError(row.broken)
            read[place] = mapping.read(row.values)
        except ValueError as error:
            outcomes[place] = Taken(Outcome.REJECTED, str(error))
    outcomes.update(zip(read, take(list(read.values())), strict=True))
    return [outcomes[place] for place in range(len(lot))]


def _count(outcomes: Sequence[Taken]) -> Counts:
    found = [taken.outcome for taken in outcomes]
    return Counts(len(found), *(found.count(outcome) for outcome in Outcome))


def _lots(rows: Rows, size: int) -> Iterator[list[SourceRow]]:
    source: Iterable[SourceRow] = iter(rows)
    while lot := list(islice(source, size)):
        yield lot
