"""What one field of a record is made from, and what its text becomes: an instant, money, a number, a truth."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from engage.domain.conditions import Scalar
from engage.domain.facts import FactType
from engage.sources.expressions import Expression, Row

_DECIMAL = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?", re.ASCII)
_TRUE, _FALSE = frozenset(("true", "yes", "y", "1")), frozenset(("false", "no", "n", "0"))

Convert = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """The cell of a column; an absent or empty one is the empty text."""

    name: str

    def read(self, row: Row) -> str:
        return _text(self.name, row.get(self.name))


@dataclass(frozen=True, slots=True)
class Constant:
    text: str

    def read(self, row: Row) -> str:  # noqa: ARG002 (the same for every row)
        return self.text


Source = Column | Expression | Constant


@dataclass(frozen=True, slots=True)
class Value:
    """A source, then its translation: `translations` maps source values to engage's, `default` stands for the rest.

    Without `default` a value that is not among the translations is refused, an empty one is not known.
    """

    source: Source
    translations: Mapping[str, str] | None = None
    default: Source | None = None

    def read(self, row: Row) -> str:
        """The text for this row, empty if it is not known. Raises ValueError with what is wrong."""
        text = self.source.read(row)
        if self.translations is not None:
            if text in self.translations:
                return self.translations[text]
            if self.default is None and text:
                raise ValueError(f"'{text}' is not in the map; it has {', '.join(self.translations)}")
            text = ""
        return self.default.read(row) if not text and self.default is not None else text


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: where its text comes from and what becomes of it."""

    name: str
    value: Value
    convert: Convert
    required: bool = False

    def read(self, row: Row) -> Any:
        """The field's value, None if it is not known. Raises ValueError with the field's name and what is wrong."""
        try:
            text = self.value.read(row)
            found = self.convert(text) if text else None
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if found is None and self.required:
            raise ValueError(f"{self.name} is missing")
        return found


def instant(zone: tzinfo, date_format: str | None) -> Convert:
    """Reads dates of the given format, and ISO 8601, as UTC; a date without a zone is meant in `zone`."""

    def convert(text: str) -> datetime:
        found = _parse_date(text, date_format)
        try:
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except OverflowError:
            raise ValueError(f"'{text}' is outside the years 1 to 9999") from None

    return convert


def _parse_date(text: str, date_format: str | None) -> datetime:
    # The format first: to ISO, 10112012 is a day in the year 1011.
    if date_format is not None:
        try:
            return datetime.strptime(text, date_format)  # noqa: DTZ007 (the mapping's zone is added by the caller)
        except ValueError:
            pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        known = f"neither '{date_format}' nor an ISO date" if date_format else "not an ISO date such as 2026-11-02"
        hint = "" if date_format else "; name its format as date_format: in the mapping"
        raise ValueError(f"'{text}' is {known}{hint}") from None


def money(minor_digits: int, currency: str) -> Convert:
    """Reads an amount in major units (`12.50`) as an exact integer of minor units (1250)."""

    def convert(text: str) -> int:
        minor = _decimal(text).scaleb(minor_digits)
        if minor != minor.to_integral_value():
            raise ValueError(f"'{text}' has more decimals than {currency} has")
        return int(minor)

    return convert


def number(text: str) -> Scalar:
    value = _decimal(text)
    return int(value) if value == value.to_integral_value() else value


def boolean(text: str) -> bool:
    if text.casefold() not in _TRUE | _FALSE:
        raise ValueError(f"'{text}' is neither true nor false")
    return text.casefold() in _TRUE


def text(text: str) -> str:
    return text


ATTRIBUTE_TYPES: Mapping[str, Convert] = {
    FactType.TEXT: text,
    FactType.NUMBER: number,
    FactType.BOOLEAN: boolean,
}


def _decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"'{text}' is not a number such as 1234.50; an expression can take other signs out of it")
    return Decimal(text)


def _text(name: str, cell: Any) -> str:
    match cell:
        case None:
            return ""
        case str():
            return cell.strip()
        case bool():
            return str(cell).lower()
        case int() | float() | Decimal():
            return str(cell)
        case _:
            raise ValueError(f"column '{name}' holds a list or an object; take a part of it with an expression")
