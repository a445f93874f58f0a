"""Conditions: what a campaign's `where` and `stop_when` ask of facts, as a tree of frozen values."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engage.domain.windows import Window

Scalar = str | int | Decimal | bool


class Comparator(StrEnum):
    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    MORE_THAN = "more_than"
    LESS_THAN = "less_than"
    BETWEEN = "between"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class FactRef:
    """A fact with the arguments that make it one value per subject, such as wins in the last 90 days by email.

    `methods` restricts to referral methods (empty: all); `by` is the metric of a rank; `name` an attribute's name;
    `question` the name of a question that was asked.
    """

    fact: str
    window: Window | None = None
    methods: tuple[str, ...] = ()
    by: str | None = None
    name: str | None = None
    question: str | None = None

    def __str__(self) -> str:
        parts = [f"by: {self.by}"] if self.by else []
        parts += [f"name: {self.name}"] if self.name else []
        parts += [f"question: {self.question}"] if self.question else []
        parts += [str(self.window)] if self.window else []
        parts += [f"method: [{', '.join(self.methods)}]"] if self.methods else []
        return f"{self.fact} ({', '.join(parts)})" if parts else self.fact


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a fact with a value. A comparison with an unknown value is false (its `Not` true).

    `value` is a scalar; for IN a tuple of scalars; for BETWEEN (low, high), both included; for EXISTS a bool.
    Amounts of money are Decimals in the program's currency (major units), as the author wrote them.
    """

    ref: FactRef
    comparator: Comparator
    value: Scalar | tuple[Scalar, ...]

    __test__ = False  # the name is the design's; pytest must not collect it

    def __str__(self) -> str:
        """As a person reads it: `wins (last: 90d) at least 3`, `tier is one of silver, gold`."""
        match self.comparator, self.value:
            case Comparator.EXISTS, exists:
                return f"{self.ref} {'exists' if exists else 'does not exist'}"
            case Comparator.BETWEEN, (low, high):
                return f"{self.ref} between {low} and {high}"
            case Comparator.IN, tuple(choices):
                return f"{self.ref} is one of {', '.join(map(_shown, choices))}"
            case comparator, value:
                return f"{self.ref} {comparator.replace('_', ' ')} {_shown(value)}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


Condition = Test | All | AnyOf | Not


def tests_of(condition: Condition | None) -> tuple[Test, ...]:
    """Every test in the tree, in the order written."""
    match condition:
        case None:
            return ()
        case Test():
            return (condition,)
        case Not(part):
            return tests_of(part)
        case All(parts) | AnyOf(parts):
            return tuple(test for part in parts for test in tests_of(part))
