"""Runs templates so that none can read, change or cost more than an email needs.

Jinja's sandbox keeps templates away from Python's internals; it bounds neither time nor memory (`{{ 'a' * 300000000 }}`
is legal there). Here every loop is paid from a budget before it starts, every text and number has a largest size,
nothing can be called but blocks, and only texts and whole numbers can be printed.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from engage.content.direction import closed
from engage.content.filters import BRAND_FILTERS, FILTERS, INNER_FILTERS
from engage.content.limits import (
    MAX_ITEMS,
    MAX_NUMBER,
    MAX_OUTPUT,
    MAX_RANGE,
    EmailContext,
    LimitError,
    RenderError,
    fit,
    refuse_undefined,
    too_large,
)
from engage.content.places import PlacedEnvironment

TESTS = ("defined", "undefined", "none", "odd", "even")
LOOP_FIELDS = ("index", "index0", "revindex", "revindex0", "first", "last", "length")
BLOCK_PREFIX = "block_"
_NESTED = frozenset((list, tuple, dict))

# Control characters would break lines and headers, overrides of direction would turn the text around a name.
_UNFIT = {
    **dict.fromkeys(range(0x20), " "),
    **dict.fromkeys((0x7F, *range(0x80, 0xA0), 0x2028, 0x2029), " "),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)), ""),
}


class EmailEnvironment(PlacedEnvironment, ImmutableSandboxedEnvironment):
    """The environment of one form: HTML (`markup=True`, everything printed is escaped) or text."""

    context_class = EmailContext
    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self, *, markup: bool) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=markup, finalize=_printable, keep_trailing_newline=True)
        limits = {"_loop": _loop, "_concat": _concat, "_literal": _literal, "_block": Markup}
        self.filters = {**FILTERS, **BRAND_FILTERS, **INNER_FILTERS, **limits}
        self.tests = {name: self.tests[name] for name in TESTS}
        self.globals = {"range": _range}

    def compile_tree(self, tree: nodes.Template, file: str) -> Any:
        """Compiles a checked tree, with the limits built in."""
        return self.template_class.from_code(self, self.compile(_Limits(tree).visit(tree), file, file), self.globals)

    def getattr(self, obj: Any, attribute: str) -> Any:
        kind = type(obj)
        if kind is dict or isinstance(obj, Mapping):
            if attribute in obj:
                return obj[attribute]
        elif attribute in (LOOP_FIELDS if kind is LoopContext else getattr(kind, "__dataclass_fields__", ())):
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, list | tuple) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(obj=obj, name=str(argument))
        return self.getattr(obj, argument) if isinstance(argument, str) else self.undefined(obj=obj, name="item")

    def is_safe_callable(self, obj: Any) -> bool:
        return isinstance(obj, Macro) or obj is _range

    def call_binop(self, _context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return fit(left + right)
        for side in (left, right):
            if not isinstance(side, int | float | Decimal):
                refuse_undefined(side)
                raise RenderError(f"'{operator}' works on numbers only")
        if operator == "**":
            raise LimitError("'**' has no place in an email")
        result = self.binop_table[operator](left, right)
        if abs(result) > MAX_NUMBER:
            raise LimitError("a number grew too large")
        return result


def run(render: Callable[[Context], Any], context: EmailContext) -> str:
    """What a compiled template prints. Raises RenderError, whatever went wrong inside."""
    try:
        output = "".join(render(context))
    except RenderError:
        raise
    except SecurityError as error:
        raise RenderError("the template calls what it may not", "only blocks can be called") from error
    except TemplateError as error:
        raise RenderError(str(error.message or "the template failed")) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        hint = "check what its filters are given"
        raise RenderError(f"the template failed ({type(error).__name__})", hint) from error
    if len(output) > MAX_OUTPUT:
        too_large()
    return output


def printable(text: str) -> str:
    """`text` as mails may show it: control characters become blanks, overrides of direction are left out."""
    return text if text.isprintable() else text.translate(_UNFIT)


@pass_context
def _printable(context: EmailContext, value: Any) -> Any:
    """Jinja's `finalize`: what may be printed, as it is printed."""
    kind = type(value)
    if kind is str:
        context.print(len(value))
        return closed(printable(value))
    if kind is int or kind is Markup:
        return value
    refuse_undefined(value)
    if isinstance(value, str):  # an enumeration's member, whose text is its value
        return _printable(context, str(value))
    if value is None:
        raise RenderError("an empty value was to be printed", "wrap it in {% if … %}, or give it a | default('…')")
    hint = "use a filter: date, money, number or percent"
    raise RenderError(f"a value of type {kind.__name__} was to be printed", hint)


@pass_context
def _loop(context: EmailContext, items: Any, cost: int) -> Any:
    refuse_undefined(items)
    if not isinstance(items, list | tuple | range):
        raise RenderError("only lists can be looped over")
    context.spend(len(items) * cost)
    return items


def _concat(parts: Sequence[Any]) -> str:
    for part in parts:
        refuse_undefined(part)
        if part is None:
            raise RenderError("an empty value was to be joined to a text")
    return fit("".join(str(part) for part in parts))


def _literal(items: Sequence[Any]) -> Sequence[Any]:
    """Lists written in templates are small and flat, so that nothing can grow by nesting."""
    if len(items) > MAX_ITEMS:
        raise LimitError(f"a list has more than {MAX_ITEMS} items")
    for item in items:
        kind = type(item)
        if kind is list or kind is dict or (kind is tuple and not _NESTED.isdisjoint(map(type, item))):
            raise LimitError("a list holds lists of lists")
    return items


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise LimitError(f"a range has more than {MAX_RANGE} numbers")
    return numbers


class _Limits(NodeTransformer):
    """Builds the limits into a tree: loops pay first, lists and joined texts are measured, blocks become macros."""

    def __init__(self, tree: nodes.Template) -> None:
        self.costs = {macro.name: _size(macro, {}) for macro in tree.find_all(nodes.Macro)}

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 (the visitor's spelling)
        cost = 1 + sum(_size(child, self.costs) for child in (*node.body, *([node.test] if node.test else [])))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_loop", nodes.Const(cost))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes), "_concat")

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(node, "_literal")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(node, "_literal") if node.ctx == "load" else node

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:  # noqa: N802
        name = block_called(node)
        self.generic_visit(node)
        if name is not None:
            node.node = nodes.Name(BLOCK_PREFIX + name, "load", lineno=node.lineno)
        return node if name is None else _filtered(node, "_block")


def block_called(node: nodes.Node) -> str | None:
    """The `x` of a call `blocks.x(…)`; None for anything else."""
    if isinstance(node, nodes.Call) and isinstance(called := node.node, nodes.Getattr):
        return called.attr if isinstance(called.node, nodes.Name) and called.node.name == "blocks" else None
    return None


def _size(node: nodes.Node, macros: Mapping[str, int]) -> int:
    size = 1 + (len(node.data) // 64 if isinstance(node, nodes.TemplateData) else 0)
    if name := block_called(node):
        size += macros.get(BLOCK_PREFIX + name, 0)
    return size + sum(_size(child, macros) for child in node.iter_child_nodes())


def _filtered(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr, node), name, list(args), [], None, None, lineno=node.lineno)
