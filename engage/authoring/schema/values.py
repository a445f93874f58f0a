"""What a value may be, as the readers take it: texts, names, numbers, times, and mappings with a closed list of keys.

Where an author writes the text 2026, an editor sees a number: so a text may be a number, and so may a name. An absent
value is `null` to an editor, and no value here may be that.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from engage.authoring.experiments import PERCENT
from engage.authoring.hours import TIME_OF_DAY
from engage.authoring.reader import NAME, TEMPLATE
from engage.authoring.schedules import DATES, EVERY_MONTH_HAS, WEEKDAYS
from engage.domain.windows import DURATION

Schema = dict[str, Any]
"""A JSON Schema, or a part of one."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def whole(pattern: str) -> str:
    """A pattern that all of a text must match."""
    return f"^(?:{pattern})$"


def spelled(pattern: str, message: str, *examples: str) -> Schema:
    """A text that the pattern matches as a whole; otherwise editors show the message."""
    # `patternErrorMessage` is an editors' word, and means nothing to a validator.
    schema: Schema = {"type": "string", "pattern": whole(pattern), "patternErrorMessage": message}
    return schema | {"examples": list(examples)} if examples else schema


def word(pattern: str, message: str) -> Schema:
    """The same of a text that may look like a number."""
    return spelled(pattern, message) | {"type": ["string", "number", "boolean"]}


LENGTH_PATTERN = f"(?!0+[a-z]$){DURATION.pattern}"
_CLOCK = TIME_OF_DAY.pattern
_WRITE_A_NAME = "write a name of lower-case letters, digits, '-' and '_'"
_WRITE_AN_EMAIL = "write its path below the templates folder without '.md', such as nudges/hello"
_WRITE_A_TIME = "write a time of day from 00:00 to 23:59, such as 09:00"

TEXT: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
NAMED = word(NAME.pattern, _WRITE_A_NAME)
EMAIL_NAME = word(TEMPLATE.pattern, _WRITE_AN_EMAIL)
BOOLEAN: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
AMOUNT: Schema = {"type": "number", "minimum": 0}
RATIO: Schema = {"type": "number", "minimum": 0, "maximum": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
LIMIT: Schema = {"type": "integer", "minimum": 1}
LENGTH = spelled(LENGTH_PATTERN, "write a number and w, d, h or m, such as 90d or 12h", "3d", "12h", "2w")
WINDOW = spelled(  # nobody counts minutes
    LENGTH_PATTERN.replace("wdhm", "wdh"), "write a number and w, d or h, such as 90d or 12h", "90d", "4w"
)
DAY = spelled(r"\d{4}-\d\d-\d\d", "write year-month-day, such as 2026-11-02", "2026-11-02") | {"format": "date"}
TIME = spelled(_CLOCK, _WRITE_A_TIME, "09:00")
END_TIME = spelled(f"{_CLOCK}|24:00", _WRITE_A_TIME, "17:00")
SHARE = spelled(PERCENT.pattern, "write per cent, such as 10%", "10%")


def _series(words: Iterable[str]) -> str:
    named = f"(?:{'|'.join(words)})"
    return f"{named}(?:(?:, | and ){named})*"


_DATES = [word for word, day in DATES.items() if day <= EVERY_MONTH_HAS]
_EVERY = f"hour|(?:day|weekday|{_series(WEEKDAYS)}|{_series(_DATES)}) {_CLOCK}"
_WRITE_DAYS = "write days and a time, such as day 09:00, weekday 09:00, monday and thursday 09:00 or 1st 09:00"
EVERY = spelled(_EVERY, _WRITE_DAYS, "weekday 09:00", "monday 09:00", "1st 09:00")
NEXT = spelled(f"(?:next )?(?:{_EVERY})", _WRITE_DAYS, "next weekday 09:00", "next monday 09:00")


def said(description: str, schema: Schema) -> Schema:
    """The schema with the sentence that an editor shows."""
    return {"description": description, **schema}


def one_of(words: Iterable[str], otherwise: Schema = TEXT) -> Schema:
    """One word of a closed list; `otherwise` where the list is empty, because it is not known."""
    known = list(dict.fromkeys(words))
    # 2026 is a number to the editor, though it is the key of a topic.
    numbers = [int(word) for word in known if re.fullmatch("0|[1-9][0-9]*", word)]
    return {"enum": [*known, *numbers]} if known else otherwise


def some(schema: Schema, at_least: int = 1) -> Schema:
    """A list of these."""
    return {"type": "array", "items": schema, "minItems": at_least}


def one_or_more(schema: Schema) -> Schema:
    """One of these, or a list of them."""
    return {"anyOf": [schema, some(schema)]}


def keys(what: str, required: Iterable[str], known: Mapping[str, Schema], **more: Any) -> Schema:
    """A mapping with a closed list of keys, called `what` as problems call it."""
    return {
        "title": what,
        "type": "object",
        "properties": dict(known),
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def either(scalar: Schema, mapping: Schema) -> Schema:
    """A value, or a mapping: each keyword of the two speaks of one of them only."""
    types = scalar["type"] if isinstance(scalar["type"], list) else [scalar["type"]]
    return {**scalar, **mapping, "type": [*types, "object"]}


def own_keys(value: Schema, **more: Any) -> Schema:
    """A mapping whose keys are the author's own names."""
    return {"type": "object", "additionalProperties": value, "propertyNames": NAMED, **more}


def exactly_one(words: Iterable[str]) -> list[Schema]:
    """What `oneOf` says where one of these keys must stand, and no second."""
    return [{"required": [word]} for word in words]
