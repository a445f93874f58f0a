"""YAML text becomes a tree of nodes that know their file, line and column, or problems that do.

The part of YAML 1.2 that authors need and nothing else: one document of mappings, lists and scalars. Scalars stay the
text that was written (`NO` is NO, `19:30` is 19:30); who reads one says what it should be. Anchors, aliases, tags,
directives and equal keys are refused, size and depth are capped, so that what a file says is what it looks like.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from engage.domain.errors import AuthoringError, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
_UNFIT = re.compile(r"[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
"""Control characters, halves of surrogate pairs: no database and no mail takes them. Escapes can write them."""

CURLY = re.compile("[\u201c-\u201f]")
"""Double quotes as word processors write them: no quotes to YAML, nor to Jinja."""
STRAIGHT = 'write straight quotes, "…"'


@dataclass(frozen=True, slots=True)
class Scalar:
    """`plain` tells `10` from `"10"`; an empty plain scalar is a value that was left out."""

    text: str
    plain: bool
    line: int
    column: int
    file: str = field(default="", compare=False)

    @property
    def empty(self) -> bool:
        return self.plain and self.text in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple["Node", ...]
    line: int
    column: int
    file: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in the order written, each with its own place."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    line: int
    column: int
    file: str = field(default="", compare=False)


Node = Scalar | Sequence | Mapping


@lru_cache(maxsize=256)  # when one file changes all are read again, and to parse is most of that
def read_document(source: str, path: str, first_line: int = 1) -> Node:
    """Reads one YAML document; an empty one is an empty scalar.

    `path` and `first_line` say where the text stands, for problems (front matter begins on line 2 of its file).
    Raises AuthoringError.
    """
    if len(source.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise AuthoringError.at(path, first_line, 1, f"the file is larger than {MAX_BYTES // 1024} KB", "split it")
    return _Composer(path, first_line).compose(source)


def plain_value(node: Node) -> Any:
    """The node as dicts, lists and text without places: what a file means, whatever its comments and layout."""
    match node:
        case Scalar(text=text):
            return None if node.empty else text
        case Sequence(items=items):
            return [plain_value(item) for item in items]
        case Mapping(entries=entries):
            return {key.text: plain_value(value) for key, value in entries}


class _Composer:
    """Builds nodes from the parser's events. The parser itself needs no stack, so that depth is capped here."""

    def __init__(self, path: str, first_line: int) -> None:
        self.path = path
        self.offset = first_line - 1
        self.problems: list[Problem] = []

    def compose(self, source: str) -> Node:
        root: Node = Scalar("", True, self.offset + 1, 1, self.path)
        documents = 0
        try:
            events = iter(YAML(typ="rt", pure=True).parse(source))
            for event in events:
                if isinstance(event, DocumentStartEvent):
                    documents += 1
                    if event.version or event.tags:
                        self._refuse(event, "a % directive is not part of campaign files", "take the line out")
                    if documents > 1:
                        self._refuse(
                            event, "a second document begins here", "one file holds one document: remove '---'"
                        )
                        break
                elif isinstance(event, NodeEvent):
                    root = self._node(event, events, 1)
        except YAMLError as error:
            self.problems.append(self._syntax(error, source))
        except (ValueError, OverflowError, IndexError, AssertionError) as error:
            # The scanner computes escapes such as "\\UFFFFFFFF" and versions of directives without looking first.
            self.problems.append(Problem(self.path, self.offset + 1, 1, f"this is not YAML ({error})"))
        if self.problems:
            raise AuthoringError(tuple(sorted(self.problems)))
        return root

    def _node(self, event: NodeEvent, events: Iterator[Any], depth: int) -> Node:
        self._check(event)
        line, column = self._place(event)
        if isinstance(event, ScalarEvent):
            text = str(event.value)
            if not text.isprintable() and (hidden := _UNFIT.search(text)):
                self._refuse(event, f"character U+{ord(hidden[0]):04X} has no place in a text", "remove it")
            return Scalar(text, event.style is None, line, column, self.path)
        if depth > MAX_DEPTH:
            raise AuthoringError.at(
                self.path,
                line,
                column,
                f"more than {MAX_DEPTH} levels deep",
                "nest less: split the condition, or the campaign",
            )
        if isinstance(event, SequenceStartEvent):
            items = []
            while not isinstance(child := next(events), SequenceEndEvent):
                items.append(self._node(child, events, depth + 1))
            return Sequence(tuple(items), line, column, self.path)
        if isinstance(event, MappingStartEvent):
            return Mapping(self._entries(events, depth + 1), line, column, self.path)
        return Scalar("", True, line, column, self.path)  # an alias, refused above

    def _entries(self, events: Iterator[Any], depth: int) -> tuple[tuple[Scalar, Node], ...]:
        entries: list[tuple[Scalar, Node]] = []
        seen: dict[str, int] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            key = self._node(event, events, depth)
            value = self._node(next(events), events, depth)
            if entries and (number := _in_thousands(entries[-1][1], key, value)):
                entries[-1] = entries[-1][0], number
                continue
            if not isinstance(key, Scalar):
                self._report(key.line, key.column, "a key must be a word", "quote it if it begins with { or [")
                continue
            if key.text in seen:
                self._report(
                    key.line, key.column, f"'{key.text}' stands here twice", f"it is already on line {seen[key.text]}"
                )
                continue
            seen[key.text] = key.line
            if isinstance(value, Scalar) and value.plain and not value.text:
                # The parser places a value that was left out where the next thing begins.
                value = Scalar("", True, key.line, key.column, self.path)
            entries.append((key, value))
        return tuple(entries)

    def _check(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent):
            self._refuse(event, f"alias '*{event.anchor}' is not part of campaign files", "write it out; quote a '*'")
        elif event.anchor:
            self._refuse(event, f"anchor '&{event.anchor}' is not part of campaign files", "take it out; quote a '&'")
        if tag := getattr(event, "tag", None):
            self._refuse(event, f"tag '{tag}' is not part of campaign files", "take it out; quote a '!'")

    def _place(self, event: Any) -> tuple[int, int]:
        return event.start_mark.line + 1 + self.offset, event.start_mark.column + 1

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        self._report(*self._place(event), message, hint)

    def _report(self, line: int, column: int, message: str, hint: str) -> None:
        self.problems.append(Problem(self.path, line, column, message, hint))

    def _syntax(self, error: YAMLError, source: str) -> Problem:
        line, column, message = 1, 1, "this is not YAML"
        if isinstance(error, ReaderError):
            before = source[: error.position].split("\n")
            line, column = len(before), len(before[-1]) + 1
            message = f"character U+{ord(source[error.position]):04X} has no place in a text file"
        elif isinstance(error, MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            if mark is not None:
                line, column = mark.line + 1, mark.column + 1
            what = str(error.problem or error.context)
            message = "this line does not fit those above it" if "<block" in what else f"this is not YAML: {what}"
        written = source.split("\n")[line - 1] if line <= source.count("\n") + 1 else ""
        return Problem(self.path, line + self.offset, column, message, _syntax_hint(message, written))


def _in_thousands(before: Node, key: Node, value: Node) -> Scalar | None:
    """`{at_least: 5,000}` is two keys to YAML; to its author it is one number, and so it is to who judges numbers."""
    if not (isinstance(before, Scalar) and isinstance(key, Scalar) and isinstance(value, Scalar) and value.empty):
        return None
    behind = (before.line, before.column + len(before.text) + 1)
    if not (before.plain and re.fullmatch(r"[0-9,]+", before.text) and re.fullmatch(r"[0-9]{3}", key.text)):
        return None
    number = Scalar(f"{before.text},{key.text}", True, before.line, before.column, before.file)
    return number if (key.line, key.column) == behind else None


def _syntax_hint(message: str, written: str) -> str:
    if CURLY.search(written):
        return STRAIGHT
    if "'\\t'" in message:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in message:
        return "look at the indentation of this line and of those above; a text that holds ': ' needs quotes"
    if "cannot start any token" in message:
        return "a text that begins with this character needs quotes"
    if "does not fit" in message:
        return "look at the indentation, and at a list's '-'"
    if "has no place" in message:
        return "remove it and save the file as UTF-8"
    return "look at quotes, brackets and indentation up to this place"
