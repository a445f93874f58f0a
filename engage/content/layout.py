"""What all emails share: the layout around their text and the blocks inside it, each in an HTML and a text form.

Read once. The text of an email is put into the layout when the email is compiled, so that a render runs one piece of
code from the first line to the last.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import nodes
from jinja2.parser import Parser

from engage.content.lifting import Lifted, lift
from engage.content.lint import Linter
from engage.content.mjml import check_mjml, compile_mjml
from engage.content.places import parse
from engage.content.rules import broken_rules
from engage.content.sandbox import BLOCK_PREFIX, EmailEnvironment, block_called
from engage.content.schema import Audience, names_for
from engage.content.types import Record, Type
from engage.content.words import said_in
from engage.domain.errors import Problem
from engage.domain.facts import Subject

HTML, TEXT = EmailEnvironment(markup=True), EmailEnvironment(markup=False)
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+).*?endmacro\s*-?%\}", re.DOTALL)
_NAMES = names_for(Subject.PARTNER, Audience.STAFF, {})
_DEMANDED = {
    "program.postal_address": "every email carries the sender's postal address: write {{ program.postal_address }}",
    "links.unsubscribe": "write {% if links.unsubscribe %} and a link to {{ links.unsubscribe }}",
}
SLOTS = ("content", "preview", "subject")
"""Names that a layout prints and each email fills."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout of one form, ready to be filled: HTML or text with marks.

    `says` are the texts that are translated, `names` the names that it reads.
    """

    lifted: Lifted
    text: str
    says: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def around(self, slots: Mapping[str, str]) -> str:
        """The Jinja source of an email: the layout with its slots filled by Jinja sources."""
        return self.lifted.put_back(self.text, slots)


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one form: macros that `blocks.name(…)` calls.

    `says` are the texts that are translated, `names` those that each block reads beside what it is given.
    """

    environment: EmailEnvironment
    macros: Mapping[str, str] = field(default_factory=dict)
    says: frozenset[str] = frozenset()
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def compile(self, source: str, file: str) -> Any:
        """Compiles a composed source together with the blocks that it uses: a template of Jinja's."""
        tree = Parser(self.environment, source).parse()
        used = {name for call in tree.find_all(nodes.Call) if (name := block_called(call))}
        written = "".join(self.macros[name] for name in sorted(used))
        macros = list(Parser(self.environment, written).parse().find_all(nodes.Macro))
        for macro in macros:
            macro.name = BLOCK_PREFIX + macro.name
        tree.body[:0] = macros
        return self.environment.compile_tree(tree, file)


def names_read(tree: nodes.Node) -> frozenset[str]:
    """Every name that is read in a tree, be it one that the tree itself has set: more than it needs, never less."""
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx == "load")


@lru_cache(maxsize=64)
def read_layout(source: str, file: str, *, mjml: bool) -> tuple[Layout | None, tuple[Problem, ...]]:
    """Reads a layout, MJML or text."""
    environment = HTML if mjml else TEXT
    tree = parse(environment, source, file)
    if isinstance(tree, Problem):
        return None, (tree,)
    linter = Linter(file)
    linter.check(tree.body, _layout_names())
    lifted, problems = lift(environment, source, file)
    problems = (*problems, *broken_rules(tree, file, (), layout=True), *linter.problems, *_left_out(tree, file))
    if mjml:
        problems += check_mjml(lifted, file)
    if problems:
        return None, problems
    says, names = said_in(tree, counted=True), names_read(tree)
    if not mjml:
        return Layout(lifted, lifted.text, says, names), ()
    html = compile_mjml(lifted, file)
    return (None, (html,)) if isinstance(html, Problem) else (Layout(lifted, html, says, names), ())


def _left_out(tree: nodes.Template, file: str) -> list[Problem]:
    """What the law wants on every email, and only a layout can promise."""
    printed = {
        f"{name.node.name}.{name.attr}" for name in tree.find_all(nodes.Getattr) if isinstance(name.node, nodes.Name)
    }
    return [
        Problem(file, 1, 1, f"the layout does not show '{name}'", hint)
        for name, hint in _DEMANDED.items()
        if name not in printed
    ]


@lru_cache(maxsize=64)
def read_blocks(source: str, file: str, *, markup: bool) -> tuple[Blocks, tuple[Problem, ...]]:
    """Reads a file of blocks: macros and nothing else."""
    environment = HTML if markup else TEXT
    tree = parse(environment, source, file)
    if isinstance(tree, Problem):
        return Blocks(environment), (tree,)
    problems: list[Problem] = []
    names: dict[str, frozenset[str]] = {}
    for node in tree.body:
        if isinstance(node, nodes.Macro):
            names[node.name] = names_read(node) - {argument.name for argument in node.args}
            problems += [problem for part in node.body for problem in broken_rules(part, file, (), layout=True)]
            linter = Linter(file)
            arguments = {argument.name: None for argument in node.args}
            linter.check(node.body, {"program": _NAMES["program"], "sender": _NAMES["sender"], **arguments})
            problems += linter.problems
        elif not isinstance(node, nodes.Output) or "".join(_data(node)).strip():
            message = "only macros stand in a file of blocks"
            problems.append(Problem(file, int(node.lineno), 1, message, "write {% macro name(…) %}…{% endmacro %}"))
    macros = {macro[1]: macro[0] for macro in _MACRO.finditer(source)}
    return Blocks(environment, macros, said_in(tree, counted=True), names), tuple(problems)


def _data(output: nodes.Output) -> list[str]:
    return [part.data if isinstance(part, nodes.TemplateData) else "?" for part in output.nodes]


def _layout_names() -> dict[str, Type | None]:
    """A layout serves partners and staff alike: what only some emails have may be empty in it."""
    names: dict[str, Type | None] = {name: _NAMES[name] for name in ("program", "links", "locale")}
    for name in ("partner", "staff"):
        record = _NAMES[name]
        assert isinstance(record, Record)
        names[name] = Record(record.meaning, record.fields, optional=True)
    return {**names, **dict.fromkeys(SLOTS)}
