"""mapping.yaml becomes a `SourceMapping`, or problems that name line, column and what to write instead."""

import codecs
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

from engage.authoring.document import Mapping as Entries
from engage.authoring.document import Node, Scalar, Sequence, read_document
from engage.authoring.reader import Fields, Reader, did_you_mean
from engage.domain.errors import InputError
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program
from engage.sources.expressions import FILTERS, Expression, is_expression
from engage.sources.mapping import KINDS, FileMapping, Kind, NamedColumn, RecordMapping, SourceMapping
from engage.sources.values import ATTRIBUTE_TYPES, Column, Constant, Convert, Field, Source, Value, instant, money, text

_FILE_KEYS = ("encoding", "delimiter")
_VALUE_KEYS = ("column", "expression", "value")


def load_mapping(path: Path, programs: Mapping[str, Program]) -> SourceMapping:
    """Reads a mapping for one of the programs: the one it names, or the only one.

    Raises AuthoringError with every problem found, InputError when the file cannot be read.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "give the mapping with --mapping") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start + 1})", "save it as UTF-8") from None
    return _MappingReader(str(path), programs).read(read_document(source, str(path)))


class _MappingReader:
    """Reads one mapping. After a problem it goes on, so that one run finds everything."""

    def __init__(self, path: str, programs: Mapping[str, Program]) -> None:
        self._reader = Reader(path)
        self._programs = programs
        self._columns: list[NamedColumn] = []

    def read(self, root: Node) -> SourceMapping:
        fields = self._reader.fields(root, "a mapping", ("files",), ("program", "timezone", "date_format"))
        self._program = self._read_program(fields, root)
        self._zone = ZoneInfo(fields.parsed("timezone", _zone, self._program.zone))
        self._date_format = self._read_date_format(fields)
        nodes = fields.items("files")
        files = tuple(self._file(node) for node in nodes)
        seen: set[str] = set()
        for file, node in zip(files, nodes, strict=True):
            if file.file in seen:
                self._reader.problem(node, f"{file.file} stands here twice", "put all its records under one entry")
            seen.add(file.file)
        self._reader.finish()
        return SourceMapping(self._reader.path, self._program, files)

    def _read_program(self, fields: Fields, root: Node) -> Program:
        if "program" in fields:
            key = self._reader.choice(fields["program"], "program", self._programs)
        elif len(self._programs) > 1:
            key = ""
            self._reader.problem(root, "a mapping has no 'program'", f"name one of {', '.join(self._programs)}")
        else:
            key = next(iter(self._programs), "")
        if not self._programs:
            raise InputError("there is no program to import into", "write campaigns/program.yaml")
        return self._programs.get(key) or next(iter(self._programs.values()))

    def _read_date_format(self, fields: Fields) -> str | None:
        return fields.parsed("date_format", _date_format) or None

    def _file(self, node: Node) -> FileMapping:
        self._columns = []
        fields = self._reader.fields(node, "a file", ("file",), (*_FILE_KEYS, *KINDS))
        records = tuple(record for kind in KINDS if kind in fields for record in self._records(kind, fields[kind]))
        written = {key.text for key, _ in node.entries} if isinstance(node, Entries) else set(KINDS)
        if written <= {"file", *_FILE_KEYS}:
            self._reader.problem(node, "a file makes no records", f"add one of {', '.join(KINDS)}")
        return FileMapping(
            file=fields.parsed("file", _file_name),
            encoding=fields.parsed("encoding", _encoding, "utf-8"),
            delimiter=fields.parsed("delimiter", _delimiter, ","),
            records=records,
            columns=tuple(self._columns),
        )

    def _records(self, kind: str, node: Node) -> list[RecordMapping]:
        nodes = self._reader.items(node, kind) if isinstance(node, Sequence) else (node,)
        return [self._record(kind, KINDS[kind], each) for each in nodes]

    def _record(self, name: str, kind: Kind, node: Node) -> RecordMapping:
        more = ("attributes", "if") if kind.attributes else ("if",)
        fields = self._reader.fields(node, name, kind.required, (*kind.optional, *more))
        known = self._closed_lists(name)
        read = [
            self._field(key, fields[key], kind, known.get(key))
            for key in (*kind.required, *kind.optional)
            if key in fields
        ]
        attributes = [self._attribute(key.text, value) for key, value in fields.entries("attributes")]
        condition = Value(self._source(fields["if"])) if "if" in fields else None
        return RecordMapping(name, tuple(read), tuple(attributes), condition)

    def _closed_lists(self, kind: str) -> dict[str, tuple[str, ...]]:
        """The values that fields with a closed list may have."""
        if kind == "partner":
            return {"status": PARTNER_STATUSES}
        return {"status": tuple(status.key for status in self._program.ladder), "method": METHODS}

    def _field(self, name: str, node: Node, kind: Kind, known: tuple[str, ...] | None) -> Field:
        # Intake has better words for a missing id or partner: it knows what else there is.
        required = name in kind.required and name not in ("external_id", "partner")
        dated, paid = name in kind.instants, name in kind.amounts
        date_format = self._date_format
        if isinstance(node, Scalar):
            value = Value(self._source(node))
        else:
            more = ("map", "default", "date_format") if dated else ("map", "default")
            fields = self._reader.fields(node, f"'{name}'", (), (*_VALUE_KEYS, *more))
            value = self._value(name, node, fields, known)
            date_format = self._read_date_format(fields) or date_format
        convert: Convert = text
        if dated:
            convert = instant(self._zone, date_format)
        elif paid:
            convert = money(self._program.minor_digits, self._program.currency)
        return Field(name, value, convert, required)

    def _attribute(self, name: str, node: Node) -> Field:
        declared = self._program.attributes.get(name)
        if isinstance(node, Scalar):
            return Field(name, Value(self._source(node)), ATTRIBUTE_TYPES[declared or "text"])
        fields = self._reader.fields(node, f"'{name}'", (), (*_VALUE_KEYS, "map", "default", "type"))
        wanted = declared or "text"
        if "type" in fields:
            wanted = self._reader.choice(fields["type"], "type", ATTRIBUTE_TYPES)
            if declared is not None and wanted != declared:
                self._reader.problem(fields["type"], f"program.yaml declares '{name}' as {declared}", "take type: out")
        return Field(name, self._value(name, node, fields, None), ATTRIBUTE_TYPES.get(wanted, text))

    def _value(self, name: str, node: Node, fields: Fields, known: tuple[str, ...] | None) -> Value:
        given = [key for key in _VALUE_KEYS if key in fields]
        if len(given) != 1:
            self._reader.problem(node, f"'{name}' needs one of column, expression and value", "such as column: stage")
            return Value(Constant(""))
        source: Source
        if given == ["value"]:
            source = self._constant(fields["value"], known)
        elif given == ["column"]:
            source = self._column(fields["column"])
        else:
            source = self._expression(fields["expression"])
        translations = None
        if "map" in fields:
            translations = {key.text.strip(): self._constant(to, known).text for key, to in fields.entries("map")}
        return Value(source, translations, self._default(fields, known))

    def _default(self, fields: Fields, known: tuple[str, ...] | None) -> Source | None:
        if "default" not in fields:
            return None
        node = fields["default"]
        if isinstance(node, Scalar) and is_expression(node.text):
            return self._expression(node)
        return self._constant(node, known)

    def _source(self, node: Node) -> Source:
        """The short form: a text with {{ }} is an expression, any other a column's name."""
        if isinstance(node, Scalar) and is_expression(node.text):
            return self._expression(node)
        return self._column(node)

    def _column(self, node: Node) -> Source:
        name = self._reader.text(node, "a column")
        self._columns.append(NamedColumn(name, node.line, node.column))
        return Column(name)

    def _expression(self, node: Node) -> Source:
        written = self._reader.text(node, "an expression")
        try:
            expression = Expression(written)
        except ValueError as error:
            self._reader.problem(node, str(error), _expression_hint(str(error)))
            return Constant("")
        self._columns.extend(NamedColumn(name, node.line, node.column) for name in expression.columns)
        return expression

    def _constant(self, node: Node, known: tuple[str, ...] | None) -> Constant:
        if known is None:
            return Constant(self._reader.text(node, "a value"))
        return Constant(self._reader.choice(node, "value", known))


