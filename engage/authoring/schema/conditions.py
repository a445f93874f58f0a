"""Conditions: a list means all of it, `any:` and `not:` nest, a test compares one fact with one value."""

from itertools import combinations

from engage.authoring.schema.values import (
    AMOUNT,
    BOOLEAN,
    COUNT,
    NAMED,
    NUMBER,
    RATIO,
    TEXT,
    WINDOW,
    Schema,
    exactly_one,
    keys,
    one_of,
    one_or_more,
    said,
    some,
)
from engage.authoring.schema.words import Words
from engage.domain.conditions import Comparator
from engage.domain.facts import CATALOGUE, COMPARATORS, METRICS, Fact, FactType
from engage.domain.programs import METHODS
from engage.domain.windows import WindowKind

CONDITION: Schema = {"$ref": "#/$defs/condition"}

COMPARED = {
    Comparator.IS: "True if the fact is equal to this.",
    Comparator.IS_NOT: "True if the fact is known and different from this.",
    Comparator.IN: "True if the fact is one of this list.",
    Comparator.AT_LEAST: "True if the fact is this or more.",
    Comparator.AT_MOST: "True if the fact is this or less.",
    Comparator.MORE_THAN: "True if the fact is more than this.",
    Comparator.LESS_THAN: "True if the fact is less than this.",
    Comparator.BETWEEN: "True if the fact is from the first to the second of these, both included.",
    Comparator.EXISTS: "True if the fact is known (true) or not known (false).",
}
_STRETCHES = {
    WindowKind.LAST: "Only what happened in this stretch of time up to now.",
    WindowKind.PREVIOUS: "Only what happened in the stretch of this length before `last`.",
    WindowKind.FIRST: "Only what happened in this stretch of time after the partner joined.",
}
_VALUES = {
    FactType.COUNT: COUNT,
    FactType.MONEY: NUMBER,
    FactType.RATIO: RATIO,
    FactType.MULTIPLE: AMOUNT,
    FactType.DAYS_SINCE: COUNT,
    FactType.TEXT: TEXT,
    FactType.NUMBER: NUMBER,
    FactType.BOOLEAN: BOOLEAN,
}


def condition(words: Words) -> Schema:
    """What `where`, `stop_when` and `if` hold."""
    nested: dict[str, Schema] = {
        "any": said("At least one of these must hold.", some(CONDITION)),
        "not": said("True if this does not hold, or is not known.", CONDITION),
    }
    known = nested | {fact.name: _test(fact, words) for fact in CATALOGUE.values()}
    # Each keyword speaks of lists or of mappings only; as two alternatives, editors could not say what is wrong.
    test = keys("a condition", (), known, minProperties=1, maxProperties=1)
    return {**some(CONDITION), **test, "type": ["array", "object"]}


def _test(fact: Fact, words: Words) -> Schema:
    arguments = _arguments(fact, words)
    types = [fact.type] if fact.type else [FactType.NUMBER] if not fact.named else [*words.attribute_types]
    comparators = [one for one in Comparator if any(one in COMPARATORS[type_] for type_ in types)]
    values = [_value(fact, type_, words) for type_ in types]
    value = values[0] if len(values) == 1 else {"anyOf": values}
    known = arguments | {one: said(COMPARED[one], _compared(one, value)) for one in comparators}
    demanded: list[str] = [name for name in ("by", "name", "question") if name in arguments]
    demanded += [WindowKind.LAST] * fact.last
    schema = keys(fact.name, demanded, known, oneOf=exactly_one(comparators))
    if fact.windows:
        schema["not"] = {"anyOf": [{"required": list(pair)} for pair in combinations(WindowKind, 2)]}
    rests = f" Rests on the feed {fact.feed}." if fact.feed else ""
    return said(f"{fact.meaning[0].upper()}{fact.meaning[1:]}. A fact of a {fact.subject}.{rests}", schema)


def _arguments(fact: Fact, words: Words) -> dict[str, Schema]:
    known: dict[str, Schema] = {}
    if fact.windows:
        known |= {kind: said(_STRETCHES[kind], WINDOW) for kind in WindowKind}
    if fact.last:
        known[WindowKind.LAST] = said(_STRETCHES[WindowKind.LAST], WINDOW)
    if fact.methods:
        known["method"] = said("Only referrals that were made in these ways.", one_or_more(one_of(METHODS)))
    if fact.by:
        known["by"] = said("What the places are given by.", one_of(METRICS))
    if fact.named:
        known["name"] = said("The attribute, as program.yaml declares it.", one_of(words.attributes, NAMED))
    if fact.asked:
        known["question"] = said("The question, as an `ask` step names it.", NAMED)
    return known


def _value(fact: Fact, type_: FactType, words: Words) -> Schema:
    if type_ is FactType.TEXT and fact.values:
        return one_of(words.values_of(fact.values))
    return _VALUES[type_]


def _compared(comparator: Comparator, value: Schema) -> Schema:
    match comparator:
        case Comparator.EXISTS:
            return BOOLEAN
        case Comparator.IN:
            return some(value)
        case Comparator.BETWEEN:
            return some(value, 2) | {"maxItems": 2}
        case _:
            return value
