"""Reads what people said before engage from a CSV: a row is one no, to everything or to one topic."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engage.authoring.reader import did_you_mean
from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.errors import InputError, UsageError
from engage.domain.programs import Program
from engage.domain.records import Outcome
from engage.sources.files import CsvRows, SourceRow
from engage.sources.importing import Counts, FileReport
from engage.sources.mapping import FileMapping
from engage.sources.rejects import Rejects
from engage.sources.values import instant
from engage.store.refusals import address_key

BATCH = 1000

UNSUBSCRIBE = "unsubscribe"
_OF_A_GROUP = "group unsubscribe"
KINDS: dict[str, str] = {
    **dict.fromkeys(("unsubscribe", "unsubscribed", "opt out", "opted out", "optout", _OF_A_GROUP), UNSUBSCRIBE),
    **dict.fromkeys(
        ("stop all", "stop", "suppression", "suppressed", "global unsubscribe", "do not contact", "blocklisted"),
        SuppressionReason.STOP_ALL,
    ),
    **dict.fromkeys(
        ("complaint", "complained", "spam report", "spamreport", "spam", "abuse"), SuppressionReason.COMPLAINT
    ),
    **dict.fromkeys(("bounce", "bounced", "hard bounce", "hard", "cleaned"), SuppressionReason.BOUNCE),
    **dict.fromkeys(("invalid", "invalid email", "invalid address"), SuppressionReason.INVALID),
}
"""What a row may call its kind, in any case, with blanks, - or _ between words, and what that is."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "email": ("email", "email address", "e mail", "e mail address", "mail", "recipient"),
    "kind": ("kind", "type", "event"),
    "topic": ("topic",),
    "at": ("at", "date", "created", "created at", "unsub time", "clean time", "unsubscribed at", "timestamp"),
    "source": ("source",),
}
"""What a header may call each column, in the same way."""

_PASSING = ("block", "blocked", "blocks", "soft bounce", "soft", "deferred")
_DELIMITERS = (",", ";", "\t")
_UNIX = re.compile(r"(\d{10})\d{3}|\d{9,11}", re.ASCII)
"""Milliseconds since 1970, or seconds."""

Take = Callable[[Sequence[Refusal]], Sequence[Outcome]]
"""Takes a batch and says what became of each refusal."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read, for one program. `kind` and `topic` stand for a column that the file has not."""

    program: Program
    kind: str = ""
    topic: str = ""
    encoding: str = "utf-8"
    date_format: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalsReport(FileReport):
    """`joined` lines are among the rejected: quotes made them parts of rows that they are not."""

    joined: int = 0


def import_refusals(path: Path, reading: Reading, take: Take, rejects: Path | None) -> RefusalsReport:
    """Reads the file and hands over all that can be taken; what cannot goes to a file in the folder `rejects`.

    The whole file is looked at first: that it is text in its encoding and has the columns. Raises InputError then, and
    UsageError for a topic that is given with a kind that has none.
    """
    kind, topic = _given(reading)
    rows = _LineByLine(path, reading.encoding)
    columns = _columns(path, rows.header, kind)
    reader = _RowReader(reading, columns, kind, topic, path.name)
    counts = Counts()
    if rejects is None:
        for lot in _lots(rows):
            counts += _take(lot, reader, take, None)
        return RefusalsReport(path.name, counts, joined=rows.joined)
    with Rejects(rejects, rows.mapping, rows.header) as kept:
        for lot in _lots(rows):
            counts += _take(lot, reader, take, kept)
    return RefusalsReport(path.name, counts, kept.path if counts.rejected else None, joined=rows.joined)


def _take(lot: Sequence[SourceRow], reader: "_RowReader", take: Take, rejects: Rejects | None) -> Counts:
    read: list[Refusal] = []
    rejected = 0
    for row in lot:
        try:
            read.append(reader.read(row))
        except ValueError as error:
            rejected += 1
            if rejects is not None:
                rejects.write(row, str(error))
    outcomes = list(take(read)) if read else []
    accepted = outcomes.count(Outcome.ACCEPTED)
    return Counts(len(lot), accepted, len(outcomes) - accepted, rejected)


