"""What is wrong with an installation, and what to do about it: read off how it stands. Pure."""

from collections.abc import Mapping, Sequence

from engage.reporting.movement import movement_of
from engage.reporting.status import Problem, Status
from engage.reporting.surroundings import Noted, surroundings_of
from engage.reporting.waiting import PausedCampaign, paused_of, waiting_of
from engage.store.topic_pauses import TopicPause


def problems_of(
    found: Status,
    noted: Noted,
    topics: Sequence[TopicPause],
    campaigns: Sequence[PausedCampaign],
    programs: Mapping[int, str],
) -> tuple[Problem, ...]:
    """All that is wrong, the worst first and of equals the oldest. `topics` and `campaigns` are those that are paused,
    `programs` each one's key by its id.
    """
    problems = [
        *movement_of(found),
        *waiting_of(found),
        *paused_of(topics, campaigns, programs),
        *surroundings_of(found, noted),
    ]
    return tuple(sorted(problems, key=lambda one: (one.severity.rank, one.since or found.at)))
