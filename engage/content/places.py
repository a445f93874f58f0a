"""Jinja parsed so that every node knows its column as well as its line.

Jinja's own nodes carry a line number only. The lexer's tokens arrive in the order of the source, so their columns can
be counted; they travel through the parser inside the line number, as an `int` that remembers one thing more.
"""

import re
from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

from engage.authoring.document import CURLY, STRAIGHT
from engage.domain.errors import Problem


class Place(int):
    """A line number, counted from 1, that knows its column, counted from 1."""

    column: int

    @classmethod
    def at(cls, line: int, column: int) -> "Place":
        place = cls(line)
        place.column = column
        return place


def column_of(line: int) -> int:
    """The column that a node's line number carries; 1 where Jinja made the number up."""
    return line.column if isinstance(line, Place) else 1


class PlacedEnvironment(Environment):
    """An environment whose parser yields nodes with a `Place` for a line number."""

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        raw = self.lexer.tokeniter(source, name, filename, state)
        return TokenStream(self.lexer.wrap(_placed(raw, source), name, filename), name, filename)


def parse(environment: Environment, source: str, file: str) -> nodes.Template | Problem:
    """The tree of a source, or what is wrong with it."""
    try:
        return Parser(environment, source, filename=file).parse()
    except TemplateSyntaxError as error:
        return _in_plain_words(error, environment, source, file)
    except RecursionError:
        return Problem(file, 1, 1, "tags are nested too deeply", "write it in simpler steps")


def _in_plain_words(error: TemplateSyntaxError, environment: Environment, source: str, file: str) -> Problem:
    line, column = int(error.lineno), column_of(error.lineno)
    message = (error.message or "this is not Jinja").rstrip(".")
    first, _, rest = message.partition(". ")
    if "looking for the following tags" in message:
        opener, line, column = _open_tag(environment, source)
        return Problem(file, line, column, f"this {{% {opener} %}} is never closed", f"write {{% end{opener} %}}")
    if unknown := re.match(r"Encountered unknown tag '(end\w+|else|elif)'", first):
        word = unknown[1]
        if inner := re.search(r"needs to be closed is '(\w+)'", message):
            hint = f"write {{% end{inner[1]} %}} before it"
            return Problem(file, line, column, f"{{% {word} %}} comes where a {{% {inner[1]} %}} is open", hint)
        opener = word.removeprefix("end") if word.startswith("end") else "if"
        return Problem(file, line, column, f"{{% {word} %}} has no {{% {opener} %}} before it", "take it out")
    if "unexpected '}'" in first:
        return Problem(file, line, column, first, "write two braces on each side, {{ … }}, or {% … %}")
    if missing := re.match(r"unexpected end of template, expected 'end of (print|statement)", first):
        begin, end = ("{{", "}}") if missing[1] == "print" else ("{%", "%}")
        return Problem(file, line, column, f"a {begin} is never closed", f"write {end} where it ends")
    if CURLY.search(first):
        return Problem(file, line, column, first, STRAIGHT)
    return Problem(file, line, column, first[:1].lower() + first[1:], rest)


def _open_tag(environment: Environment, source: str) -> tuple[str, int, int]:
    """The innermost statement that a source opens and does not close, and its place."""
    opened: list[tuple[str, int, int]] = []
    begun, offset = None, 0
    for line, kind, text in environment.lex(source):
        start = max(source.find(text, offset), offset)
        offset = start + len(text)
        if kind == "block_begin":
            begun = line, start - source.rfind("\n", 0, start)
        elif kind == "name" and begun:
            if text.startswith("end") and opened:
                opened.pop()
            elif text not in ("elif", "else", "set", "include", "import", "from", "extends"):
                opened.append((text, *begun))
            begun = None
    return opened[-1] if opened else ("if", 1, 1)


def _placed(tokens: Iterator[tuple[int, str, str]], source: str) -> Iterator[tuple[int, str, str]]:
    offset = 0
    for line, kind, text in tokens:
        start = source.find(text, offset)
        if start >= 0:
            offset = start + len(text)
        else:  # the lexer has changed the text, as it does with line ends: the last place known is near enough
            start = offset
        yield Place.at(line, start - source.rfind("\n", 0, start)), kind, text
