"""Rows that could not be taken, kept with their line and the reason, to be mended and imported again."""

import csv
import json
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from engage.domain.errors import InputError
from engage.sources.files import SourceRow
from engage.sources.mapping import FileMapping

LINE, REASON = "_line", "_reason"
"""The two columns in front of the original ones. A mapping does not see them when a mended file is imported."""


class Rejects:
    """The rejects of one file, `<file>.rejects.csv` or `.rejects.jsonl`; made when there is a first, else removed."""

    def __init__(self, folder: Path, mapping: FileMapping, header: Iterable[str]) -> None:
        self._mapping = mapping
        self.path = folder / f"{mapping.file}.rejects.{'jsonl' if mapping.json_lines else 'csv'}"
        self._kept = [place for place, name in enumerate(header) if name not in (LINE, REASON)]
        self._header = [name for name in header if name not in (LINE, REASON)]
        self._stream: TextIO | TextIOWrapper | None = None

    def __enter__(self) -> Self:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def write(self, row: SourceRow, reason: str) -> None:
        """Raises InputError when the folder cannot be written to."""
        try:
            stream = self._stream or self._open()
            if self._mapping.json_lines:
                told = {LINE: row.line, REASON: reason}
                content = {name: value for name, value in row.values.items() if name not in told}
                whole = told | ({"_text": row.cells[0]} if row.broken else content)
                stream.write(json.dumps(whole, ensure_ascii=True, default=str) + "\n")
            else:
                cells = [row.cells[place] for place in self._kept] if not row.broken else row.cells
                csv.writer(stream, delimiter=self._mapping.delimiter).writerow([row.line, reason, *cells])
        except OSError as error:
            raise self._unwritable(error) from None

    def _open(self) -> TextIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # surrogateescape would hide what a cell held; a reject shows it in ASCII where it must.
        self._stream = stream = self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        if not self._mapping.json_lines:
            csv.writer(stream, delimiter=self._mapping.delimiter).writerow([LINE, REASON, *self._header])
        return stream

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(f"{self.path} cannot be written: {error.strerror}", "give another folder with --rejects")