class _RowReader:
    def __init__(self, reading: Reading, columns: Mapping[str, str], kind: str, topic: str, file: str) -> None:
        self._program = reading.program
        self._date: Callable[[str], datetime] = instant(ZoneInfo(reading.program.zone), reading.date_format)
        self._date_format = reading.date_format
        self._columns = columns
        self._kind, self._topic, self._file = kind, topic, file

    def read(self, row: SourceRow) -> Refusal:
        """Raises ValueError with what is wrong."""
        if row.broken:
            raise ValueError(row.broken)
        cells = {name: row.values[column].strip().replace("\0", "") for name, column in self._columns.items()}
        if not cells["email"]:
            raise ValueError("email is missing")
        kind = _kind(cells.get("kind", "")) or self._kind
        if not kind:
            raise ValueError("kind is missing")
        topic = cells.get("topic", "") or self._topic
        if not topic and _folded(cells.get("kind", "")) == _OF_A_GROUP:
            raise ValueError("topic is missing: an unsubscribe of a group is not one of everything")
        refusal = Refusal(
            email=address_key(cells["email"]),
            at=self._instant(cells.get("at", "")),
            source=cells.get("source", "") or self._file,
        )
        return _said(refusal, kind, topic, self._program)

    def _instant(self, text: str) -> datetime | None:
        if not text:
            return None
        # before ISO, to which some thirteen digits are an hour in the year 1212; the given form goes before both
        unix = _UNIX.fullmatch(text)
        if unix and not _has_form(text, self._date_format):
            return datetime.fromtimestamp(int(unix[1] or text), UTC)
        try:
            dated: datetime = self._date(text)
        except ValueError:
            if self._date_format:
                said = f"is neither '{self._date_format}', nor an ISO date, nor seconds or milliseconds since 1970"
            else:
                said = "is not a date such as 2026-11-02 or 2026-11-02T09:00:00Z; say its form with --date-format"
            raise ValueError(f"'{text}' {said}") from None
        return dated


def _has_form(text: str, date_format: str | None) -> bool:
    try:
        return date_format is not None and bool(datetime.strptime(text, date_format))  # noqa: DTZ007 (only a question)
    except ValueError:
        return False


def _said(refusal: Refusal, kind: str, topic: str, program: Program) -> Refusal:
    """The refusal with what is refused: an unsubscribe without a topic is of everything, other kinds always are."""
    if kind == UNSUBSCRIBE and topic:
        return Refusal(refusal.email, None, _topic(topic, program), refusal.at, refusal.source)
    reason = SuppressionReason.STOP_ALL if kind == UNSUBSCRIBE else SuppressionReason(kind)
    return Refusal(refusal.email, reason, None, refusal.at, refusal.source)


def _topic(text: str, program: Program) -> str:
    """The key of a topic that is written in any case. Raises ValueError for one that cannot be refused."""
    key = next((one for one in program.topics if one.casefold() == text.casefold()), text)
    topic = program.topics.get(key)
    refusable = [name for name, one in program.topics.items() if not one.transactional]
    if topic is None:
        raise ValueError(f"unknown topic '{key}'; {did_you_mean(key, refusable)}")
    if topic.transactional:
        raise ValueError(f"topic '{key}' is transactional and cannot be refused alone; to refuse all, write stop_all")
    return key


def _kind(text: str) -> str:
    """What a kind means, "" for none. Raises ValueError for one that is not known."""
    word = _folded(text)
    if not word:
        return ""
    if word in _PASSING:
        raise ValueError(f"'{text}' passes: it is no reason never to mail an address again; leave the row out")
    known = KINDS.get(word) or KINDS.get(word.removesuffix("s"))
    if known is None:
        raise ValueError(f"unknown kind '{text}'; write unsubscribe, stop_all, complaint, bounce or invalid")
    return known


def _folded(text: str) -> str:
    return " ".join(re.split(r"[\s_-]+", text.strip().casefold()))


