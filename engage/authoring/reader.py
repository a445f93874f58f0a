"""Reads values from nodes and gathers every problem on the way, each with its place and what to write instead.

After a problem a reader returns a placeholder and goes on, so that one run finds everything; `finish` raises before a
placeholder can be used.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from engage.authoring.document import CURLY, STRAIGHT, Mapping, Node, Scalar, Sequence
from engage.domain.errors import AuthoringError, Problem
from engage.domain.windows import parse_duration

Value = TypeVar("Value")
Member = TypeVar("Member", bound=StrEnum)

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""A key that data and other files refer to."""

TEMPLATE = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")
"""An email by its path below the templates folder, without its ending."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a word that is not among `known`: the nearest of them, or all where none is near."""
    options = list(known)
    if near := _nearest(word, options):
        return f"did you mean '{near}'?"
    return f"known are {', '.join(options)}" if options else ""


def _nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that was probably meant; empty where none is near."""
    # A slip of case or of - and _ is the likeliest of all.
    folded = {option.lower().replace("-", "_"): option for option in reversed(list(known))}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""


class Reader:
    """Collects the problems of one file, and of those whose nodes are read together with it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def problem(self, node: Node, message: str, hint: str = "") -> None:
        if isinstance(node, Scalar) and node.plain and CURLY.match(node.text):
            hint = STRAIGHT
        self.problems.append(Problem(node.file or self.path, node.line, node.column, message, hint))

    def finish(self) -> None:
        """Raises AuthoringError if there was any problem."""
        if self.problems:
            raise AuthoringError(tuple(sorted(self.problems)))

    def entries(self, node: Node, what: str) -> tuple[tuple[Scalar, Node], ...]:
        """The keys and values of a mapping whose keys are the author's own."""
        if isinstance(node, Mapping):
            return node.entries
        self.problem(node, f"{what} must be keys with values", "write 'key: value' lines")
        return ()

    def fields(self, node: Node, what: str, required: Iterable[str], optional: Iterable[str] = ()) -> "Fields":
        """The values of a mapping whose keys are a closed list. A key without a value counts as left out."""
        required = tuple(required)
        known = (*required, *optional)
        if not isinstance(node, Mapping):
            self.problem(node, f"{what} must be keys with values", f"the keys are {', '.join(known)}")
            return Fields(self, {})
        found: dict[str, Node] = {}
        misspelt: set[str] = set()
        for key, value in node.entries:
            if key.text not in known:
                hint = did_you_mean(key.text, known)
                misspelt.add(_nearest(key.text, known))
                if " " in key.text and isinstance(value, Scalar) and value.empty:
                    # `{label: Won, at last}` is two keys to YAML.
                    hint = "inside { } a text with a comma needs quotes"
                self.problem(key, f"unknown key '{key.text}' in {what}", hint)
            elif isinstance(value, Scalar) and value.empty:
                self.problem(value, f"'{key.text}' has no value", _empty_hint(key.text))
            else:
                found[key.text] = value
        written = {key.text for key, _ in node.entries}
        for key_name in required:
            if key_name not in written | misspelt:
                self.problem(node, f"{what} has no '{key_name}'", "add it")
        return Fields(self, found, frozenset(misspelt - written))

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """The items of a list that must not be empty."""
        if not isinstance(node, Sequence):
            self.problem(node, f"{what} must be a list", "begin each item with '- '")
            return ()
        if not node.items:
            self.problem(node, f"{what} is an empty list", "take it out or fill it")
        return node.items

    def one_or_more(self, node: Node, what: str) -> tuple[Node, ...]:
        """A word, or a list of words."""
        return (node,) if isinstance(node, Scalar) else self.items(node, what)

    def text(self, node: Node, what: str) -> str:
        """A scalar as it was written, without the blanks around it."""
        if not isinstance(node, Scalar):
            self.problem(node, f"{what} must be a text", "write it on one line; quotes help where it holds ': ' or '#'")
            return ""
        if node.empty or not node.text.strip():
            self.problem(node, f"{what} has no value", "write one")
        return node.text.strip()

    def parsed(self, node: Node, what: str, parse: Callable[[str], Value], placeholder: Value) -> Value:
        """A text through `parse`, whose ValueError is the problem: `message; hint`."""
        text = self.text(node, what)
        if not text:
            return placeholder
        try:
            return parse(text)
        except ValueError as error:
            message, _, hint = str(error).rpartition("; ")
            self.problem(node, message or hint, hint if message else "")
            return placeholder

    def choice(self, node: Node, what: str, options: Iterable[str]) -> str:
        """One word of a closed list."""
        text, known = self.text(node, what), tuple(options)
        if text and text not in known:
            self.problem(node, f"unknown {what} '{text}'", did_you_mean(text, known))
        return text

    def member(self, node: Node, what: str, options: type[Member]) -> Member | None:
        """One word of an enumeration; None after a problem."""
        word = self.choice(node, what, tuple(options))
        return options(word) if word in tuple(options) else None

    def name(self, node: Node, what: str) -> str:
        """A key that data and other files refer to."""
        text = self.text(node, what)
        if text and not NAME.fullmatch(text):
            hint = "use at most 64 lower-case letters, digits, '-' and '_', such as near-next-tier"
            self.problem(node, f"'{text}' cannot be {what}", hint)
        return text

    def template(self, node: Node, example: str = "nudges/hello") -> str:
        """The name of an email."""
        text = self.text(node, "the template")
        if text and not TEMPLATE.fullmatch(text):
            hint = f"write its path below the templates folder without '.md', such as {example}"
            self.problem(node, f"'{text}' is not the name of a template", hint)
        return text

    def number(self, node: Node, what: str, digits: int = 9) -> Decimal:
        """A decimal number with at most `digits` decimals."""
        text = self.text(node, what)
        if text and not (isinstance(node, Scalar) and node.plain and _NUMBER.fullmatch(text)):
            self.problem(node, f"{what} must be a number, not '{text}'", _number_hint(text))
            return Decimal(0)
        value = Decimal(text or 0)
        if round(value, digits) != value:
            self.problem(node, f"{what} has more than {digits} decimals", "round it")
        return value

    def count(self, node: Node, what: str) -> int:
        """A whole number from 0."""
        value = self.number(node, what)
        if value != int(value) or value < 0:
            self.problem(node, f"{what} must be a whole number from 0", "write one such as 10")
        return int(value)

    def limit(self, node: Node, what: str) -> int:
        """A whole number from 1."""
        known_problems = len(self.problems)
        value = self.count(node, what)
        if value == 0 and len(self.problems) == known_problems:
            self.problem(node, f"{what} must be at least 1", "write one such as 500")
        return value

    def boolean(self, node: Node, what: str) -> bool:
        text = self.text(node, what)
        if text and not (isinstance(node, Scalar) and node.plain and text in ("true", "false")):
            self.problem(node, f"{what} must be true or false, not '{text}'", "write true or false, without quotes")
        return text == "true"

    def duration(self, node: Node, what: str) -> timedelta:
        return self.parsed(node, what, parse_duration, timedelta(days=1))


