"""Reads what people said before engage from a CSV: a row is one no, to everything or to one topic."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engage.authoring.reader import did_you_mean
from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.errors import InputError
from engage.domain.programs import Program
from engage.domain.records import Outcome
from engage.sources.files import CsvRows, SourceRow
from engage.sources.importing import Counts, FileReport
from engage.sources.mapping import FileMapping
from engage.sources.rejects import Rejects
from engage.store.refusals import address_key

BATCH = 1000

UNSUBSCRIBE = "unsubscribe"
KINDS: dict[str, str] = {
    **dict.fromkeys(("unsubscribe", "unsubscribed", "opt out", "opted out", "optout"), UNSUBSCRIBE),
    **dict.fromkeys(
        ("stop all", "stop", "suppression", "suppressed", "global unsubscribe", "do not contact", "blocklisted"),
        SuppressionReason.STOP_ALL,
    ),
    **dict.fromkeys(("complaint", "complained", "spam report", "spam", "abuse"), SuppressionReason.COMPLAINT),
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
_UNIX = re.compile(r"\d{9,11}", re.ASCII)

Take = Callable[[Sequence[Refusal]], Sequence[Outcome]]
"""Takes a batch and says what became of each refusal."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read, for one program. `kind` and `topic` stand for a column that the file has not."""

    program: Program
    kind: str = ""
    topic: str = ""
    encoding: str = "utf-8"


def import_refusals(path: Path, reading: Reading, take: Take, rejects: Path | None) -> FileReport:
    """Reads the file and hands over all that can be taken; what cannot goes to a file in the folder `rejects`.

    The whole file is looked at first: that it is text in its encoding and has the columns. Raises InputError then.
    """
    kind, topic = _given(reading)
    rows, delimiter = _open(path, reading.encoding)
    columns = _columns(path, rows.header, kind)
    mapping = FileMapping(records=(), columns=(), file=path.name, encoding=reading.encoding, delimiter=delimiter)
    reader = _RowReader(reading.program, columns, kind, topic, path.name)
    counts = Counts()
    if rejects is None:
        for lot in _lots(rows):
            counts += _take(lot, reader, take, None)
        return FileReport(path.name, counts)
    with Rejects(rejects, mapping, rows.header) as kept:
        for lot in _lots(rows):
            counts += _take(lot, reader, take, kept)
    return FileReport(path.name, counts, kept.path if counts.rejected else None)


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
    def __init__(self, program: Program, columns: Mapping[str, str], kind: str, topic: str, file: str) -> None:
        self._program = program
        self._zone = ZoneInfo(program.zone)
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
        refusal = Refusal(
            email=address_key(cells["email"]),
            at=self._instant(cells.get("at", "")),
            source=cells.get("source", "") or self._file,
        )
        return _said(refusal, kind, topic, self._program)

    def _instant(self, text: str) -> datetime | None:
        if not text:
            return None
        if _UNIX.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"'{text}' is not a date such as 2026-11-02 or 2026-11-02T09:00:00Z") from None


def _said(refusal: Refusal, kind: str, topic: str, program: Program) -> Refusal:
    """The refusal with what is refused: an unsubscribe without a topic is of everything, other kinds always are."""
    if kind == UNSUBSCRIBE and topic:
        _check_topic(topic, program)
        return Refusal(refusal.email, None, topic, refusal.at, refusal.source)
    reason = SuppressionReason.STOP_ALL if kind == UNSUBSCRIBE else SuppressionReason(kind)
    return Refusal(refusal.email, reason, None, refusal.at, refusal.source)


def _check_topic(key: str, program: Program) -> None:
    topic = program.topics.get(key)
    refusable = [name for name, one in program.topics.items() if not one.transactional]
    if topic is None:
        raise ValueError(f"unknown topic '{key}'; {did_you_mean(key, refusable)}")
    if topic.transactional:
        raise ValueError(f"topic '{key}' is transactional and cannot be refused alone; to refuse all, write stop_all")


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
            _check_topic(reading.topic, reading.program)
    except ValueError as error:
        raise InputError(*str(error).split("; ", 1)) from None
    return kind, reading.topic


def _open(path: Path, encoding: str) -> tuple[CsvRows, str]:
    """The rows of the file, all of which is text in its encoding, and what stands between the columns."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "name the CSV file") from None
    except LookupError:
        raise InputError(f"there is no encoding '{encoding}'", "write one such as utf-8 or cp1252") from None
    except UnicodeError as error:
        place = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content[:place].count(b"\n") + 1
        hint = "say its encoding, such as --encoding cp1252 for what Excel saves as CSV"
        raise InputError(f"line {line} of {path.name} is not {encoding}", hint) from None
    header = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    mapping = FileMapping(records=(), columns=(), file=path.name, encoding="utf-8", delimiter=delimiter)
    binary: Any = io.BytesIO(text.encode())
    return CsvRows(io.TextIOWrapper(binary, encoding="utf-8", newline=""), binary, mapping), delimiter


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


def _lots(rows: CsvRows) -> Iterator[list[SourceRow]]:
    source = iter(rows)
    while lot := list(islice(source, BATCH)):
        yield lot
