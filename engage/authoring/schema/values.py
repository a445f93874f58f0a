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


_SCALAR = ["string", "number", "boolean"]
_NOT_NOTHING = "(?!0+[a-z]$)"
LENGTH_PATTERN = _NOT_NOTHING + DURATION.pattern
"""The pattern of a duration."""

TEXT: Schema = {"type": _SCALAR, "pattern": r"\S"}
NAMED: Schema = {"type": _SCALAR, "pattern": whole(NAME.pattern)}
EMAIL_NAME: Schema = {"type": _SCALAR, "pattern": whole(TEMPLATE.pattern)}
BOOLEAN: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
AMOUNT: Schema = {"type": "number", "minimum": 0}
RATIO: Schema = {"type": "number", "minimum": 0, "maximum": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
LIMIT: Schema = {"type": "integer", "minimum": 1}
LENGTH: Schema = {"type": "string", "pattern": whole(LENGTH_PATTERN), "examples": ["3d", "12h", "2w"]}
WINDOW: Schema = {
    "type": "string",
    "pattern": whole(LENGTH_PATTERN.replace("wdhm", "wdh")),  # nobody counts minutes
    "examples": ["90d", "12h", "4w"],
}
DAY: Schema = {"type": "string", "pattern": whole(r"\d{4}-\d\d-\d\d"), "format": "date", "examples": ["2026-11-02"]}
TIME: Schema = {"type": "string", "pattern": whole(TIME_OF_DAY.pattern), "examples": ["09:00"]}
END_TIME: Schema = {"type": "string", "pattern": whole(f"{TIME_OF_DAY.pattern}|24:00"), "examples": ["17:00"]}
SHARE: Schema = {"type": "string", "pattern": whole(PERCENT.pattern), "examples": ["10%"]}


def _series(words: Iterable[str]) -> str:
    word = f"(?:{'|'.join(words)})"
    return f"{word}(?:(?:, | and ){word})*"


_DATES = [word for word, day in DATES.items() if day <= EVERY_MONTH_HAS]
SCHEDULE = f"hour|(?:day|weekday|{_series(WEEKDAYS)}|{_series(_DATES)}) {TIME_OF_DAY.pattern}"
"""The pattern of what `every` says."""


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


def own_keys(value: Schema, **more: Any) -> Schema:
    """A mapping whose keys are the author's own names."""
    return {"type": "object", "additionalProperties": value, "propertyNames": NAMED, **more}


def exactly_one(words: Iterable[str]) -> list[Schema]:
    """What `oneOf` says where one of these keys must stand, and no second."""
    return [{"required": [word]} for word in words]
