"""Reads the topics of a program: who gets them, when, and what becomes of several updates of one referral."""

from datetime import time, timedelta

from engage.authoring.caps import read_counts
from engage.authoring.document import Node
from engage.authoring.hours import ProgramHours, parse_time_of_day, read_send_window
from engage.authoring.reader import Fields, Reader
from engage.domain.campaigns import Place
from engage.domain.programs import Gather, Regression, Sunset, Topic, TopicKind

TOPIC_KEYS = (
    "label",
    "kind",
    "description",
    "frequency",
    "ignore_older_than",
    "send_within",
    "sendgrid_group",
    "opt_in",
    "counts",
    "send_window",
    "collapse",
    "gather",
    "regression",
)
"""Every key of a topic."""

_REQUIRED, _OPTIONAL = TOPIC_KEYS[:2], TOPIC_KEYS[2:]
_THREE_DAYS = timedelta(days=3)
_LONGEST_COLLAPSE = timedelta(days=1)


def read_topics(reader: Reader, fields: Fields, hours: ProgramHours) -> dict[str, Topic]:
    """The `topics` of a program by key, in the order written."""
    topics: dict[str, Topic] = {}
    groups: dict[int, str] = {}
    for key, node in fields.entries("topics"):
        name = reader.name(key, "a topic")
        topics[name] = _topic(reader, name, node, hours, groups)
    return topics


def _topic(reader: Reader, name: str, node: Node, hours: ProgramHours, groups: dict[int, str]) -> Topic:
    fields = reader.fields(node, f"topic '{name}'", _REQUIRED, _OPTIONAL)
    kind = fields.member("kind", TopicKind) or TopicKind.MARKETING
    return Topic(
        key=name,
        label=fields.text("label"),
        kind=kind,
        description=fields.text("description"),
        frequency=fields.text("frequency"),
        sendgrid_group=_sendgrid_group(fields, name, kind, groups),
        ignore_older_than=fields.duration("ignore_older_than") or _THREE_DAYS,
        send_within=fields.duration("send_within") or _THREE_DAYS,
        opt_in=_opt_in(fields, name, kind),
        counts=read_counts(fields, kind),
        collapse=_collapse(fields),
        gather=_gather(fields),
        regression=fields.member("regression", Regression) or Regression.TELL,
        send_window=read_send_window(fields, hours, name, kind),
    )


def _sendgrid_group(fields: Fields, topic: str, kind: TopicKind, known: dict[int, str]) -> int | None:
    """The group's id; `known` has those of the topics before."""
    if "sendgrid_group" not in fields:
        return None
    reader, node = fields.reader, fields["sendgrid_group"]
    problems = len(reader.problems)
    group = reader.limit(node, "'sendgrid_group'")
    if len(reader.problems) > problems:
        return None
    if kind is TopicKind.TRANSACTIONAL:
        message = f"topic '{topic}' is transactional: partners cannot refuse it"
        reader.problem(node, message, "take sendgrid_group out, or write kind: marketing")
    elif group in known:
        message = f"SendGrid's group {group} is topic '{known[group]}' already"
        reader.problem(node, message, "name each group at one topic")
    known.setdefault(group, topic)
    return group


def _opt_in(fields: Fields, topic: str, kind: TopicKind) -> bool:
    if "opt_in" not in fields:
        return False
    wanted = fields.reader.boolean(fields["opt_in"], "'opt_in'")
    if wanted and kind is TopicKind.TRANSACTIONAL:
        message = f"topic '{topic}' is transactional: partners get it without having said yes"
        fields.reader.problem(fields["opt_in"], message, "take opt_in out, or write kind: marketing")
    return wanted


def _collapse(fields: Fields) -> timedelta | None:
    length = fields.duration("collapse")
    if length is not None and length > _LONGEST_COLLAPSE:
        message = "'collapse' holds updates back for more than a day"
        fields.reader.problem(fields["collapse"], message, "write a time such as 10m; for one mail a day write gather")
    return length


def _gather(fields: Fields) -> Gather | None:
    """`gather: {at: "17:00", send: status_updates/daily}`."""
    if "gather" not in fields:
        return None
    reader, node = fields.reader, fields["gather"]
    written = reader.fields(node, "gather", ("at", "send"))
    if "at" not in written or "send" not in written:
        return None
    at = reader.parsed(written["at"], "'at'", parse_time_of_day, time())
    send = written["send"]
    return Gather(at, reader.template(send, "status_updates/daily"), Place(send.line, send.column, send.file))


def read_sunset(fields: Fields) -> Sunset | None:
    """`sunset: {light_after: 180d, light: 30d, rest_after: 365d}` of a program."""
    if "sunset" not in fields:
        return None
    reader, node = fields.reader, fields["sunset"]
    written = reader.fields(node, "sunset", ("light_after", "light", "rest_after"))
    lengths = [written.duration(key) for key in ("light_after", "light", "rest_after")]
    light_after, light, rest_after = lengths
    if light_after is None or light is None or rest_after is None:
        return None
    if rest_after <= light_after:
        message = "partners rest before they are mailed less"
        reader.problem(written["rest_after"], message, "write a rest_after that is longer than light_after")
    return Sunset(light_after, light, rest_after)
