"""Reads bodies: bytes become records that intake takes, or errors that say in which record and field they lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from engage.domain.records import Record
from engage.web.v1.models import EVENT_TYPES, Money, Sent
from engage.web.v1.problems import MOST_ERRORS, Problem, found, not_taken

LARGEST_BODY = 2 * 1024 * 1024
"""In bytes."""

MOST_RECORDS = 1000

DEEPEST = 8
"""How deep a body may be nested; what is described here is no deeper than four."""


@dataclass(slots=True)
class Read:
    """What a body holds. `records` go by their place in it, with what they were sent as; `errors` are of the others."""

    name: str
    single: bool
    count: int
    records: dict[int, tuple[Sent, Record]] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def error(self, place: int, name: str, detail: str) -> dict[str, Any]:
        """An error of the record at `place`; `name` is its field, empty for all of it."""
        if self.single:
            return found(None, name, detail)
        where = f"{self.name}[{place}]"
        return found(place, f"{where}.{name}" if name else where, detail)


def parse(body: bytes) -> Any:
    """The JSON document. Raises Problem: 400 for none, 422 for one that is nested too deep."""
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise Problem(400, "not-json", "The body is not JSON", str(error)[:200]) from None
    if _depth(document) > DEEPEST:
        raise Problem(422, "too-deep", "The body is nested too deep", f"{DEEPEST} levels are read")
    return document


def read_one(name: str, adapter: TypeAdapter[Any], document: Any, money: Money, also: Mapping[str, str]) -> Read:
    """One record; `also` are fields that the address has said."""
    read = Read(name, single=True, count=1)
    if isinstance(document, dict):
        for given in also.keys() & document.keys():
            read.errors.append(found(None, given, "is said by the address already: leave it out"))
        if read.errors:
            return read
        document = {**document, **also}
    _read(read, 0, adapter, document, money)
    return read


def read_many(name: str, adapter: TypeAdapter[Any], document: Any, money: Money) -> Read:
    """The records under the key `name`. Raises Problem when there are none, or too many."""
    items = document.get(name) if isinstance(document, dict) else None
    if not isinstance(items, list) or not items or len(document) != 1:
        wanted = f'send {{"{name}": [...]}} with 1 to {MOST_RECORDS:,} records, and nothing beside it'
        raise not_taken([found(None, name, wanted)])
    if len(items) > MOST_RECORDS:
        raise Problem(
            413, "too-many", "Too many records", f"{len(items):,} came, and {MOST_RECORDS:,} are taken at once"
        )
    read = Read(name, single=False, count=len(items))
    for place, item in enumerate(items):
        _read(read, place, adapter, item, money)
    return read


def _read(read: Read, place: int, adapter: TypeAdapter[Any], item: Any, money: Money) -> None:
    try:
        sent: Sent = adapter.validate_python(item)
        read.records[place] = sent, sent.record(money)
    except ValidationError as error:
        told = dict.fromkeys(
            (_field(one["loc"], one["type"]), _said(one["loc"], one["type"], one["msg"]))
            for one in error.errors(include_url=False, include_context=False)
        )
        read.errors += [read.error(place, field, said) for field, said in islice(told, MOST_ERRORS)]
    except ValueError as error:  # of money: what an amount may be depends on the currency
        read.errors.append(read.error(place, "amount", str(error).partition("; ")[0]))


def _field(location: tuple[int | str, ...], kind: str) -> str:
    """The field's name, without what pydantic says beside it: an event's type, which of several types did not fit."""
    if kind.startswith("union_tag"):
        return "type"
    if kind == "extra_forbidden":
        return str(location[-1])
    own = location[1:] if location[:1] in _TAGS else location
    return ".".join(str(part) for part in own if part not in _NO_FIELDS)


_TAGS = frozenset((kind,) for kind in EVENT_TYPES)
_PLAIN = frozenset(("str", "bool", "int", "float"))
_PLAIN_TYPES = frozenset(("string_type", "bool_type", "int_type", "float_type"))
_NO_FIELDS = _PLAIN | {"[key]"}


def _said(location: tuple[int | str, ...], kind: str, message: str) -> str:
    if kind in _PLAIN_TYPES and location and location[-1] in _PLAIN:  # once for each type that a value may have
        return "is no text, no number, and neither true nor false"
    return _WORDS.get(kind) or message.removeprefix("Value error, ").replace("String should have", "may have")


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no field of this",
    "model_type": "is no object",
    "model_attributes_type": "is no object",
    "dict_type": "is no object",
    "string_type": "is no text",
    "string_too_short": "is empty",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "union_tag_not_found": "is missing",
    "union_tag_invalid": f"is none of {', '.join(EVENT_TYPES)}",
}


def _depth(document: Any) -> int:
    """How deep lists and objects are nested, counted as far as it matters. orjson reads no deeper than 1,024."""
    depth, level = 0, [document]
    while level and depth <= DEEPEST:
        below = []
        for one in level:
            if isinstance(one, dict):
                below += [value for value in one.values() if isinstance(value, dict | list)]
            elif isinstance(one, list):
                below += [value for value in one if isinstance(value, dict | list)]
        depth += 1
        level = below
    return depth
