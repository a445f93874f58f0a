"""MJML becomes HTML, once, when templates are loaded; whatever the compiler would drop in silence is a problem first.

Nothing in the result is loaded from elsewhere but the pictures that its author named: no fonts, no icons.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

import mrml

from engage.authoring.reader import did_you_mean
from engage.content.lifting import Lifted
from engage.domain.errors import Problem

_BLOCKS = ("mj-button", "mj-divider", "mj-image", "mj-raw", "mj-spacer", "mj-table", "mj-text")
_INSIDE: dict[str, tuple[str, ...]] = {
    "": ("mjml",),
    "mjml": ("mj-head", "mj-body"),
    "mj-head": ("mj-attributes", "mj-breakpoint", "mj-preview", "mj-raw", "mj-style", "mj-title"),
    "mj-attributes": ("mj-all", "mj-class", "mj-section", "mj-column", "mj-group", "mj-wrapper", "mj-hero", *_BLOCKS),
    "mj-body": ("mj-section", "mj-wrapper", "mj-hero", "mj-raw"),
    "mj-wrapper": ("mj-section", "mj-hero", "mj-raw"),
    "mj-section": ("mj-column", "mj-group", "mj-raw"),
    "mj-group": ("mj-column", "mj-raw"),
    "mj-column": _BLOCKS,
    "mj-hero": _BLOCKS,
}
"""Which tags may stand in which (https://documentation.mjml.io); all others hold HTML or nothing."""
_KNOWN = frozenset(tag for tags in _INSIDE.values() for tag in tags)
_REMOTE = ("mj-font", "mj-include", "mj-social", "mj-carousel", "mj-navbar", "mj-accordion")
_ADDRESS = re.compile(r'(\b(?:href|src)=")([^"]*)(")')


def check_mjml(lifted: Lifted, file: str) -> tuple[Problem, ...]:
    """Tags that are unknown, stand where the compiler drops them, or load things from elsewhere."""
    return _Checker(lifted.masked, file).check()


def compile_mjml(lifted: Lifted, file: str) -> str | Problem:
    """The HTML of a checked source, marks and all."""
    text = _ADDRESS.sub(lambda found: found[1] + lifted.address(found[2]) + found[3], lifted.text)
    try:
        return mrml.to_html(text, render_options=mrml.RenderOptions(disable_comments=True, fonts={})).content
    except OSError as error:  # what the compiler raises for a source that it cannot parse
        return Problem(file, 1, 1, f"MJML cannot be compiled: {error}", "look for text or tags out of place")


@dataclass(slots=True)
class _Checker:
    source: str
    file: str
    stack: list[str] = field(default_factory=lambda: [""])
    problems: list[Problem] = field(default_factory=list)

    def check(self) -> tuple[Problem, ...]:
        parser = expat.ParserCreate("utf-8")
        encoded = self.source.encode()

        def place() -> tuple[int, int]:
            before = encoded[: max(parser.CurrentByteIndex, 0)].decode(errors="ignore")
            return before.count("\n") + 1, len(before) - before.rfind("\n")

        parser.StartElementHandler = lambda tag, _attributes: self.open(tag, place())
        parser.EndElementHandler = lambda _tag: self.stack.pop()
        parser.CharacterDataHandler = lambda text: self.characters(text, place())
        try:
            parser.Parse(encoded, True)
        except expat.ExpatError as error:
            message = expat.errors.messages[error.code]
            hint = "close every tag, <br /> too, and write &#160; and &amp;"
            self.problems.append(Problem(self.file, *place(), f"this is not MJML: {message}", hint))
        return tuple(self.problems)

    def open(self, tag: str, place: tuple[int, int]) -> None:
        holder = self.stack[-1]
        self.stack.append(tag)
        allowed = _INSIDE.get(holder)
        if tag in _REMOTE:
            hint = "use mj-text, mj-image and mj-button"
            self.problems.append(Problem(self.file, *place, f"'{tag}' loads from elsewhere", hint))
        elif tag.startswith("mj") and tag not in _KNOWN:
            self.problems.append(Problem(self.file, *place, f"unknown tag '{tag}'", did_you_mean(tag, sorted(_KNOWN))))
        elif (allowed is not None and tag not in allowed) or (allowed is None and tag in _KNOWN):
            where = " or ".join(parent for parent, tags in _INSIDE.items() if tag in tags and parent != "mj-attributes")
            hint = f"it belongs in {where}" if where else "HTML belongs in mj-text, mj-table or mj-raw"
            at = f"in '{holder}'" if holder else "at the top"
            self.problems.append(Problem(self.file, *place, f"'{tag}' would be dropped {at}", hint))

    def characters(self, text: str, place: tuple[int, int]) -> None:
        if text.strip() and self.stack[-1] in _INSIDE:
            hint = "write text in mj-text, and tags of Jinja between sections in mj-raw"
            self.problems.append(Problem(self.file, *place, f"text would be dropped in '{self.stack[-1]}'", hint))
