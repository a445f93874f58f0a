"""How an installation stands, in two sentences. Pure."""

from collections import Counter
from dataclasses import dataclass

from engage.reporting.status import ProblemKind, Severity, Status
from engage.reporting.words import listed, many


@dataclass(frozen=True, slots=True)
class Headline:
    """What somebody who has just been woken reads first. `worst` None: nothing is wrong."""

    worst: Severity | None
    said: str
    more: str


_STOPS_MAIL = {
    ProblemKind.SENDING_PAUSED,
    ProblemKind.PROVIDER_AWAY,
    ProblemKind.NO_WORKER,
    ProblemKind.REDIS_AWAY,
    ProblemKind.MAIL_LATE,
}


def headline_of(found: Status) -> Headline:
    """All of it in two sentences."""
    grave = [one for one in found.problems if one.severity is not Severity.NOTE]
    if not grave:
        return Headline(None, "All is well.", "Mail goes out, and nothing waits for anybody.")
    counts = Counter(one.severity for one in grave)
    more = [
        f"{many(counts[severity], 'thing needs', 'things need')} somebody {when}"
        for severity, when in ((Severity.ERROR, "now"), (Severity.WARNING, "today"))
        if counts[severity]
    ]
    if any(one.kind in _STOPS_MAIL for one in grave):
        said = "Mail does not go out."
    else:
        said = "Something is wrong." if counts[Severity.ERROR] else "Mail goes out."
    return Headline(grave[0].severity, said, f"{listed(more)}.")