class Fields:
    """The values of a mapping by key. One that is absent reads as its default: it was optional, or is reported."""

    def __init__(self, reader: Reader, values: dict[str, Node], misspelt: frozenset[str] = frozenset()) -> None:
        self.reader = reader
        self.nodes = values
        self._misspelt = misspelt

    def lack(self, key: str) -> bool:
        """Whether a key is absent and nothing was reported that was probably meant to be it."""
        return key not in self.nodes and key not in self._misspelt

    def __contains__(self, key: str) -> bool:
        return key in self.nodes

    def __getitem__(self, key: str) -> Node:
        return self.nodes[key]

    def text(self, key: str, default: str = "") -> str:
        return self.reader.text(self[key], f"'{key}'") if key in self else default

    def name(self, key: str, what: str) -> str:
        return self.reader.name(self[key], what) if key in self else ""

    def member(self, key: str, options: type[Member]) -> Member | None:
        return self.reader.member(self[key], key, options) if key in self else None

    def parsed(self, key: str, parse: Callable[[str], str], default: str = "") -> str:
        return self.reader.parsed(self[key], f"'{key}'", parse, default) if key in self else default

    def day(self, key: str) -> date | None:
        return self.reader.parsed(self[key], f"'{key}'", _parse_day, None) if key in self else None

    def duration(self, key: str) -> timedelta | None:
        return self.reader.duration(self[key], f"'{key}'") if key in self else None

    def items(self, key: str) -> tuple[Node, ...]:
        return self.reader.items(self[key], f"'{key}'") if key in self else ()

    def entries(self, key: str) -> tuple[tuple[Scalar, Node], ...]:
        return self.reader.entries(self[key], f"'{key}'") if key in self else ()


def _parse_day(text: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"'{text}' is not a date; write year-month-day, such as 2026-11-02")


def _number_hint(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", text):
        return f"write {text.replace(',', '')}"
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})? ?%", text):
        return f"write {Decimal(text.rstrip(' %')).scaleb(-2).normalize():f}"
    return "write digits only, such as 10 or 2500.50"


def _empty_hint(key: str) -> str:
    if key in ("color", "accent"):
        return f'put it in quotes, {key}: "#1f4b99": a bare # begins a comment'
    return "write one, or take the key out"
