"""A referral on its ladder as its partner sees it: rungs behind it with the days they were reached, and those ahead.

Pure: the same history on the same ladder gives the same rungs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engage.domain.programs import Program, Status, StatusKind


class Standing(StrEnum):
    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Rung:
    """`at`: when it was reached, if that is known and it is not ahead."""

    status: Status
    standing: Standing
    at: datetime | None = None


def rungs(program: Program, current: str, reached: Mapping[str, datetime]) -> list[Rung]:
    """The way of a referral at status `current`, given when it reached each status last.

    To a win: each rung of the ladder, those before the current one behind it whether or not they were stopped at. Of
    one that was lost, only the rungs that it was on: there is nothing ahead. Of one that is open again, those too, and
    ahead what comes after the highest of them. Empty for a status that the ladder does not have (any more).
    """
    way = [status for status in program.ladder if status.kind not in (StatusKind.LOST, StatusKind.REOPENED)]
    here = next((status for status in program.ladder if status.key == current), None)
    if here is None:
        return []
    if here in way:
        at = way.index(here)
        done, ahead = way[:at], way[at + 1 :]
    else:
        been = [
            place for place, status in enumerate(way) if status.key in reached and status.kind is not StatusKind.WON
        ]
        done = [way[place] for place in been]
        ahead = way[max(been, default=-1) + 1 :] if here.kind is StatusKind.REOPENED else []
    return [
        *(Rung(status, Standing.DONE, reached.get(status.key)) for status in done),
        Rung(here, Standing.NOW, reached.get(here.key)),
        *(Rung(status, Standing.AHEAD) for status in ahead),
    ]
