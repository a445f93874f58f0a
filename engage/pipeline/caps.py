"""Frequency caps as they concern deliveries: which are held to them, which use them up, and for which there is room.

Promise: under the locks of `recheck`, a mail that `outranked` lets pass breaks no cap. Where no program concerned has
caps nothing here asks the database.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Outranked
from engage.domain.decisions import Defer, Skip
from engage.domain.limits import FrequencyCap, Per
from engage.domain.programs import Program
from engage.pipeline.library import Library
from engage.policy.caps import (
    Candidate,
    Ledger,
    Refusal,
    Use,
    Whose,
    after_losing,
    competes,
    contest,
    place,
    window_end,
)
from engage.queueing import Lane
from engage.store.caps import how_many_taken, lock_companies_of, lock_programs, taken
from engage.store.deliveries import Claimed


@dataclass(frozen=True, slots=True)
class Lost:
    """A mail for which there is no room, and what becomes of it. `values` say which cap, and who takes the room."""

    decision: Defer | Skip
    values: dict[str, Any]


def is_held_to_caps(program: Program, topic: str, lane: str) -> bool:
    """Whether a mail competes for room: marketing mail of a program with caps does, alerts to staff never."""
    return lane == Lane.BULK and competes(program, topic)


def uses_up_caps(program: Program, topic: str, lane: str) -> bool:
    """Whether a mail counts, when it goes out: as its topic says, whether or not there are caps yet; no alert does.

    Of a topic that has been taken out of the program's file since, marketing mail does.
    """
    known = program.topics.get(topic)
    return lane == Lane.BULK if known is None else lane != Lane.ALERTS and known.counts


def contest_of(library: Library, claimed: Claimed, at: datetime) -> datetime | None:
    """In which contest a delivery that is due at `at` competes; None: it need not."""
    scope = library.scope(claimed.program_id)
    if scope is None or not is_held_to_caps(scope.program, claimed.topic, claimed.lane):
        return None
    return window_end(at, scope.program.dispatch_window)


def counting(library: Library, batch: Iterable[Claimed]) -> set[int]:
    """The ids of those that use up caps when they go out."""
    programs = {scope.program_id: scope.program for scope in library.scopes().values()}
    return {
        one.id
        for one in batch
        if one.program_id in programs and uses_up_caps(programs[one.program_id], one.topic, one.lane)
    }


def lock_wider(db: Connection, library: Library, batch: Sequence[Claimed]) -> dict[int, set[int]]:
    """Locks programs and companies whose mails a cap counts, before recipients and addresses are locked.

    Returns, of each program with a cap per company, the companies that are locked.
    """
    programs: set[int] = set()
    partners: dict[int, set[int]] = {}
    for one in batch:
        scope = library.scope(one.program_id)
        kinds = {cap.per for cap in scope.program.frequency_caps} if scope else set()
        if Per.PROGRAM in kinds:
            programs.add(one.program_id)
        if Per.COMPANY in kinds and one.partner_id is not None:
            partners.setdefault(one.program_id, set()).add(one.partner_id)
    lock_programs(db, programs)
    locked = lock_companies_of(db, set().union(*partners.values())) if partners else set()
    return dict.fromkeys(partners, locked)


def candidate_of(program: Program, claimed: Claimed, whose: Whose) -> Candidate:
    rank = (place(program, claimed.campaign), claimed.campaign, program.key)
    return Candidate(
        id=claimed.id,
        rank=(*rank, claimed.recipient, claimed.occasion, claimed.step),
        whose=whose,
        topic=claimed.topic,
        campaign=claimed.campaign,
        caps=program.frequency_caps,
        ghost=claimed.held_out,
        counts=uses_up_caps(program, claimed.topic, claimed.lane),
    )


def outranked(
    db: Connection, library: Library, batch: Sequence[tuple[Claimed, Whose]], now: datetime, *, reserved: bool
) -> dict[int, Lost]:
    """Those of these mails, all of which could go out now, that must not for a cap; by id.

    `reserved`: room that others have reserved is taken; else only what has gone out, or may have, counts. Those that
    are not held to caps go before all others.
    """
    held: dict[int, tuple[Claimed, Program]] = {}
    candidates: list[Candidate] = []
    exempt: list[Candidate] = []
    for claimed, whose in batch:
        scope = library.scope(claimed.program_id)
        if scope is None:
            continue
        candidate = candidate_of(scope.program, claimed, whose)
        if is_held_to_caps(scope.program, claimed.topic, claimed.lane):
            held[claimed.id] = (claimed, scope.program)
            candidates.append(candidate)
        elif candidate.counts:
            exempt.append(candidate)
    if not candidates:
        return {}
    ledger = ledger_of(db, candidates, now, reserved=reserved, more=len(exempt), but_not=[one.id for one, _ in batch])
    for candidate in exempt:
        ledger.take(candidate)
    refused = contest(candidates, ledger, now)
    return {id_: _lost(library, *held[id_], refusal) for id_, refusal in refused.items() if refusal is not None}


def _lost(library: Library, claimed: Claimed, program: Program, refusal: Refusal) -> Lost:
    campaign = library.get(claimed.program_id, claimed.campaign)
    policy = campaign.outranked if campaign is not None else Outranked.DROP
    decision = after_losing(policy, refusal, program.dispatch_window, claimed.expires_at, ghost=claimed.held_out)
    return Lost(decision, said_of(program, claimed.campaign, refusal))


def said_of(program: Program, campaign: str, refusal: Refusal) -> dict[str, Any]:
    """What is kept of a refusal: the cap, the place in `order` (from 1), the campaigns whose mails take the room."""
    said: dict[str, Any] = {"cap": str(refusal.cap), "place": place(program, campaign) + 1}
    return said if refusal.cap.per is Per.PROGRAM else {**said, "taken_by": list(refusal.taken_by)}


def ledger_of(
    db: Connection,
    candidates: Sequence[Candidate],
    now: datetime,
    *,
    reserved: bool,
    more: int = 0,
    until: datetime | None = None,
    but_not: Collection[int] = (),
) -> Ledger:
    """What takes the room that these candidates compete for, and `more` mails besides: a statement for each kind of
    cap, and one or two for each cap per program.
    """
    caps = {cap for candidate in candidates for cap in candidate.caps}
    uses: dict[tuple[FrequencyCap, int], list[Use]] = {}
    for per in (Per.PARTNER, Per.COMPANY, Per.ADDRESS):
        mine = [cap for cap in caps if cap.per is per]
        ids = {id_ for candidate in candidates if (id_ := candidate.whose.by(per)) is not None}
        if not mine or not ids:
            continue
        after = now - max(cap.length for cap in mine)
        for one in taken(db, per, ids, after, reserved=reserved, until=until, but_not=but_not):
            for cap in mine:
                if cap.topic in (None, one.topic):
                    uses.setdefault((cap, one.of), []).append(Use(one.at, one.campaign))
    of_programs = {
        (cap, candidate.whose.program) for candidate in candidates for cap in candidate.caps if cap.per is Per.PROGRAM
    }
    for cap, program_id in of_programs:
        after, ids = now - cap.length, {program_id}
        which: Any = {"topic": cap.topic, "reserved": reserved, "until": until, "but_not": but_not}
        many = how_many_taken(db, Per.PROGRAM, ids, after, **which)
        if many + len(candidates) + more > cap.at_most:  # else there is room for all of them, whoever took the rest
            found = taken(db, Per.PROGRAM, ids, after, newest=cap.at_most, **which)
            uses[cap, program_id] = [Use(one.at, one.campaign) for one in found]
    return Ledger(caps, uses)
