"""From the columns of facts to the values that people are shown and decisions keep."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engage.domain.facts import FactType
from engage.domain.programs import Program
from engage.domain.windows import BEGINNING

Value = int | float | str | bool | None


def reader_of(type_: FactType, now: datetime) -> Callable[[Any], Value]:
    """The function from a column of this type, read as of `now`, to a value that JSON can hold."""
    match type_:
        case FactType.DAYS_SINCE:
            return lambda instant: None if instant in (None, BEGINNING) else (now - instant) // timedelta(days=1)
        case FactType.BOOLEAN:
            return {"true": True, "false": False}.get
        case FactType.NUMBER:
            return lambda number: int(number) if number is not None and number.is_integer() else number
        case _:
            return lambda value: value


def as_written(type_: FactType, program: Program, value: Value) -> Value:
    """A value in the unit in which authors write it: money in major units, all else as it is."""
    if type_ is not FactType.MONEY or not isinstance(value, int):
        return value
    major = Decimal(value).scaleb(-program.minor_digits)
    return int(major) if major == major.to_integral_value() else float(major)


def as_text(type_: FactType, program: Program, column: Any, now: datetime) -> str:
    """A column of this type, read as of `now`, as an author writes it: money with the currency's decimals."""
    if column == BEGINNING:
        return "endless"
    value = reader_of(type_, now)(column)
    match value:
        case None:
            return "unknown"
        case bool():
            return str(value).lower()
        case int() if type_ is FactType.MONEY:
            return str(Decimal(value).scaleb(-program.minor_digits))
        case float():
            return f"{value:.4f}".rstrip("0").rstrip(".")
        case _:
            return str(value)
