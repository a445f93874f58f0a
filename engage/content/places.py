"""Jinja parsed so that every node knows its column as well as its line.

Jinja's own nodes carry a line number only. The lexer's tokens arrive in the order of the source, so their columns can
be counted; they travel through the parser inside the line number, as an `int` that remembers one thing more.
"""

from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

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
        message = (error.message or "this is not Jinja").rstrip(".")
        first, _, rest = message.partition(". ")
        return Problem(file, int(error.lineno), column_of(error.lineno), first[:1].lower() + first[1:], rest)
    except RecursionError:
        return Problem(file, 1, 1, "tags are nested too deeply", "write it in simpler steps")


def _placed(tokens: Iterator[tuple[int, str, str]], source: str) -> Iterator[tuple[int, str, str]]:
    offset = 0
    for line, kind, text in tokens:
        start = source.find(text, offset)
        if start >= 0:
            offset = start + len(text)
        else:  # the lexer has changed the text, as it does with line ends: the last place known is near enough
            start = offset
        yield Place.at(line, start - source.rfind("\n", 0, start)), kind, text
