"""Holds a template against what it can know: names that do not exist, values shown raw, values that may be empty.

Jinja would find the first of these when it renders, for one recipient, at night. Here the tree is walked once, with the
schema of the campaign's subject, and every finding has its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jinja2 import nodes

from engage.authoring.reader import did_you_mean
from engage.content.filters import FORMATS
from engage.content.places import column_of
from engage.content.sandbox import block_called
from engage.content.types import Kind, Listing, Record, Type, Value
from engage.domain.errors import Problem

_RAW = {
    Kind.MONEY: ("an amount", "money"),
    Kind.INSTANT: ("a date", "date"),
    Kind.RATIO: ("a ratio", "percent"),
    Kind.METRIC: ("a tier's value", "metric(tier.metric)"),
    Kind.NUMBER: ("a number", "number"),
    Kind.FLAG: ("a yes or no", ""),
}
_NAMED_IN_HEAD = {"story": "name it in the front matter, such as story: ardent-payroll"}
"""What an email has only if its head says so."""
_FREE = ("blocks", "range", "button")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known at a place: names with their types (None where nothing is known of it), and the paths whose being
    there was asked for around it."""

    names: Mapping[str, Type | None]
    asked: frozenset[str] = frozenset()

    def with_name(self, name: str, what: Type | None) -> "Scope":
        return Scope({**self.names, name: what}, self.asked)

    def asking(self, paths: Iterable[str]) -> "Scope":
        return Scope(self.names, self.asked | frozenset(paths))

    def asked_for(self, path: str) -> bool:
        return any(asked == path or asked.startswith(path + ".") for asked in self.asked)