def _zone(written: str) -> str:
    try:
        ZoneInfo(written)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"'{written}' is not an IANA zone; write one such as Europe/Berlin or UTC") from None
    return written


def _date_format(written: str) -> str:
    sample = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 (only to try the format)
    try:
        read = datetime.strptime(sample.strftime(written), written)  # noqa: DTZ007
    except ValueError:
        read = None
    if read is None or read.date() != sample.date():
        raise ValueError(f"'{written}' does not hold a whole date; write one such as %d.%m.%Y or %m/%d/%Y %H:%M")
    return written


def _file_name(written: str) -> str:
    path = PurePosixPath(written)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'{written}' is not a file in the imported folder; write its name there")
    return str(path)


def _encoding(written: str) -> str:
    try:
        "".encode(written)
        return codecs.lookup(written).name
    except LookupError:
        raise ValueError(f"'{written}' is not an encoding; write one such as utf-8, cp1252 or utf-16") from None


def _delimiter(written: str) -> str:
    if written == "tab":
        return "\t"
    if len(written) != 1 or written in '"\n\r':
        raise ValueError(f"'{written}' is not a delimiter; write one character in quotes, or the word tab")
    return written


def _expression_hint(message: str) -> str:
    if "No filter named" in message:
        return did_you_mean(message.split("'")[1], FILTERS)
    return "write columns between {{ and }}, such as {{ first_name }}.{{ last_name }}@example.com"
