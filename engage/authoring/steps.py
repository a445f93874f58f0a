"""Reads the steps of a campaign: what is sent, waited for, asked and decided on the way."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

from engage.authoring.conditions import ConditionReader
from engage.authoring.document import Mapping, Node, Scalar, Sequence
from engage.authoring.hours import parse_time_of_day
from engage.authoring.reader import Fields, Reader, did_you_mean
from engage.authoring.schedules import cron_of
from engage.domain.campaigns import (
    ALERTS,
    AlertStep,
    Answer,
    AskStep,
    AtStep,
    BranchStep,
    Choice,
    Edge,
    MailStep,
    Place,
    SendStep,
    Step,
    Text,
    WaitStep,
)
from engage.domain.journeys import every_step
from engage.domain.programs import ALERTED
from engage.domain.windows import parse_duration

KINDS = ("send", "wait", "at", "branch", "alert", "ask")
"""Every kind of step."""

EDITION = "edition"
"""The key under which `send` names a folder of editions, one email for each month."""

MOST_ANSWERS = 6
MOST_STEPS = 100
"""Of a campaign, in branches too. A tick's and a plan's work grows with them."""


def read_steps(reader: Reader, node: Node, conditions: ConditionReader) -> tuple[Step, ...]:
    """The steps in order, each with an id that stays when others are added: written, or made from its template.

    Waits and branches without one are numbered: who is inside finishes on the steps they entered.
    """
    known_problems = len(reader.problems)
    steps = _StepsReader(reader, conditions).read(node, "'steps'")
    if (many := sum(1 for _ in every_step(steps))) > MOST_STEPS:
        reader.problem(node, f"a campaign has at most {MOST_STEPS} steps, and this one {many}", "make two of it")
    sending = any(isinstance(step, MailStep) for step in every_step(steps))
    if not sending and len(reader.problems) == known_problems:
        reader.problem(node, "the steps send nothing", "add one such as - send: nudges/hello")
    return steps


class _StepsReader:
    def __init__(self, reader: Reader, conditions: ConditionReader) -> None:
        self.reader = reader
        self.conditions = conditions
        self._numbers: dict[str, int] = {}
        self._seen: set[str] = set()
        self._kinds: dict[str, Callable[[Node, str], Step | None]] = {
            "send": self._send,
            "wait": self._wait,
            "at": self._at,
            "branch": self._branch,
            "alert": self._alert,
            "ask": self._ask,
        }

    def read(self, node: Node, what: str) -> tuple[Step, ...]:
        found = (self._step(item) for item in self.reader.items(node, what))
        return tuple(step for step in found if step is not None)

    def _step(self, node: Node) -> Step | None:
        reader = self.reader
        if not isinstance(node, Mapping):
            reader.problem(node, "a step is a key with a value", "such as - send: nudges/hello")
            return None
        kind = next((key for key, _ in node.entries if key.text != "id"), None)
        if kind is None:
            reader.problem(node, "a step without what it does", f"known are {', '.join(KINDS)}")
            return None
        if kind.text not in KINDS:
            reader.problem(kind, f"unknown step '{kind.text}'", did_you_mean(kind.text, KINDS))
            return None
        fields = reader.fields(node, "the step", (kind.text,), ("id",))
        written = fields.name("id", "a step's id")
        step = self._kinds[kind.text](fields[kind.text], written) if kind.text in fields else None
        if step is None:
            return None
        if step.id in self._seen:
            reader.problem(node, f"two steps have the id '{step.id}'", "give one of them an id: of its own")
        self._seen.add(step.id)
        return step

    def _numbered(self, kind: str, written: str) -> str:
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return written or f"{kind}-{self._numbers[kind]}"

    # --- mails --------------------------------------------------------------------------------------------------------

    def _send(self, node: Node, written: str) -> SendStep | None:
        if isinstance(node, Mapping):
            return self._send_of_several(node, written)
        text = self._text(node)
        return SendStep(written or f"send-{text.template.replace('/', '-')}", (text,))

    def _send_of_several(self, node: Mapping, written: str) -> SendStep | None:
        """`send: {rotate: [a, b]}`, `send: {variants: {a: 2, b: 1}}` or `send: {edition: newsletter}`."""
        fields = self.reader.fields(node, "send", (), (*Choice, EDITION))
        ways = [way for way in Choice if way in fields]
        if len(ways) + (EDITION in fields) != 1:
            hint = "write send: nudges/hello, or send: {rotate: [nudges/hello, nudges/hello_again]}"
            self.reader.problem(node, "'send' names an email, or one of rotate, variants and edition", hint)
            return None
        if not ways:
            text = replace(self._text(fields[EDITION]), edition=True)
            return SendStep(written or f"send-{text.template.replace('/', '-')}", (text,))
        if ways[0] is Choice.ROTATE:
            texts = tuple(self._text(item) for item in self.reader.items(fields["rotate"], "'rotate'"))
        else:
            texts = tuple(
                Text(self.reader.template(key), self.reader.limit(weight, "a weight"), Place(key.line, key.column))
                for key, weight in fields.entries("variants")
            )
        if len(texts) < 2:
            self.reader.problem(fields[ways[0]], f"'{ways[0]}' has fewer than two emails", "add one, or write send: x")
            return None
        if len({text.template for text in texts}) < len(texts):
            self.reader.problem(fields[ways[0]], f"'{ways[0]}' names an email twice", "take one out")
        return SendStep(written or f"send-{texts[0].template.replace('/', '-')}", texts, ways[0])

    def _alert(self, node: Node, written: str) -> AlertStep | None:
        fields = self.reader.fields(node, "alert", ("to", "say"))
        if "to" not in fields or "say" not in fields:
            return None
        to = self.reader.choice(fields["to"], "receiver of alerts", (*ALERTED, *self.conditions.program.desks))
        place = fields["say"]
        say = self.reader.template(place)
        text = Text(ALERTS + say, place=Place(place.line, place.column))
        return AlertStep(written or f"alert-{say.replace('/', '-')}", text, to)

    def _ask(self, node: Node, written: str) -> AskStep | None:
        """`ask: {question: how-is-it-going, send: surveys/x, answers: {fine: "All is fine"}}`."""
        fields = self.reader.fields(node, "ask", ("question", "send", "answers"))
        if any(key not in fields for key in ("question", "send", "answers")):
            return None
        question = fields.name("question", "a question's name")
        answers = tuple(
            Answer(self.reader.name(key, "an answer"), self.reader.text(label, "an answer's label"))
            for key, label in fields.entries("answers")
        )
        if not 2 <= len(answers) <= MOST_ANSWERS:
            message = f"a question has 2 to {MOST_ANSWERS} answers, and '{question}' has {len(answers)}"
            self.reader.problem(
                fields["answers"], message, 'such as answers: {fine: "All is fine", stuck: "I am stuck"}'
            )
        return AskStep(written or f"ask-{question}", self._text(fields["send"]), question, answers)

    def _text(self, node: Node) -> Text:
        return Text(self.reader.template(node), place=Place(node.line, node.column))

    # --- the way ------------------------------------------------------------------------------------------------------

    def _wait(self, node: Node, written: str) -> WaitStep | None:
        """`wait: 14d`, or `wait: {until: next weekday 09:00}`."""
        id_ = self._numbered("wait", written)
        if not isinstance(node, Mapping):
            return WaitStep(id_, lasting=self.reader.parsed(node, "'wait'", _lasting, None))
        fields = self.reader.fields(node, "wait", ("until",))
        if "until" not in fields:
            return None
        cron = fields.parsed("until", _next)
        return WaitStep(id_, until=cron, written=fields.text("until"))

    def _at(self, node: Node, written: str) -> AtStep | None:
        """`at: start`, `at: end - 3d`, `at: end + 1d 09:00`: an instant of the campaign's promotion."""
        id_ = self._numbered("at", written)
        found = self.reader.parsed(node, "'at'", _edge, None)
        return None if found is None else AtStep(id_, *found)

    def _branch(self, node: Node, written: str) -> BranchStep | None:
        """`branch: {if: [...], then: [...], else: [...]}`."""
        id_ = self._numbered("branch", written)
        fields = self.reader.fields(node, "branch", ("if", "then"), ("else",))
        if "if" not in fields or "then" not in fields:
            return None
        condition = self.conditions.read(fields["if"])
        then = self._steps_within(fields, "then")
        return BranchStep(id_, condition, then, self._steps_within(fields, "else"))

    def _steps_within(self, fields: Fields, key: str) -> tuple[Step, ...]:
        if key not in fields:
            return ()
        node = fields[key]
        if (isinstance(node, Sequence) and not node.items) or (isinstance(node, Scalar) and not node.text):
            return ()  # `then: []` is to do nothing
        return self.read(node, f"'{key}'")


def _lasting(text: str) -> timedelta:
    if text.startswith(("until ", "next ")):
        raise ValueError(f"'{text}' is not a duration; write wait: {{until: {text.removeprefix('until ')}}}")
    return parse_duration(text)


def _next(text: str) -> str:
    """The cron of `next weekday 09:00`; the word `next` may be left out. Raises ValueError."""
    return cron_of(text.removeprefix("next "))


_EDGES = re.compile(r"(start|end)(?:\s*([+-])\s*(\S+))?(?:\s+([0-9:]+))?")


def _edge(text: str) -> tuple[Edge, timedelta, time | None] | None:
    found = _EDGES.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is no instant of a promotion; write start, end, end - 3d or end + 1d 09:00")
    edge, sign, length, clock = found.groups()
    offset = parse_duration(length) if length else timedelta()
    if clock and offset % timedelta(days=1):
        raise ValueError(f"'{text}' names a time of day and hours; write start + 1d 09:00, or start + 33h")
    at = parse_time_of_day(clock) if clock else None
    return Edge(edge), -offset if sign == "-" else offset, at
