"""Reads the steps of a campaign."""

import re

from engage.authoring.document import Mapping, Node
from engage.authoring.reader import Reader, did_you_mean
from engage.domain.campaigns import AlertStep, SendStep, Step

_KINDS = ("send", "alert")
_NOT_YET = ("wait", "branch", "ask")
_TEMPLATE = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")


def read_steps(reader: Reader, node: Node) -> tuple[Step, ...]:
    """The steps in order, each with an id that stays when others are added: written, or made from its template."""
    steps: list[Step] = []
    for item in reader.items(node, "'steps'"):
        step = _read_step(reader, item)
        if step is None:
            continue
        if any(other.id == step.id for other in steps):
            reader.problem(item, f"two steps have the id '{step.id}'", "give one of them an id: of its own")
        steps.append(step)
    return tuple(steps)


def _read_step(reader: Reader, node: Node) -> Step | None:
    if not isinstance(node, Mapping):
        reader.problem(node, "a step is a key with a value", "such as - send: nudges/hello")
        return None
    kind = next((key for key, _ in node.entries if key.text != "id"), None)
    if kind is None:
        reader.problem(node, "a step without what it does", f"known are {', '.join(_KINDS)}")
        return None
    if kind.text in _NOT_YET:
        reader.problem(kind, f"'{kind.text}' is not a step yet", "the steps are send and alert")
        return None
    if kind.text not in _KINDS:
        reader.problem(kind, f"unknown step '{kind.text}'", did_you_mean(kind.text, _KINDS))
        return None
    fields = reader.fields(node, "the step", (kind.text,), ("id",))
    written = fields.name("id", "a step's id")
    if kind.text not in fields:
        return None
    if kind.text == "send":
        template = _template(reader, fields["send"])
        place = fields["send"]
        return SendStep(written or f"send-{template.replace('/', '-')}", template, place.line, place.column)
    return _alert(reader, fields["alert"], written)


def _alert(reader: Reader, node: Node, written: str) -> AlertStep | None:
    fields = reader.fields(node, "alert", ("to", "say"))
    if "to" not in fields or "say" not in fields:
        return None
    to = reader.choice(fields["to"], "receiver of alerts", ("owner",))
    say = _template(reader, fields["say"])
    place = fields["say"]
    return AlertStep(written or f"alert-{say.replace('/', '-')}", f"alerts/{say}", to, place.line, place.column)


def _template(reader: Reader, node: Node) -> str:
    text = reader.text(node, "the template")
    if text and not _TEMPLATE.fullmatch(text):
        hint = "write its path below the templates folder without '.md', such as nudges/hello"
        reader.problem(node, f"'{text}' is not the name of a template", hint)
    return text