def _given(reading: Reading) -> tuple[str, str]:
    """What the caller says of the whole file."""
    try:
        kind = _kind(reading.kind)
        if reading.topic:
            _topic(reading.topic, reading.program)
    except ValueError as error:
        raise InputError(*str(error).split("; ", 1)) from None
    if reading.topic and kind not in ("", UNSUBSCRIBE):
        raise UsageError(f"--kind {reading.kind} is of all mail and has no topic", "leave out --topic")
    return kind, reading.topic


class _LineByLine:
    """The rows of a CSV file, all of which is text in its encoding.

    Unbalanced quotes make one row of many people. Such a row comes as its lines, each a broken row, with the cells that
    the line has by itself. `joined` counts them.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        text = _text(path, encoding)
        header = text.lstrip("\r\n").partition("\n")[0]
        delimiter = max(_DELIMITERS, key=header.count)
        self.mapping = FileMapping(records=(), columns=(), file=path.name, encoding="utf-8", delimiter=delimiter)
        content = text.encode()
        binary: Any = io.BytesIO(content)
        self._rows = CsvRows(io.TextIOWrapper(binary, encoding="utf-8", newline=""), binary, self.mapping)
        self._lines = enumerate(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""), start=1)
        self.header = self._rows.header
        self.joined = 0
        if any(_holds_lines_of_people(name) for name in self.header):
            raise InputError(f"the header of {path.name} goes over several lines", "look at the quotes in its first")

    def __iter__(self) -> Iterator[SourceRow]:
        for row in self._rows:
            if row.last > row.line and (row.broken or any(map(_holds_lines_of_people, row.cells))):
                said = f"lines {row.line} to {row.last} were read as one row; look at the quotes in line {row.line}"
                for one in self._apart(row, said):
                    self.joined += 1
                    yield one
            elif row.broken and not row.cells:
                yield from self._apart(row, row.broken)
            else:
                yield row

    def _apart(self, row: SourceRow, broken: str) -> Iterator[SourceRow]:
        for number, line in self._lines:
            if number >= row.line and line.strip():
                yield SourceRow(number, {}, self._cells(line.rstrip("\r\n")), broken, number)
            if number == row.last:
                return

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.mapping.delimiter))
        except csv.Error:
            return [line]


def _holds_lines_of_people(cell: str) -> bool:
    return "@" in cell and ("\n" in cell or "\r" in cell)


def _text(path: Path, encoding: str) -> str:
    try:
        content = path.read_bytes()
        utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        if content.startswith(codecs.BOM_UTF8) and not utf8:
            raise InputError(f"{path.name} is not {encoding}", "the file begins as UTF-8 does: leave --encoding out")
        return content.decode("utf-8-sig" if utf8 else encoding)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "name the CSV file") from None
    except LookupError:
        raise InputError(f"there is no encoding '{encoding}'", "write one such as utf-8 or cp1252") from None
    except UnicodeError as error:
        place = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content[:place].count(b"\n") + 1
        hint = "say its encoding, such as --encoding cp1252 for what Excel saves as CSV"
        raise InputError(f"line {line} of {path.name} is not {encoding}", hint) from None


def _columns(path: Path, header: Sequence[str], kind: str) -> dict[str, str]:
    """The header's name of each column that is there. Raises InputError when one that is needed is not."""
    found: dict[str, str] = {}
    for name, words in COLUMNS.items():
        columns = [column for column in header if _folded(column) in words]
        if len(columns) > 1:
            message = f"{path.name} has two columns that could be {name}: '{columns[0]}' and '{columns[1]}'"
            raise InputError(message, "rename or remove one")
        if columns:
            found[name] = columns[0]
    if "email" not in found:
        raise InputError(f"{path.name} has no column 'email'", did_you_mean("email", header))
    if "kind" not in found and not kind:
        hint = "add it, or say of the whole file: --kind unsubscribe (or stop_all, complaint, bounce, invalid)"
        raise InputError(f"{path.name} has no column 'kind'", hint)
    return found


def _lots(rows: Iterable[SourceRow]) -> Iterator[list[SourceRow]]:
    source = iter(rows)
    while lot := list(islice(source, BATCH)):
        yield lot
