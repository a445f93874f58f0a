"""Source files: looked at whole before anything is taken, then read row by row in little memory."""

import codecs
import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from engage.authoring.reader import did_you_mean
from engage.domain.errors import InputError, Problem
from engage.sources.mapping import FileMapping

_CHUNK = 1 << 20
_LOOKED_AT = 500
"""Lines of a JSON Lines file that are searched for the columns that a mapping names."""

_DELIMITERS = {",": ",", ";": ";", "\t": "tab", "|": "|"}
"""What may stand between columns, and how people call it."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row: its first line, the cells by column, and as they stood in the file.

    `broken` says why the row could not be read; `cells` is then what could be made out of it. `last` is the last line
    of a CSV's row, which quotes can make a later one than the first.
    """

    line: int
    values: Mapping[str, Any]
    cells: Sequence[str]
    broken: str = ""
    last: int = 0


class SourceFile:
    """One file of an import. A context manager that holds it open."""

    def __init__(self, path: Path, mapping: FileMapping) -> None:
        self._path = path
        self.mapping = mapping
        self.size = path.stat().st_size

    def check_text(self) -> None:
        """Reads the file once to see that it is text in its encoding, in lines. Raises InputError."""
        decoder = codecs.getincrementaldecoder(_codec(self.mapping.encoding))()
        position = 0
        try:
            with self._path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    self._check_chunk(chunk, position, decoder)
                    position += len(chunk)
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror}", "see to its permissions") from None

    def _check_chunk(self, chunk: bytes, position: int, decoder: codecs.IncrementalDecoder) -> None:
        if len(chunk) == _CHUNK and b"\n" not in chunk:
            raise InputError(
                f"{self.mapping.file} has a line of more than {_CHUNK:,} bytes at byte {position + 1:,}",
                "a source file has one row a line; see that this is one",
            )
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=position + len(chunk) >= self.size)
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            raise self._wrong_encoding(max(position - pending + start, 0)) from None

    def problems(self, mapping_path: str) -> list[Problem]:
        """Columns that the mapping names and the file has not, at their places in the mapping."""
        with self.open() as rows:
            if self.mapping.json_lines:
                seen = [row.values for row in islice(rows, _LOOKED_AT) if not row.broken]
                known = tuple(dict.fromkeys(name for values in seen for name in values))
                hint = "; if it is often left out, write {{ row.get('%s') }}"
            else:
                known, seen, hint = rows.header, [{}], ""
                if problem := self._other_delimiter(known, mapping_path):
                    return [problem]
        return [
            Problem(
                mapping_path,
                column.line,
                column.column,
                f"{self.mapping.file} has no column '{column.name}'",
                did_you_mean(column.name, known) + (hint % column.name if hint else ""),
            )
            for column in self.mapping.columns
            if column.name not in known and seen
        ]

    def _other_delimiter(self, header: tuple[str, ...], mapping_path: str) -> Problem | None:
        """What is wrong when the whole header is one column, which the mapping does not know."""
        missing = next((column for column in self.mapping.columns if column.name not in header), None)
        others = (mark for mark in _DELIMITERS if mark != self.mapping.delimiter and mark in header[0])
        if missing is None or len(header) != 1 or (found := next(others, None)) is None:
            return None
        shown = _DELIMITERS[found]
        message = f"the columns of {self.mapping.file} seem to be separated by {shown!r}"
        hint = f'write delimiter: "{shown}" under its file: line'
        return Problem(mapping_path, missing.line, missing.column, message, hint)

    @contextmanager
    def open(self) -> Iterator["Rows"]:
        """The rows of the file, while it is open."""
        with self._path.open("rb") as binary:
            text = io.TextIOWrapper(binary, encoding=_codec(self.mapping.encoding), newline="")
            reader = JsonRows if self.mapping.json_lines else CsvRows
            yield reader(text, binary, self.mapping)

    def _wrong_encoding(self, position: int) -> InputError:
        with self._path.open("rb") as stream:
            start = stream.read(2)
            stream.seek(0)
            line, left = 1, position
            while left and (chunk := stream.read(min(left, _CHUNK))):
                line += chunk.count(b"\n")
                left -= len(chunk)
        named = f"line {line} of {self.mapping.file} (byte {position + 1:,}) is not {self.mapping.encoding}"
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return InputError(named, "the file begins as UTF-16 does: write encoding: utf-16 under its file: line")
        return InputError(
            named, "write its encoding under its file: line, such as encoding: cp1252 for what Excel saves as CSV"
        )


