"""What waits for somebody to decide: runs, deliveries, and what somebody paused. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from engage.reporting.status import Problem, ProblemKind, Severity, Status
from engage.reporting.words import many
from engage.store.topic_pauses import TopicPause

_DELIVERIES, _HELD = "/console/deliveries", "/console/held"


@dataclass(frozen=True, slots=True)
class PausedCampaign:
    """A campaign that somebody paused without editing its file."""

    program: str
    program_id: int
    campaign: str
    since: datetime
    why: str


def waiting_of(found: Status) -> Iterator[Problem]:
    counts = found.counts
    if counts.held_runs or counts.held_bursts:
        said = [many(counts.held_runs, "run", "runs")] * (counts.held_runs > 0)
        said += [many(counts.held_bursts, "burst of status changes", "bursts of status changes")] * (
            counts.held_bursts > 0
        )
        yield Problem(
            ProblemKind.HELD,
            Severity.WARNING,
            "held",
            " and ".join(said),
            "release or drop each",
            path=f"{_HELD}#waiting",
            command="engage held list",
        )
    retrying = sum(queue.retrying for queue in found.queues)
    for kind, number, severity, advice, command in (
        (
            ProblemKind.UNKNOWN,
            counts.unknown,
            Severity.WARNING,
            "they may or may not have been sent; settle or resend them",
            "engage unknown list",
        ),
        (
            ProblemKind.DEAD,
            counts.dead,
            Severity.WARNING,
            "nothing comes of them by itself; retry or drop them",
            "engage dead list",
        ),
        (
            ProblemKind.RETRYING,
            retrying,
            Severity.NOTE,
            "the provider did not take them; they are tried again by themselves",
            "",
        ),
    ):
        if number:
            said_of = f"{many(number, 'is', 'are')} {'retry' if kind is ProblemKind.RETRYING else kind}"
            path = f"{_DELIVERIES}?state={'retry' if kind is ProblemKind.RETRYING else kind}"
            yield Problem(kind, severity, "deliveries", said_of, advice, path=path, command=command)


def paused_of(
    topics: Sequence[TopicPause], campaigns: Sequence[PausedCampaign], programs: Mapping[int, str]
) -> Iterator[Problem]:
    for topic in topics:
        yield Problem(
            ProblemKind.TOPIC_PAUSED,
            Severity.WARNING,
            f"topic {topic.topic} of {programs.get(topic.program_id, '?')}",
            topic.stands,
            "resume it when it may go on",
            topic.paused_at,
            f"{_HELD}#topics",
            f"engage sending resume --topic {topic.topic} --why TEXT",
            topic.program_id,
        )
    for one in campaigns:
        yield Problem(
            ProblemKind.CAMPAIGN_PAUSED,
            Severity.NOTE,
            f"campaign {one.campaign} of {one.program}",
            f"is paused: {one.why}",
            "resume it when it may go on",
            one.since,
            f"{_HELD}#campaigns",
            f"engage sending resume --campaign {one.campaign} --why TEXT",
            one.program_id,
        )
