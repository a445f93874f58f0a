"""What a template may be made of: the few statements, filters and tests that an email needs, each found by name.

The sandbox would stop the rest when an email is rendered; here its author learns of it first, with the place.
"""

from collections.abc import Collection, Iterator

from jinja2 import nodes

from engage.authoring.reader import did_you_mean
from engage.authoring.words import placeholders
from engage.content.filters import BRAND_FILTERS, FILTERS
from engage.content.places import column_of
from engage.content.sandbox import LOOP_FIELDS, TESTS, block_called
from engage.domain.errors import Problem

_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.Assign, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div,
    nodes.FloorDiv, nodes.Mod, nodes.Concat, nodes.List, nodes.Tuple, nodes.Call, nodes.Keyword,
)  # fmt: skip
_STATEMENTS = {
    nodes.AssignBlock: "{% set %} around a text",
    nodes.Block: "{% block %}",
    nodes.CallBlock: "{% call %}",
    nodes.Extends: "{% extends %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.FromImport: "{% from %}",
    nodes.Import: "{% import %}",
    nodes.Include: "{% include %}",
    nodes.Macro: "{% macro %}",
    nodes.NSRef: "a namespace",
    nodes.Pow: "**",
    nodes.With: "{% with %}",
    nodes.Dict: "a mapping in braces",
}


def broken_rules(tree: nodes.Node, file: str, blocks: Collection[str], *, layout: bool = False) -> tuple[Problem, ...]:
    """Everything in a tree that has no place in an email. `blocks` are the names that may follow `blocks.`.

    Layouts and block files (`layout=True`) may besides use the filters for brand colours.
    """
    filters = (*FILTERS, *BRAND_FILTERS) if layout else tuple(FILTERS)
    return tuple(problem for found in _walk(tree) for problem in _check(found, file, blocks, filters))


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _check(node: nodes.Node, file: str, blocks: Collection[str], filters: Collection[str]) -> Iterator[Problem]:
    def problem(message: str, hint: str = "", behind: int = 0) -> Problem:
        return Problem(file, int(node.lineno), column_of(node.lineno) + behind, message, hint)

    if not isinstance(node, _PLAIN):
        name = _STATEMENTS.get(type(node), type(node).__name__)
        yield problem(f"'{name}' has no place in an email", "known are if, for and set")
    if not isinstance(node, nodes.Output):
        yield from _misplaced_calls(node, file)
    match node:
        case nodes.Filter(name=name) if name not in filters:
            yield problem(f"unknown filter '{name}'", did_you_mean(name, filters))
        case nodes.Filter(name="t"):
            yield from _translated(node, file)
        case nodes.Test(name=name) if name not in TESTS:
            yield problem(f"unknown test '{name}'", did_you_mean(name, TESTS))
        case nodes.For(recursive=True):
            yield problem("a loop cannot be recursive", "take 'recursive' out")
        case nodes.Assign(target=target) if not isinstance(target, nodes.Name):
            yield problem("'set' names one thing", "write {% set name = … %}")
        case nodes.Assign(node=value) if any(value.find_all((nodes.List, nodes.Tuple))):
            yield problem("'set' keeps a text or a number, not a list", "write the list where it is used")
        case nodes.Getattr(attr=name) | nodes.Name(name=name) if name.startswith("_"):
            yield problem(f"'{name}' is not for templates", "names begin with a letter")
        case nodes.Call():
            yield from _call(node, file, blocks)
        case nodes.Getattr(node=nodes.Name(name="loop"), attr=name) if name not in LOOP_FIELDS:
            yield problem(f"unknown 'loop.{name}'", did_you_mean(name, LOOP_FIELDS), 1)
        case _:
            pass


def _call(node: nodes.Call, file: str, blocks: Collection[str]) -> Iterator[Problem]:
    line, column = int(node.lineno), column_of(node.lineno)
    name = block_called(node)
    if name is None and not (isinstance(node.node, nodes.Name) and node.node.name == "range"):
        hint = "to change a value use a filter: {{ x | upper }}"
        yield Problem(file, line, column, "only blocks can be called", hint)
    elif name is not None and name not in blocks:
        place = node.node.lineno
        yield Problem(file, int(place), column_of(place) + 1, f"unknown block '{name}'", did_you_mean(name, blocks))
    if node.dyn_args or node.dyn_kwargs:
        yield Problem(file, line, column, "'*' has no place in a call", "write the arguments out")


def _translated(node: nodes.Filter, file: str) -> Iterator[Problem]:
    """A text that is to be translated is written out, with a value for each name in braces."""
    line, column = int(node.lineno), column_of(node.lineno)
    if not isinstance(node.node, nodes.Const) or not isinstance(node.node.value, str):
        yield Problem(file, line, column, "'t' translates a text that is written out", 'write {{ "A text" | t }}')
        return
    wanted = placeholders(node.node.value)
    given = {str(pair.key) for pair in node.kwargs}
    if node.args or node.dyn_args or node.dyn_kwargs:
        yield Problem(file, line, column, "values of 't' have names", 'write {{ "At {value}" | t(value=…) }}')
    for name in sorted(given - wanted):
        hint = did_you_mean(name, sorted(wanted)) or f"write {{{name}}} in the text, or take it out"
        yield Problem(file, line, column, f"'{name}' has no place in the text", hint)
    for name in sorted(wanted - given) if given <= wanted else ():
        yield Problem(file, line, column, f"'{{{name}}}' gets no value", f"write t({name}=…)")


def _misplaced_calls(node: nodes.Node, file: str) -> Iterator[Problem]:
    """Blocks can only be printed: kept in a name or put into one another they could grow without end."""
    for child in node.iter_child_nodes():
        if block_called(child) is not None:
            place = child.lineno
            hint = "write {{ blocks.name(…) }} on its own line"
            yield Problem(file, int(place), column_of(place), "a block must stand alone in its braces", hint)
