"""Lifts Jinja's tags out of a source, so that Markdown and MJML see plain words, and puts them back after.

Marks are made of letters and digits, which neither language touches. What was not a tag before cannot become one when
the tags return: braces that Markdown or CSS left standing are made inert.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jinja2 import Environment

from engage.domain.errors import Problem

OPENERS = {"if": "endif", "for": "endfor"}
MIDDLES = ("elif", "else")
CLOSERS = tuple(OPENERS.values())
_ENDS = {"variable_begin": "variable_end", "block_begin": "block_end", "comment_begin": "comment_end"}
_VISIBLE = re.compile(r"[^\n]")
_LOOSE_BRACE = re.compile(r"\{(?=[{%#]|\Z)")


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: what stands inside its braces, and the keyword of a statement (empty for a printed expression)."""

    inside: str
    keyword: str
    line: int
    column: int

    @property
    def source(self) -> str:
        return f"{{% {self.inside} %}}" if self.keyword else f"{{{{ {self.inside} }}}}"

    @property
    def makes_block(self) -> bool:
        """Whether the tag, alone on a line, stands between paragraphs and not in one."""
        return bool(self.keyword) or self.inside == "button" or self.inside.startswith("blocks.")


class Lifted:
    """A source whose tags are marks.

    `text` is what Markdown or MJML may parse; `masked` the source with its tags overwritten, every place unchanged.
    """

    def __init__(self, source: str) -> None:
        self.tags: list[Tag] = []
        self.text = ""
        self.masked = ""
        self._letters = "xQ"
        while self._letters in source:
            self._letters += "Q"
        self.mark = re.compile(self._letters + r"(\d{4})x")

    def insert(self, inside: str, keyword: str = "", line: int = 1, column: int = 1) -> str:
        """Keeps a tag and returns the mark that stands for it."""
        return self.keep(Tag(inside, keyword, line, column))

    def keep(self, tag: Tag) -> str:
        """Keeps a tag and returns the mark that stands for it."""
        self.tags.append(tag)
        return f"{self._letters}{len(self.tags) - 1:04d}x"

    def tag_of(self, mark: re.Match[str]) -> Tag:
        return self.tags[int(mark[1])]

    def marks_in(self, text: str) -> list[Tag]:
        """The tags whose marks stand in a text, in order."""
        return [self.tag_of(mark) for mark in self.mark.finditer(text)]

    def put_back(self, text: str, instead: Mapping[str, str] = MappingProxyType({})) -> str:
        """The text as a Jinja source: marks are tags again, other braces print themselves.

        `instead` gives other sources for tags by what stands inside them, such as `content` in a layout.
        """
        parts, end = [], 0
        for mark in self.mark.finditer(text):
            tag = self.tag_of(mark)
            parts += [_inert(text[end : mark.start()]), instead.get(tag.inside, tag.source)]
            end = mark.end()
        return "".join([*parts, _inert(text[end:])])

    def address(self, target: str) -> str:
        """A link's target with its tags checked: a whole address must be one, a part of one is quoted."""
        parts: list[str] = []
        begun, outside, end = False, [False], 0  # whether the address has begun, here and before each open condition
        for mark in self.mark.finditer(target):
            tag, written = self.tag_of(mark), target[end : mark.start()]
            begun, end = begun or bool(written), mark.end()
            parts += [written, mark[0] if tag.keyword else self._quoted(tag, written, begun)]
            if tag.keyword in OPENERS:
                outside.append(begun)
            elif tag.keyword in MIDDLES:
                begun = outside[-1]
            elif tag.keyword in CLOSERS:
                begun = outside.pop() or begun
            else:
                begun = begun or not tag.keyword
        return "".join([*parts, target[end:]])

    def _quoted(self, tag: Tag, before: str, begun: bool) -> str:
        quoting = "_phone" if before.endswith("tel:") else "_url_part" if begun else "_url"
        return self.insert(f"({tag.inside}) | {quoting}")


def lift(environment: Environment, source: str, file: str, first_line: int = 1) -> tuple[Lifted, tuple[Problem, ...]]:
    """Lifts the tags of a source that Jinja can parse; comments are dropped.

    `first_line` is the line of `file` on which the source begins.
    """
    lifted, problems = Lifted(source), []
    parts: list[str] = []
    masked: list[str] = []
    begin, offset, closing, keyword = 0, 0, "", ""
    start_line, start_column = 1, 1
    for line, kind, text in environment.lex(source):
        start = source.find(text, offset)
        place = line + first_line - 1, start - source.rfind("\n", 0, start)
        if kind == "raw_begin":
            hint = "write {{ '{' }} for a brace"
            problems.append(Problem(file, *place, "'{% raw %}' has no place in an email", hint))
        if kind in _ENDS and not closing:
            parts.append(source[begin:start])
            masked.append(source[begin:start])
            begin, closing, keyword, (start_line, start_column) = start, _ENDS[kind], "", place
        elif closing == "block_end" and kind == "name" and not keyword:
            keyword = text
        offset = start + len(text.rstrip() if kind == closing else text)
        if kind == closing:
            masked.append(_VISIBLE.sub("x", source[begin:offset]))
            if closing != "comment_end":
                inside = source[begin:offset][2:-2].strip("-+ \t\n")
                parts.append(lifted.insert(inside, keyword, start_line, start_column))
            begin, closing = offset, ""
    lifted.text = "".join([*parts, source[begin:]])
    lifted.masked = "".join([*masked, source[begin:]])
    return lifted, tuple(problems)


def unbalanced(tags: list[Tag], file: str, where: str) -> list[Problem]:
    """Statements that open or close outside the stretch of text they stand in."""
    hint = f"open and close it in the same {where}, or put both tags on lines of their own"
    problems, stack = [], []
    for tag in tags:
        if tag.keyword in OPENERS:
            stack.append(tag)
        elif tag.keyword in CLOSERS and stack:
            stack.pop()
        elif tag.keyword in (*MIDDLES, *CLOSERS) and not stack:
            problems.append(_crossing(tag, file, where, hint))
    return problems + [_crossing(tag, file, where, hint) for tag in stack]


def _crossing(tag: Tag, file: str, where: str, hint: str) -> Problem:
    message = f"'{{% {tag.keyword} %}}' has its other half outside this {where}"
    return Problem(file, tag.line, tag.column, message, hint)


def _inert(text: str) -> str:
    return _LOOSE_BRACE.sub("{{ '{' }}", text)