class Rows(ABC):
    """Iterates over the rows of an open file; `done` is how many of its bytes have been read."""

    header: tuple[str, ...] = ()

    def __init__(self, text: io.TextIOWrapper, binary: io.BufferedReader, mapping: FileMapping) -> None:
        self._text = text
        self._binary = binary
        self._mapping = mapping

    @property
    def done(self) -> int:
        return self._binary.tell()

    @abstractmethod
    def __iter__(self) -> Iterator[SourceRow]: ...


class CsvRows(Rows):
    """Rows of a CSV file, whose first row names the columns."""

    def __init__(self, text: io.TextIOWrapper, binary: io.BufferedReader, mapping: FileMapping) -> None:
        super().__init__(text, binary, mapping)
        self._reader = csv.reader(text, delimiter=mapping.delimiter, strict=True)
        self.header = self._read_header()

    def _read_header(self) -> tuple[str, ...]:
        try:
            names = next((row for row in self._reader if row), None)
        except csv.Error as error:
            raise InputError(f"the header of {self._mapping.file} cannot be read: {error}") from None
        if names is None:
            raise InputError(f"{self._mapping.file} is empty", "an export has at least a line that names its columns")
        header = tuple(name.strip() for name in names)
        twice = sorted({name for name in header if name and header.count(name) > 1})
        if twice:
            raise InputError(f"{self._mapping.file} has two columns '{twice[0]}'", "rename one of them")
        return header

    def __iter__(self) -> Iterator[SourceRow]:
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                said = f"the line is not CSV: {error}; look at its quotes"
                yield SourceRow(line, {}, (), said, self._reader.line_num)
                continue
            if cells is None:
                return
            if cells:
                yield self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> SourceRow:
        if len(cells) != len(self.header):
            many = f"{len(cells)} cells" if len(cells) > 1 else "1 cell"
            said = f"the row has {many} where the header has {len(self.header)}; look at its quotes and delimiters"
            return SourceRow(line, {}, cells, said, self._reader.line_num)
        return SourceRow(line, dict(zip(self.header, cells, strict=True)), cells, last=self._reader.line_num)


class JsonRows(Rows):
    """Rows of a JSON Lines file: an object a line."""

    def __iter__(self) -> Iterator[SourceRow]:
        for line, text in enumerate(self._text, start=1):
            if not text.strip():
                continue
            try:
                values = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                yield SourceRow(line, {}, (text.rstrip("\r\n"),), f"the line is not JSON: {error}")
                continue
            broken = "" if isinstance(values, dict) else "the line is JSON, but not an object with columns"
            yield SourceRow(line, values if not broken else {}, (text.rstrip("\r\n"),), broken)


def find_files(directory: Path, mappings: Sequence[FileMapping]) -> list[SourceFile]:
    """The files of a mapping in the folder. Raises InputError when the folder or one of them is missing."""
    if not directory.is_dir():
        raise InputError(f"{directory} is not a folder", "name the folder that holds the exported files")
    missing = [mapping.file for mapping in mappings if not (directory / mapping.file).is_file()]
    if missing:
        there = sorted(path.name for path in directory.iterdir() if path.is_file())
        hint = did_you_mean(missing[0], there) or "the folder is empty"
        raise InputError(f"{directory} has no {' and no '.join(missing)}", hint)
    return [SourceFile(directory / mapping.file, mapping) for mapping in mappings]


def _codec(encoding: str) -> str:
    # Excel begins UTF-8 with a byte order mark, which is no part of the first column's name.
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
