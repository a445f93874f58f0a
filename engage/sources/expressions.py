"""Jinja expressions of a mapping: text made from a source row, in a sandbox.

A mapping is written by whoever runs engage, so the sandbox guards against mistakes and against what rows hold, which
is data and never a template. Arithmetic that could fill the memory is refused.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

Row = Mapping[str, Any]

WHOLE_ROW = "row"
"""The name under which an expression finds the whole row, for columns whose names are not words: row['Close Date']."""


def slug(value: object) -> str:
    """Letters and digits of ASCII in lower case, the rest as hyphens: `Müller & Söhne` is `muller-sohne`."""
    plain = unicodedata.normalize("NFKD", str(value)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


_WIDENING = frozenset(("center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"))
"""Methods and filters that make a text as wide as they are told."""


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers may be multiplied; `'a' * 10**10` and `9**(9**9)` would not end."""
        if operator == "**" or not all(isinstance(side, int | float) for side in (left, right)):
            raise ValueError(f"'{operator}' has no place here" if operator == "**" else f"'{operator}' is for numbers")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in _WIDENING and super().is_safe_attribute(obj, attr, value)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = _Environment(undefined=StrictUndefined, finalize=lambda value: "" if value is None else value)
    environment.globals = {}
    environment.filters = {n: f for n, f in environment.filters.items() if n not in {*_WIDENING, "indent"}}
    environment.filters["slug"] = slug
    return environment


_ENVIRONMENT = _environment()
FILTERS = tuple(sorted(_ENVIRONMENT.filters))


def is_expression(text: str) -> bool:
    """Whether a value of a mapping is an expression and not a column's name."""
    return "{{" in text or "{%" in text


class Expression:
    """`{{ account | slug }}@example.com`, compiled once. `columns` are those that it cannot do without."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with what is wrong."""
        try:
            tree = _ENVIRONMENT.parse(text)
            self._template: Template = _ENVIRONMENT.from_string(text)
        except TemplateSyntaxError as error:
            raise ValueError(f"this expression cannot be read: {error.message}") from None
        self.text = text
        self.columns = _columns(tree)

    def read(self, row: Row) -> str:
        """The text for this row, without blanks around it. Raises ValueError with what went wrong."""
        try:
            return self._template.render({**row, WHOLE_ROW: row}).strip()
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise ValueError(f"the expression failed: {error}") from None


def _columns(tree: nodes.Template) -> tuple[str, ...]:
    """The columns that a template names, as variables or as row['…']."""
    set_within = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    names = [name.name for name in tree.find_all(nodes.Name) if name.name not in {WHOLE_ROW, *set_within}]
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == WHOLE_ROW and isinstance(item.arg, nodes.Const):
            names.append(str(item.arg.value))
    return tuple(dict.fromkeys(names))
