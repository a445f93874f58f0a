"""Reads conditions: a list means all of it, `any:` and `not:` nest, each test compares one fact with one value."""

from dataclasses import dataclass

from engage.authoring.document import Mapping, Node, Scalar, Sequence
from engage.authoring.facts import ARGUMENTS, fact_named, read_ref, values_of
from engage.authoring.reader import Reader, did_you_mean
from engage.domain.conditions import All, AnyOf, Comparator, Condition, Not, Test, tests_of
from engage.domain.conditions import Scalar as Value
from engage.domain.facts import CATALOGUE, COMPARATORS, Fact, FactType, Subject
from engage.domain.programs import Program

_COMPARATORS = tuple(Comparator)
_NOTHING = All(())
MOST_TESTS = 100
"""Of a condition. It becomes one SQL expression, and SQLite takes none that is 1,000 deep."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a test compares, under the name that the author gave it."""

    name: str
    type: FactType
    fact: Fact


class ConditionReader:
    """Reads the conditions of one campaign, whose subject says which facts it may ask."""

    def __init__(self, reader: Reader, program: Program, subject: Subject) -> None:
        self.reader = reader
        self.program = program
        self.subject = subject

    def read(self, node: Node) -> Condition:
        """One condition: a list, `any:`, `not:` or a test."""
        condition = self._read(node)
        if (many := len(tests_of(condition))) > MOST_TESTS:
            hint = "write in: […] where one fact has many values"
            self.reader.problem(node, f"a condition has at most {MOST_TESTS} tests, and this one {many}", hint)
        return condition

    def _read(self, node: Node) -> Condition:
        if isinstance(node, Sequence):
            return All(tuple(self._read(item) for item in self.reader.items(node, "the condition")))
        if isinstance(node, Scalar) and node.empty:
            self.reader.problem(node, "a condition is missing here", "write 'fact: {comparator: value}'")
            return _NOTHING
        if isinstance(node, Scalar):
            hint = f"compare it: {node.text}: {{…}}" if node.text in CATALOGUE else "write 'fact: {comparator: value}'"
            self.reader.problem(node, f"'{node.text}' is not a test", hint)
            return _NOTHING
        if len(node.entries) != 1:
            place = node.entries[1][0] if node.entries else node
            self.reader.problem(place, "one test asks one fact", "give each fact its own line that begins with '- '")
            return _NOTHING
        key, value = node.entries[0]
        match key.text:
            case "any":
                return AnyOf(tuple(self._read(item) for item in self.reader.items(value, "'any'")))
            case "not":
                return Not(self._read(value))
            case _:
                return self._test(key, value)

    def _test(self, key: Scalar, node: Node) -> Condition:
        if key.text not in CATALOGUE and key.text not in self.program.attributes:
            self.reader.problem(key, f"unknown fact '{key.text}'", did_you_mean(key.text, (*CATALOGUE, "any", "not")))
            return _NOTHING
        fact = fact_named(self.reader, key, self.program)
        if fact is None:
            return _NOTHING
        if not fact.allows(self.subject):
            message = f"'{fact.name}' is a fact of {fact.subject.one}, and this campaign is for {self.subject.one}"
            self.reader.problem(key, message, f"write for: {fact.subject}")
        if not isinstance(node, Mapping):
            written = node.text if isinstance(node, Scalar) and not node.empty else "…"
            hint = f"write {fact.name}: {{{'in: […]' if isinstance(node, Sequence) else f'is: {written}'}}}"
            self.reader.problem(node, f"'{fact.name}' is not compared with anything", hint)
            return _NOTHING
        arguments = {name.text: value for name, value in node.entries if name.text in ARGUMENTS}
        ref = read_ref(self.reader, fact, key, arguments, self.program)
        if fact.named and ref.name not in self.program.attributes:
            return _NOTHING  # reported; without a type there is nothing more to check
        asked = _Asked(ref.name or ref.fact, self.program.type_of(ref), fact)
        comparator, value = self._comparison(asked, node)
        return _NOTHING if comparator is None else Test(ref, comparator, self._value(asked, comparator, value))

    def _comparison(self, asked: _Asked, node: Mapping) -> tuple[Comparator | None, Node]:
        """The one key that is no argument; None after a problem."""
        found: list[tuple[Comparator, Node]] = []
        wrong = False
        for key, value in node.entries:
            if key.text in ARGUMENTS:
                continue
            if key.text not in _COMPARATORS:
                hint = did_you_mean(key.text, (*_COMPARATORS, *ARGUMENTS))
                self.reader.problem(key, f"unknown comparator '{key.text}'", hint)
                wrong = True
            elif key.text not in COMPARATORS[asked.type]:
                allowed = ", ".join(name for name in _COMPARATORS if name in COMPARATORS[asked.type])
                message = f"'{key.text}' does not go with '{asked.name}', which is {_KINDS[asked.type]}"
                self.reader.problem(key, message, f"use one of {allowed}")
                wrong = True
            else:
                found.append((Comparator(key.text), value))
                if len(found) == 2:
                    self.reader.problem(
                        key, f"'{found[0][0]}' and '{key.text}' in one test", "use between: [a, b], or two tests"
                    )
        if not found and not wrong:
            self.reader.problem(node, f"'{asked.name}' is not compared with anything", "add a comparator: is: …")
        return found[0] if found else (None, node)

    def _value(self, asked: _Asked, comparator: Comparator, node: Node) -> Value | tuple[Value, ...]:
        match comparator:
            case Comparator.EXISTS:
                return self.reader.boolean(node, "'exists'")
            case Comparator.IN:
                return tuple(self._scalar(asked, item) for item in self.reader.items(node, "'in'"))
            case Comparator.BETWEEN:
                return self._between(asked, node)
            case _:
                if isinstance(node, Sequence):
                    self.reader.problem(node, f"'{comparator}' takes one value", "for a list write in: […]")
                    return ""
                return self._scalar(asked, node)

    def _between(self, asked: _Asked, node: Node) -> tuple[Value, ...]:
        if not isinstance(node, Sequence) or len(node.items) != 2:
            self.reader.problem(node, "'between' takes two values", "write between: [1, 5]; both ends count")
            return ()
        low, high = (self._scalar(asked, item) for item in node.items)
        if not isinstance(low, str) and not isinstance(high, str) and low > high:
            self.reader.problem(node, f"nothing is between {low} and {high}", "write the smaller value first")
        return low, high

    def _scalar(self, asked: _Asked, node: Node) -> Value:
        reader, what = self.reader, f"'{asked.name}'"
        match asked.type:
            case FactType.TEXT:
                options = values_of(asked.fact, self.program)
                return (
                    reader.choice(node, _LISTS[asked.fact.values or ""], options)
                    if options
                    else reader.text(node, what)
                )
            case FactType.COUNT | FactType.DAYS_SINCE:
                return reader.count(node, what)
            case FactType.MONEY:
                return reader.number(node, what, self.program.minor_digits)
            case FactType.NUMBER:
                return reader.number(node, what)
            case FactType.BOOLEAN:
                return reader.boolean(node, what)
            case FactType.RATIO:
                ratio = reader.number(node, what)
                if not 0 <= ratio <= 1:
                    reader.problem(node, f"{what} is a ratio from 0 to 1", "write 0.25 for a quarter")
                return ratio
            case FactType.MULTIPLE:
                multiple = reader.number(node, what)
                if multiple < 0:
                    reader.problem(node, f"{what} is a multiple, 0 or more", "write 1.5 for half as much again")
                return multiple


_KINDS = {
    FactType.COUNT: "a whole number",
    FactType.MONEY: "an amount of money",
    FactType.RATIO: "a ratio",
    FactType.MULTIPLE: "a multiple",
    FactType.DAYS_SINCE: "a number of days",
    FactType.TEXT: "a text",
    FactType.NUMBER: "a number",
    FactType.BOOLEAN: "true or false",
}
_LISTS = {"statuses": "status", "partner_statuses": "partner status", "tiers": "tier", "methods": "method"}
