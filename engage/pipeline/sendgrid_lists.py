"""SendGrid's suppression lists in engage's words. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.programs import Program
from engage.providers.sendgrid_suppressions import Group, Listed, SuppressionLists
from engage.store.refusals import address_key


@dataclass(frozen=True, slots=True)
class Reading:
    """The refusals of one list; `rejected` are its entries, with the reason, that are no address engage could mail."""

    name: str
    refusals: tuple[Refusal, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Translated:
    """`unmapped` are groups that somebody has left and no topic of the program names."""

    readings: tuple[Reading, ...]
    unmapped: tuple[Group, ...]


def translate(lists: SuppressionLists, program: Program, leave_out: Collection[int] = ()) -> Translated:
    """What the lists mean to the program; the groups `leave_out` are none of its business."""
    topics = {topic.sendgrid_group: topic.key for topic in program.topics.values() if topic.sendgrid_group is not None}
    readings = [
        _reading("bounces", lists.bounces, SuppressionReason.BOUNCE),
        _reading("spam reports", lists.spam_reports, SuppressionReason.COMPLAINT),
        _reading("invalid emails", lists.invalid_emails, SuppressionReason.INVALID),
        _reading("global unsubscribes", lists.unsubscribes, SuppressionReason.STOP_ALL),
    ]
    unmapped = []
    for group in lists.groups:
        if group.id in topics:
            readings.append(_reading(f"group {group.id} ({group.name})", group.members, None, topics[group.id]))
        elif group.members and group.id not in leave_out:
            unmapped.append(group)
    return Translated(tuple(readings), tuple(unmapped))


def _reading(
    name: str, entries: Iterable[Listed], reason: SuppressionReason | None, topic: str | None = None
) -> Reading:
    refusals, rejected = [], []
    for entry in entries:
        try:
            email = address_key(entry.email)
        except ValueError as error:
            rejected.append(str(error))
        else:
            refusals.append(Refusal(email, reason, topic, entry.at, f"SendGrid's {name}"))
    return Reading(name, tuple(refusals), tuple(rejected))
