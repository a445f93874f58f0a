"""From the columns of facts to the values that people are shown and decisions keep."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from engage.domain.facts import FactType
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