@dataclass(slots=True)
class Linter:
    """Collects the findings of one file."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def check(self, body: Iterable[nodes.Node], names: Mapping[str, Type | None]) -> None:
        """Adds the findings of a body of statements."""
        self.statements(body, Scope(names))

    def statements(self, body: Iterable[nodes.Node], scope: Scope) -> Scope:
        for node in body:
            scope = self.statement(node, scope)
        return scope

    def statement(self, node: nodes.Node, scope: Scope) -> Scope:
        """Checks one statement; returns the scope after it."""
        match node:
            case nodes.Output():
                for printed in node.nodes:
                    self.shown(printed, scope)
            case nodes.If():
                self.condition(node, scope)
            case nodes.For():
                self.loop(node, scope)
            case nodes.Assign(target=nodes.Name(name=name), node=value):
                return scope.with_name(name, self.value(value, scope))
            case _:
                for child in node.iter_child_nodes():
                    self.value(child, scope)
        return scope

    def condition(self, node: nodes.If, scope: Scope) -> None:
        inner = scope.asking(_paths(node.test))
        self.value(node.test, inner)
        self.statements(node.body, inner)
        for other in node.elif_:
            inner = inner.asking(_paths(other.test))
            self.value(other.test, inner)
            self.statements(other.body, inner)
        self.statements(node.else_, inner)

    def loop(self, node: nodes.For, scope: Scope) -> None:
        items = self.value(node.iter, scope)
        if isinstance(items, Value | Record):
            self.add(node.iter, f"'{_path(node.iter)}' is no list", "loop over a list such as leaders")
        inner = scope.with_name("loop", None)
        if isinstance(node.target, nodes.Name):
            inner = inner.with_name(node.target.name, items.item if isinstance(items, Listing) else None)
        for name in node.target.find_all(nodes.Name):
            inner = inner.with_name(name.name, None)
        if node.test is not None:
            inner = inner.asking(_paths(node.test))
            self.value(node.test, inner)
        self.statements(node.body, inner)
        self.statements(node.else_, scope)

    def shown(self, node: nodes.Node, scope: Scope) -> None:
        """Checks what is printed, or stands where it will be."""
        match node:
            case nodes.TemplateData() | nodes.Const():
                return
            case nodes.CondExpr():
                inner = scope.asking(_paths(node.test))
                self.value(node.test, inner)
                for branch in (node.expr1, node.expr2):
                    if branch is not None:
                        self.shown(branch, inner)
            case nodes.Or(left=left, right=right):
                self.raw(left, self.value(left, scope))
                self.shown(right, scope)
            case nodes.Concat():
                for part in node.nodes:
                    self.shown(part, scope)
            case nodes.List(items=items) | nodes.Tuple(items=items):
                for item in items:
                    self.shown(item, scope)
            case _:
                found = self.value(node, scope)
                self.raw(node, found)
                self.emptiness(node, found, scope)

    def raw(self, node: nodes.Node, found: Type | None) -> None:
        if isinstance(found, Record | Listing):
            self.add(node, f"'{_path(node)}' is not a text", "write one of its fields, or give it to a block")
        elif isinstance(found, Value) and found.kind in _RAW:
            what, name = _RAW[found.kind]
            hint = f"write {{{{ {_path(node)} | {name} }}}}" if name else "ask for it with {% if … %}"
            self.add(node, f"'{_path(node)}' would show {what} raw", hint)

    def emptiness(self, node: nodes.Node, found: Type | None, scope: Scope) -> None:
        path = _path(node)
        if isinstance(found, Value) and found.optional and not scope.asked_for(path):
            hint = f"wrap it in {{% if {path} %}}…{{% endif %}}"
            if found.kind not in _RAW:
                hint += f", or write {{{{ {path} | default('…') }}}}"
            if path == "partner.first_name":
                hint = "write {{ partner.greeting_name }}, which never is"
            self.add(node, f"'{path}' may be empty", hint)

    def value(self, node: nodes.Node, scope: Scope) -> Type | None:
        """Checks an expression; returns what it is, where that is known."""
        match node:
            case nodes.Name(name=name):
                return self.named(node, name, scope)
            case nodes.Getattr(node=owner, attr=name):
                return self.attribute(node, owner, name, scope)
            case nodes.Filter():
                return self.filtered(node, scope)
            case nodes.And(left=left, right=right):
                self.value(left, scope)
                self.value(right, scope.asking(_paths(left)))
            case nodes.CondExpr():
                self.shown(node, scope)
            case nodes.Call() if block_called(node) is not None:
                for argument in (*node.args, *(keyword.value for keyword in node.kwargs)):
                    self.argument(argument, scope)
            case _:
                for child in node.iter_child_nodes():
                    self.value(child, scope)
        return None

    def argument(self, node: nodes.Node, scope: Scope) -> None:
        """A block takes records, lists and values that may be empty; what it is given in a list it shows."""
        if isinstance(node, nodes.List | nodes.Tuple | nodes.Concat):
            self.shown(node, scope)
            return
        found = self.value(node, scope)
        self.raw_text(node, found)
        if isinstance(found, Record) and found.asked and not scope.asked_for(_path(node)):
            path = _path(node)
            self.add(node, f"'{path}' may be empty", f"wrap it in {{% if {path} %}}…{{% endif %}}")

    def raw_text(self, node: nodes.Node, found: Type | None) -> None:
        if isinstance(found, Value):
            self.raw(node, found)

    def named(self, node: nodes.Name, name: str, scope: Scope) -> Type | None:
        if name in scope.names:
            return scope.names[name]
        if name not in _FREE:
            hint = _NAMED_IN_HEAD.get(name) or did_you_mean(name, scope.names)
            self.add(node, f"unknown name '{name}'", hint)
        return None

    def attribute(self, node: nodes.Getattr, owner: nodes.Node, name: str, scope: Scope) -> Type | None:
        found = self.value(owner, scope)
        if found is None:
            return None
        line, column = int(node.lineno), column_of(node.lineno) + 1
        path = _path(owner)
        if not isinstance(found, Record):
            what = "a list: loop over it" if isinstance(found, Listing) else "a plain value"
            self.problems.append(Problem(self.file, line, column, f"'{path}' has no fields", f"it is {what}"))
            return None
        if found.optional and not scope.asked_for(path):
            self.add(node, f"'{path}' may be empty", f"wrap it in {{% if {path} %}}…{{% endif %}}")
        if name not in found.fields:
            hint = did_you_mean(name, found.fields) or "the front matter names no facts"
            self.problems.append(Problem(self.file, line, column, f"unknown field '{name}' of '{path}'", hint))
            return None
        return found.fields[name]

    def filtered(self, node: nodes.Filter, scope: Scope) -> Type | None:
        check = self.shown if node.name == "t" else self.value
        for argument in (*node.args, *(keyword.value for keyword in node.kwargs)):
            check(argument, scope)
        assert node.node is not None
        found = self.value(node.node, scope)
        if node.name in FORMATS:
            self.emptiness(node.node, found, scope)
        if node.name in ("first", "last") and isinstance(found, Listing):
            return found.item
        if node.name == "default" and isinstance(found, Value):
            return Value(found.kind, found.meaning) if found.kind in _RAW else None
        return None

    def add(self, node: nodes.Node, message: str, hint: str) -> None:
        start = node
        while isinstance(start, nodes.Getattr):
            start = start.node
        self.problems.append(Problem(self.file, int(start.lineno), column_of(start.lineno), message, hint))


def _path(node: nodes.Node) -> str:
    """`referral.amount` for a chain of names; for anything else a word that no chain is."""
    if isinstance(node, nodes.Name):
        return node.name
    return f"{_path(node.node)}.{node.attr}" if isinstance(node, nodes.Getattr) else "…"


def _paths(test: nodes.Node) -> set[str]:
    """Every chain of names that a test asks about."""
    if isinstance(test, nodes.Name | nodes.Getattr):
        return {_path(test)}
    return {path for child in test.iter_child_nodes() for path in _paths(child)}
