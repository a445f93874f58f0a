"""The records that a mapping or a watched source makes of each row: read from YAML, with every problem at its place."""

from collections.abc import Collection, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from engage.authoring.document import Mapping as Entries
from engage.authoring.document import Node, Scalar, Sequence
from engage.authoring.reader import Fields, Reader, did_you_mean
from engage.domain.errors import InputError
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program, usual_program
from engage.sources.expressions import FILTERS, Expression, is_expression
from engage.sources.mapping import KINDS, Kind, NamedColumn, RecordMapping, RowMapping
from engage.sources.values import (
    ATTRIBUTE_TYPES,
    Column,
    Constant,
    Convert,
    Field,
    Source,
    Value,
    boolean,
    instant,
    money,
    text,
)

_VALUE_KEYS = ("column", "expression", "value")


class RecordReader:
    """Reads the records of rows for one program. `fields` are those at the top of the file, which hold for all rows."""

    KEYS = ("program", "timezone", "date_format")

    def __init__(self, reader: Reader, fields: Fields, root: Node, what: str, programs: Mapping[str, Program]) -> None:
        self._reader = reader
        self.program = self._read_program(fields, root, what, programs)
        self.zone = ZoneInfo(fields.parsed("timezone", _zone, self.program.zone))
        self._date_format = self._read_date_format(fields)
        self._columns: list[NamedColumn] = []

    def read(self, fields: Fields, node: Node, what: str, other_keys: Collection[str]) -> RowMapping:
        """The records under the keys of KINDS in `node`, and the columns that they name.

        That there are none is a problem, unless there is a key which is none of the other keys either: then it is
        reported already.
        """
        self._columns = []
        records = tuple(record for kind in KINDS if kind in fields for record in self._records(kind, fields[kind]))
        if isinstance(node, Entries) and all(key.text in other_keys for key, _ in node.entries):
            self._reader.problem(node, f"{what} makes no records", f"add one of {', '.join(KINDS)}")
        return RowMapping(records, tuple(self._columns))

    def _read_program(self, fields: Fields, root: Node, what: str, programs: Mapping[str, Program]) -> Program:
        if not programs:
            raise InputError("there is no program to import into", "write campaigns/program.yaml")
        key = ""
        if "program" in fields:
            key = self._reader.choice(fields["program"], "program", programs)
        elif (usual := usual_program(programs)) is not None:
            key = usual.key
        else:
            self._reader.problem(root, f"{what} has no 'program'", f"name one of {', '.join(programs)}")
        return programs.get(key) or next(iter(programs.values()))

    def _read_date_format(self, fields: Fields) -> str | None:
        return fields.parsed("date_format", _date_format) or None

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
        return {"status": tuple(status.key for status in self.program.ladder), "method": METHODS}

    def _field(self, name: str, node: Node, kind: Kind, known: tuple[str, ...] | None) -> Field:
        # Of a missing id or partner intake says more.
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
            convert = instant(self.zone, date_format)
        elif paid:
            convert = money(self.program.minor_digits, self.program.currency)
        elif name in kind.truths:
            convert = boolean
        return Field(name, value, convert, required)

    def _attribute(self, name: str, node: Node) -> Field:
        declared = self.program.attributes.get(name)
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


def _expression_hint(message: str) -> str:
    if "No filter named" in message:
        return did_you_mean(message.split("'")[1], FILTERS)
    return "write columns between {{ and }}, such as {{ first_name }}.{{ last_name }}@example.com"
