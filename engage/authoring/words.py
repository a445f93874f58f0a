"""Reads `words:` of a program, what its mails say instead of other texts, and knows the placeholders of texts."""

import re
from collections.abc import Iterator
from collections.abc import Mapping as AbstractMapping

from engage.authoring.document import Mapping, Scalar
from engage.authoring.program_files import written_programs
from engage.authoring.reader import Fields, Reader, did_you_mean

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def placeholders(text: str) -> frozenset[str]:
    """The names that stand in braces in a text."""
    return frozenset(PLACEHOLDER.findall(text))


def misplaced(text: str, said: str, *, lost: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the placeholders of a text that stands for another: (what is wrong, what to write).

    `lost`: it has to have all of them.
    """
    wanted, there = placeholders(text), placeholders(said)
    for name in sorted(there - wanted):
        known = [f"{{{one}}}" for one in sorted(wanted)]
        hint = did_you_mean(f"{{{name}}}", known) or "take it out: the text on the left has none"
        yield f"unknown placeholder '{{{name}}}'", hint
    for name in sorted(wanted - there) if lost and there <= wanted else ():
        yield f"the placeholder '{{{name}}}' is lost", f"write {{{name}}} where it belongs"


def read_words(fields: Fields) -> dict[str, str]:
    """`words: {"The {program} team": "Your Northwind and Contoso team"}`."""
    found: dict[str, str] = {}
    for key, node in fields.entries("words"):
        found[key.text] = fields.reader.text(node, f"what stands for '{key.text}'")
        for message, hint in misplaced(key.text, found[key.text], lost=False):
            fields.reader.problem(node, message, hint)
    return found


def texts_replaced(sources: AbstractMapping[str, str]) -> list[Scalar]:
    """Every text that a program has other words for, with its place. `sources` are sound files of programs by path,
    program.yaml first."""
    (path, source), *further = sources.items()
    programs = (node for _, node in written_programs(Reader(path), source, dict(further)) if isinstance(node, Mapping))
    words = (value for node in programs for key, value in node.entries if key.text == "words")
    return [key for node in words if isinstance(node, Mapping) for key, _ in node.entries]
