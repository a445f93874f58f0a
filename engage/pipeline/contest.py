"""Contests: decides the marketing mails of a dispatch window together, where frequency caps leave room for some only.

Promise: who wins follows from the program's `order` and from what went out before, whoever found the candidates first.
They are decided in the order of rank, chunk by chunk, by one worker at a time; a chunk is one transaction, so that
whoever goes on after a crash decides as the one before would have. Only who may be mailed now competes: the guards are
asked first, under the same locks. Each window is decided once the runs are done that may bring it candidates.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.decisions import Defer, Reason, Send, Skip
from engage.domain.deliveries import DeliveryState
from engage.domain.experiments import in_control_group
from engage.failpoints import failpoint
from engage.pipeline.caps import contest_of, counting, outranked
from engage.pipeline.entries import Hints
from engage.pipeline.library import Library
from engage.pipeline.recheck import ENDS_AS, Second, decision_row, note_whose, recheck
from engage.policy.caps import place
from engage.store.caps import Contest, alone, candidates, compete_again, contests, lose, reserve
from engage.store.database import Database
from engage.store.deliveries import Claimed
from engage.store.enrollments import insert_decisions

CHUNK = 500
"""How many candidates one transaction decides: their recipients are locked until it ends."""


def decide_contests(
    database: Database,
    library: Library,
    clock: Callable[[], datetime],
    hint: Callable[[Hints], None],
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Decides every contest that is due; `hint` is told the winners after each chunk. Leaves it to who is at it."""
    with database.read() as db:
        due = sorted(contests(db, clock()), key=lambda one: _rank(library, one))
    for one in due:
        found = CHUNK
        while found == CHUNK:
            with database.write() as db:
                if stopping() or not alone(db):
                    return
                found, won = _decide_some(db, library, one, clock())
                failpoint("contest-deciding")
            failpoint("contest-decided")
            hint(won)


def _rank(library: Library, one: Contest) -> tuple[datetime, int, str, str]:
    scope = library.scope(one.program_id)
    if scope is None:
        return one.contest_at, 0, one.campaign, ""
    return one.contest_at, place(scope.program, one.campaign), one.campaign, scope.program.key


def _decide_some(db: Connection, library: Library, one: Contest, now: datetime) -> tuple[int, Hints]:
    """Decides the next candidates; returns how many there were, and the winners by lane."""
    found = candidates(db, one, CHUNK)
    if not found:
        return 0, {}
    seconds = recheck(db, library, found, now)
    going = [c for c in found if isinstance(seconds[c.id].decision, Send) and seconds[c.id].settled]
    if (window := contest_of(library, found[0], now)) and contest_of(
        library, found[0], one.contest_at
    ) != one.contest_at:
        compete_again(db, [c.id for c in going], window, None)  # looked at again out of turn, since the partner moved
        going = []
    out = [c for c in found if not isinstance(seconds[c.id].decision, Send)]
    lost = outranked(db, library, [(c, seconds[c.id].whose(c)) for c in going], now, reserved=True)
    decided = [(c, seconds[c.id]) for c in out]
    decided += [(c, Second(lost[c.id].decision, None, lost[c.id].values)) for c in going if c.id in lost]
    _leave(db, library, decided, now)
    winners = [c for c in going if c.id not in lost]
    ghosts = [c for c in winners if c.held_out]
    since = now if counting(library, found) else None  # they are of one campaign, and so of one topic
    note_whose(db, ((c, seconds[c.id]) for c in winners))
    for skip, those in _withheld(library, ghosts).items():
        lose(db, [c.id for c in those], DeliveryState.SKIPPED, skip.reason, now, counts_at=since)
        decided += [(c, Second(skip, None)) for c in those]
    insert_decisions(db, [decision_row(c, second, "contest", now) for c, second in decided])
    return len(found), reserve(db, [c.id for c in winners if not c.held_out], since)


def _withheld(library: Library, ghosts: Sequence[Claimed]) -> dict[Skip, list[Claimed]]:
    """Why each of these, that would have gone out, does not."""
    found: dict[Skip, list[Claimed]] = defaultdict(list)
    for ghost in ghosts:
        scope, campaign = library.scope(ghost.program_id), library.get(ghost.program_id, ghost.campaign)
        unit = ghost.recipient.removeprefix("partner:")
        controls = scope is not None and campaign is not None and in_control_group(scope.program, campaign, unit)
        found[Skip(Reason.IN_CONTROL_GROUP if controls else Reason.HELD_OUT)].append(ghost)
    return found


def _leave(db: Connection, library: Library, decided: Sequence[tuple[Claimed, Second]], now: datetime) -> None:
    """Those that have no room: each ends, or competes in another window."""
    ends: dict[Reason, list[int]] = defaultdict(list)
    again: dict[tuple[datetime, Reason], list[int]] = defaultdict(list)
    for claimed, second in decided:
        match second.decision:
            case Defer(until, reason):
                again[contest_of(library, claimed, until) or until, reason].append(claimed.id)
            case Skip(reason):
                ends[reason].append(claimed.id)
    for reason, ids in ends.items():
        lose(db, ids, ENDS_AS.get(reason, DeliveryState.SKIPPED), reason, now)
    for (contest_at, reason), ids in again.items():
        compete_again(db, ids, contest_at, reason)
