"""The types of what templates can know: values of several kinds, records of them, lists of records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a value must be shown."""

    TEXT = "text"
    LINK = "link"
    COUNT = "whole number"
    MONEY = "money"  # integer minor units of the program's currency
    RATIO = "ratio"  # 0 to 1
    INSTANT = "date"  # an aware datetime in UTC
    METRIC = "number or money"  # as the tier's metric is
    NUMBER = "number"
    FLAG = "yes or no"


@dataclass(frozen=True, slots=True)
class Value:
    """One value. `optional` means that it may be empty (None, or a text without letters)."""

    kind: Kind
    meaning: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """`asked`: an email has to ask whether it is there, even where a block takes what is not."""

    meaning: str
    fields: Mapping[str, "Type"]
    optional: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    meaning: str
    item: Record
    optional: bool = field(default=False, init=False)


Type = Value | Record | Listing
