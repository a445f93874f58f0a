"""Reads the head of an email's file: subject, preview, button, facts; everything else is the text of the email."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engage.authoring.document import Mapping as MappingNode
from engage.authoring.document import Node, Scalar, read_document
from engage.authoring.reader import Reader
from engage.domain.conditions import FactRef
from engage.domain.errors import AuthoringError, Problem

ParseFact = Callable[[Node, str], FactRef]
"""Reads a fact, given its node and the file it stands in; raises AuthoringError. See `authoring.facts`."""
PROGRAM, OWNER, MANAGER, SALESPERSON = SENDERS = ("program", "owner", "manager", "salesperson")
"""In whose name an email may be."""
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text of the head with Jinja in it, and the place of its first character. `exact` says that the text stands in
    the file as it reads, on one line, so that places inside it can be counted."""

    text: str
    line: int
    column: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Email:
    """One email as its file says it. `body_line` is the line on which the Markdown begins; `story` names the success
    story that it tells."""

    subject: Phrase
    preview: Phrase
    sender: str
    button: tuple[Phrase, Phrase] | None
    facts: Mapping[str, FactRef]
    fact_places: Mapping[str, tuple[int, int]]
    body: str
    body_line: int
    story: str = ""
    story_place: tuple[int, int] = (1, 1)


def read_email(source: str, file: str, parse_fact: ParseFact) -> tuple[Email | None, tuple[Problem, ...]]:
    """The email, as far as it can be read, and what is wrong with its head."""
    try:
        node, body, body_line = read_head(source, file, "subject: …")
    except AuthoringError as error:
        return None, error.problems
    lines, reader = source.split("\n"), Reader(file)
    optional = ("preview", "from", "button", "facts", "story")
    fields = reader.fields(node, "the front matter", ("subject",), optional).nodes
    facts, places = _facts(reader, fields.get("facts"), parse_fact)
    email = Email(
        subject=_phrase(reader, fields.get("subject"), "subject", lines),
        preview=_phrase(reader, fields.get("preview"), "preview", lines),
        sender=reader.choice(fields["from"], "sender", SENDERS) if "from" in fields else SENDERS[0],
        button=_button(reader, fields.get("button"), lines),
        facts=facts,
        fact_places=places,
        body=body,
        body_line=body_line,
        story=reader.name(fields["story"], "a story's name") if "story" in fields else "",
        story_place=(fields["story"].line, fields["story"].column) if "story" in fields else (1, 1),
    )
    return email, tuple(reader.problems)


def read_head(source: str, file: str, example: str) -> tuple[Node, str, int]:
    """The head of a file, what follows it, and the line on which that begins. Raises AuthoringError."""
    lines = source.split("\n")
    if lines[0].rstrip() != _FENCE:
        raise AuthoringError.at(file, 1, 1, "the file does not begin with '---'", f"begin with ---, {example}, ---")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise AuthoringError.at(file, 1, 1, "the front matter does not end", "close it with a line '---'")
    node = read_document("\n".join(lines[1:end]), file, first_line=2)
    if isinstance(node, Scalar) and node.empty:
        node = MappingNode((), 1, 1)
    return node, "\n".join(lines[end + 1 :]), end + 2


def _phrase(reader: Reader, node: Node | None, what: str, lines: list[str]) -> Phrase:
    if node is None:
        return Phrase("", 1, 1, False)
    text = reader.text(node, what)
    written = lines[node.line - 1]
    for offset in (0, 1):  # plain, or behind a quote
        if text and written.startswith(text, node.column - 1 + offset):
            return Phrase(text, node.line, node.column + offset, True)
    return Phrase(text, node.line, node.column, False)


def _button(reader: Reader, node: Node | None, lines: list[str]) -> tuple[Phrase, Phrase] | None:
    if node is None:
        return None
    fields = reader.fields(node, "the button", ("label", "url")).nodes
    if len(fields) < 2:
        return None
    return _phrase(reader, fields["label"], "label", lines), _phrase(reader, fields["url"], "url", lines)


def _facts(
    reader: Reader, node: Node | None, parse_fact: ParseFact
) -> tuple[dict[str, FactRef], dict[str, tuple[int, int]]]:
    facts: dict[str, FactRef] = {}
    places: dict[str, tuple[int, int]] = {}
    for key, value in reader.entries(node, "facts") if node else ():
        if not key.text.isidentifier() or key.text.startswith("_"):
            reader.problem(key, f"'{key.text}' cannot be a name in templates", "use letters, digits and '_'")
            continue
        try:
            facts[key.text] = parse_fact(value, reader.path)
            places[key.text] = (value.line, value.column)
        except AuthoringError as error:
            reader.problems += error.problems
    return facts, places
