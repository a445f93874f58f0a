"""How much room frequency caps leave as of an instant, for plans and explanations.

What can be known is what has gone out. Who else will compete is not: that, and who wins, shows when the dispatch
window ends.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign
from engage.domain.decisions import Defer, Skip
from engage.domain.limits import FrequencyCap
from engage.domain.programs import Program
from engage.pipeline.caps import ledger_of
from engage.policy.caps import Candidate, Whose, after_losing, concerning, place


@dataclass(frozen=True, slots=True)
class Taken:
    """How many mails take room under a cap."""

    cap: FrequencyCap
    used: int


@dataclass(frozen=True, slots=True)
class Room:
    """What caps say of one mail: what is taken under each that concerns it; what becomes of it, None: there is room."""

    taken: tuple[Taken, ...]
    decision: Defer | Skip | None


def room_for(db: Connection, program: Program, campaign: Campaign, mails: Sequence[Whose], at: datetime) -> list[Room]:
    """The room for each of these mails of the campaign, were it due at `at`. A few statements, however many mails."""
    rank = (place(program, campaign.name), campaign.name, program.key, "", "", "")
    caps = program.frequency_caps
    candidates = [Candidate(n, rank, who, campaign.topic, campaign.name, caps) for n, who in enumerate(mails)]
    # more mails than any cap allows: what a cap per program has is to be known even where there is room for all
    ledger = ledger_of(db, candidates, at, reserved=False, until=at, more=sys.maxsize) if candidates else None
    found = []
    for one in candidates:
        assert ledger is not None
        refusal = ledger.refusal(one, at)
        decision = None
        if refusal is not None:
            expires_at = at + campaign.send_within
            decision = after_losing(campaign.outranked, refusal, program.dispatch_window, expires_at, ghost=False)
        taken = tuple(Taken(cap, len(ledger.taken(cap, id_, at))) for cap, id_ in concerning(caps, one))
        found.append(Room(taken, decision))
    return found
