"""Reads a fact with its arguments: `wins: {last: 90d, method: verbal}` is the fact wins with a window and a method."""

from collections.abc import Mapping as AbstractMapping
from datetime import timedelta

from engage.authoring.document import Mapping, Node, Scalar
from engage.authoring.reader import Reader, did_you_mean
from engage.domain.conditions import FactRef
from engage.domain.facts import CATALOGUE, METRICS, Fact
from engage.domain.programs import METHODS, PARTNER_STATUSES, Program
from engage.domain.windows import Window, WindowKind, parse_duration

ARGUMENTS = (*WindowKind, "method", "by", "name", "question")
"""The keys beside a fact that choose what it counts; every other key there is a comparator."""

_NEED_TIERS = (
    *("tier", "next_tier", "to_next_tier", "days_left_in_tier_period"),
    *("tier_pace", "previous_tier", "to_keep_tier", "keep_pace"),
)


def parse_fact_ref(node: Node, path: str, program: Program) -> FactRef:
    """The fact that `tier` or `{wins: {last: 90d}}` names, as in the front matter of a template.

    `node` comes from `read_document`, which knows its place in the file `path`. Raises AuthoringError.
    """
    reader = Reader(path)
    ref = _ref_of(reader, node, program)
    reader.finish()
    assert ref is not None  # finish raised if there was no fact
    return ref


def _ref_of(reader: Reader, node: Node, program: Program) -> FactRef | None:
    if isinstance(node, Scalar):
        fact = fact_named(reader, node, program)
        return read_ref(reader, fact, node, {}, program) if fact else None
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        reader.problem(node, "one fact is wanted here", "write it as {wins: {last: 90d}}, or as a plain word: tier")
        return None
    key, value = node.entries[0]
    fact = fact_named(reader, key, program)
    arguments = value.entries if isinstance(value, Mapping) else ()
    for name, _ in arguments:
        if name.text not in ARGUMENTS:
            reader.problem(name, f"unknown argument '{name.text}' of a fact", did_you_mean(name.text, ARGUMENTS))
    if not isinstance(value, Mapping) and not (isinstance(value, Scalar) and value.empty):
        reader.problem(value, f"the arguments of '{key.text}' must be keys with values", "such as {last: 90d}")
    given = {name.text: argument for name, argument in arguments}
    return read_ref(reader, fact, key, given, program) if fact else None


def fact_named(reader: Reader, key: Scalar, program: Program) -> Fact | None:
    """The catalogue's entry for a name, if this program can know it."""
    fact = CATALOGUE.get(key.text)
    if fact is None:
        if key.text in program.attributes:
            hint = f"an attribute is written attribute: {{name: {key.text}, is: …}}"
        else:
            hint = did_you_mean(key.text, CATALOGUE)
        reader.problem(key, f"unknown fact '{key.text}'", hint)
    elif fact.name in _NEED_TIERS and program.tiers is None:
        message = f"'{fact.name}' needs tiers, and program '{program.key}' has none"
        reader.problem(key, message, "add tiers to program.yaml")
        return None
    return fact


def read_ref(
    reader: Reader, fact: Fact, place: Node, arguments: AbstractMapping[str, Node], program: Program
) -> FactRef:
    """The fact with those of `arguments` (by name) that are its own; `place` is where a missing one is reported."""
    window = _window(reader, fact, place, arguments)
    methods: tuple[str, ...] = ()
    if "method" in arguments and _takes(reader, fact, "method", fact.methods, arguments["method"]):
        nodes = reader.one_or_more(arguments["method"], "'method'")
        methods = tuple(dict.fromkeys(reader.choice(node, "method", METHODS) for node in nodes))
    return FactRef(
        fact.name,
        window,
        methods,
        _demanded(reader, fact, "by", fact.by, place, arguments, METRICS, "by: wins"),
        _demanded(reader, fact, "name", fact.named, place, arguments, tuple(program.attributes), "name: sector"),
        _question(reader, fact, place, arguments),
    )


def values_of(fact: Fact, program: Program) -> tuple[str, ...]:
    """The closed list that the values of a fact come from; empty if any text will do."""
    match fact.values:
        case "statuses":
            return tuple(status.key for status in program.ladder)
        case "partner_statuses":
            return PARTNER_STATUSES
        case "tiers":
            return tuple(tier.key for tier in program.tiers.steps) if program.tiers else ()
        case "methods":
            return METHODS
        case _:
            return ()


def _takes(reader: Reader, fact: Fact, argument: str, allowed: bool, node: Node) -> bool:
    if not allowed:
        reader.problem(node, f"'{fact.name}' takes no '{argument}'", "take it out")
    return allowed


def _window(reader: Reader, fact: Fact, place: Node, arguments: AbstractMapping[str, Node]) -> Window | None:
    given = [kind for kind in WindowKind if kind in arguments]
    if not given:
        if fact.last:
            reader.problem(place, f"'{fact.name}' needs 'last'", "such as last: 30d")
        return None
    if fact.last and given[0] is not WindowKind.LAST:
        reader.problem(arguments[given[0]], f"'{fact.name}' takes no '{given[0]}'", "write last: 30d")
        return None
    if not _takes(reader, fact, given[0], fact.windows or fact.last, arguments[given[0]]):
        return None
    if len(given) > 1:
        reader.problem(arguments[given[1]], f"'{given[0]}' and '{given[1]}' together", "one test looks at one window")
    return Window(given[0], reader.parsed(arguments[given[0]], f"'{given[0]}'", _window_length, timedelta(days=1)))


def _window_length(text: str) -> timedelta:
    length = parse_duration(text)
    if text.endswith("m"):
        months = int(text.removesuffix("m"))
        raise ValueError(f"m is minutes, and nobody counts those; for {months} months write {30 * months}d")
    return length


def _question(reader: Reader, fact: Fact, place: Node, arguments: AbstractMapping[str, Node]) -> str | None:
    node = arguments.get("question")
    if node is None:
        if fact.asked:
            reader.problem(place, f"'{fact.name}' needs 'question'", "such as question: how-is-it-going")
        return None
    return reader.name(node, "a question's name") if _takes(reader, fact, "question", fact.asked, node) else None


def _demanded(
    reader: Reader,
    fact: Fact,
    argument: str,
    demanded: bool,
    place: Node,
    arguments: AbstractMapping[str, Node],
    options: tuple[str, ...],
    example: str,
) -> str | None:
    node = arguments.get(argument)
    if node is None:
        if demanded:
            reader.problem(place, f"'{fact.name}' needs '{argument}'", f"such as {example}")
        return None
    if not _takes(reader, fact, argument, demanded, node):
        return None
    if not options:
        reader.problem(node, "program.yaml declares no attributes", "add them there: attributes: {sector: text}")
        return None
    return reader.choice(node, "attribute" if argument == "name" else "metric", options)
