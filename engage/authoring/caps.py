"""Reads what `program.yaml` and campaigns say of frequency caps: which there are, what counts, and who gives way."""

from collections.abc import Mapping
from datetime import timedelta

from engage.authoring.document import Node
from engage.authoring.reader import Fields, Reader
from engage.domain.campaigns import Outranked
from engage.domain.limits import FrequencyCap, Per
from engage.domain.programs import DISPATCH_WINDOW, Program, Topic, TopicKind
from engage.domain.windows import format_duration

SHORTEST_CAP = timedelta(hours=1)
"""A mail is on its way for a few minutes at the most: in shorter stretches nobody could say how many went out."""

SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(minutes=1), timedelta(days=1)


PROGRAM_KEYS = ("frequency_caps", "dispatch_window")
"""The keys of a program that say how often people are mailed."""


def read_frequency_caps(fields: Fields, topics: Mapping[str, Topic]) -> tuple[FrequencyCap, ...]:
    """`frequency_caps` of a program with these topics, such as `- {at_most: 3, per: partner, in: 7d}`."""
    reader = fields.reader
    caps: list[FrequencyCap] = []
    for node in fields.items("frequency_caps"):
        written = reader.fields(node, "a frequency cap", ("at_most", "per", "in"), ("topic",))
        length = written.duration("in") or SHORTEST_CAP
        if length < SHORTEST_CAP:
            hint = f"write at least in: {format_duration(SHORTEST_CAP)}"
            reader.problem(written["in"], "a frequency cap counts over an hour or more", hint)
        at_most = reader.limit(written["at_most"], "'at_most'") if "at_most" in written else 1
        topic = _topic(reader, written["topic"], topics) if "topic" in written else None
        cap = FrequencyCap(at_most, written.member("per", Per) or Per.PARTNER, length, topic)
        if cap in caps:
            reader.problem(node, f"this cap stands here twice: {cap}", "remove one")
        caps.append(cap)
    return tuple(caps)


def _topic(reader: Reader, node: Node, topics: Mapping[str, Topic]) -> str | None:
    key = reader.choice(node, "topic", topics)
    topic = topics.get(key)
    if topic is None:
        return None
    if topic.transactional:
        message = f"topic '{key}' is transactional: no cap holds its mails"
        reader.problem(node, message, "name a marketing topic, or take topic out")
    elif not topic.counts:
        message = f"topic '{key}' says counts: false, so there is nothing to count"
        reader.problem(node, message, "write counts: true there, or take this cap out")
    return key


def read_dispatch_window(fields: Fields) -> timedelta:
    """`dispatch_window` of a program."""
    window = fields.duration("dispatch_window")
    if window is None:
        return DISPATCH_WINDOW
    if not SHORTEST_WINDOW <= window <= LONGEST_WINDOW:
        message = "a dispatch window lasts from a minute to a day"
        fields.reader.problem(fields["dispatch_window"], message, "write one such as 15m")
        return DISPATCH_WINDOW
    return window


def read_counts(fields: Fields, kind: TopicKind) -> bool:
    """`counts` of a topic: without it, marketing mail uses up caps and transactional mail does not."""
    if "counts" in fields:
        return fields.reader.boolean(fields["counts"], "'counts'")
    return kind is TopicKind.MARKETING


def read_outranked(fields: Fields, topic: Topic | None) -> Outranked:
    """`if_outranked` of a campaign: drop, defer or fold."""
    if "if_outranked" in fields and topic is not None and topic.transactional:
        message = f"topic '{topic.key}' is transactional: nothing outranks its mails"
        fields.reader.problem(fields["if_outranked"], message, "take if_outranked out")
    return fields.member("if_outranked", Outranked) or Outranked.DROP


def check_in_time(fields: Fields, program: Program, topic: Topic | None, send_within: timedelta) -> None:
    """A mail that competes for room waits for its dispatch window to end: it must be worth sending until then."""
    competes = program.frequency_caps and topic is not None and not topic.transactional
    if competes and send_within <= program.dispatch_window:
        window = format_duration(program.dispatch_window)
        message = f"with frequency caps a mail waits up to {window} to be compared, and 'send_within' would be over"
        node = fields["send_within"] if "send_within" in fields else fields["topic"]
        fields.reader.problem(node, message, f"write a send_within of more than {window}")
