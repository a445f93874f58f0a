"""What waits for an operator: runs and bursts of status changes that are held, and what becomes of them.

Released, a run is carried out with the facts of now, and changes are matched with campaigns as of now. Dropped, a run's
slot does not come again, and changes stay history. Each is decided once, whoever asks, and the audit log keeps who it
was.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor
from engage.domain.campaigns import EventKind
from engage.domain.decisions import Reason
from engage.domain.errors import InputError
from engage.pipeline.editions import editions_at
from engage.pipeline.library import Library
from engage.store import holds
from engage.store.audit import note
from engage.store.holds import HeldChanges, Tally, decide_burst, get_burst, held_bursts, release_events, tally
from engage.store.intake import lock_intake
from engage.store.runs import Run, drop_held_run, get_run, held_runs, release_held_run
from engage.triggers import concerned

STATUSES_SHOWN = 5

_LOOK = "engage held list shows what is held; nothing was decided now"
_SAID = {
    Reason.FEED_STALE: "a feed that its conditions rest on is silent: engage doctor names it",
    Reason.FEED_NEVER_CONNECTED: "a feed that its conditions rest on was never connected: engage doctor names it",
    Reason.CAMPAIGN_NOT_LIVE: "the campaign is not live",
    Reason.EDITION_MISSING: "its email is not there yet; the run goes on by itself once it is",
}


class HoldKind(StrEnum):
    RUN = "run"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True, order=True)
class HoldId:
    """What operators call something that is held, such as run-12 or changes-3."""

    kind: HoldKind
    number: int

    @classmethod
    def parse(cls, text: str) -> "HoldId":
        """InputError unless it is such a name."""
        kind, _, number = text.partition("-")
        if kind not in tuple(HoldKind) or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise InputError(f"'{text}' is not the id of something held", "write one such as run-12 or changes-3")
        return cls(HoldKind(kind), int(number))

    def __str__(self) -> str:
        return f"{self.kind}-{self.number}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would come of changes that are released now: how many may send mail, and how many are no news any more.

    The others concern no campaign.
    """

    may_send: int
    too_old: int


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing that is held. `of`: the campaign or the source; `slot` of a run, `changes` and `outlook` of a burst."""

    id: HoldId
    program_id: int
    program: str
    of: str
    since: datetime
    message: str
    slot: str | None = None
    changes: Tally | None = None
    outlook: Outlook | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided. `event_ids` are to be matched and `run_ids` to be carried out once it is committed."""

    id: HoldId
    program_id: int
    message: str
    event_ids: Sequence[int] = ()
    run_ids: Sequence[int] = ()
    outlook: Outlook | None = None


def held(db: Connection, library: Library, now: datetime) -> list[Hold]:
    """All that is held, runs before bursts, each in the order in which it came."""
    return [
        *(_held_run(library, run) for run in held_runs(db)),
        *(_held_burst(db, library, burst, now) for burst in held_bursts(db)),
    ]


def release(
    db: Connection, library: Library, ids: Iterable[HoldId], why: str, actor: Actor, now: datetime
) -> list[Decided]:
    """Lets go on what is held; InputError, and nothing is decided, if one of them is not held (any more)."""
    decided = [
        _release_run(db, id_, why, now) if id_.kind is HoldKind.RUN else _release_burst(db, library, id_, why, now)
        for id_ in sorted(set(ids))
    ]
    _keep(db, "release", decided, why, actor, now)
    return decided


def drop(db: Connection, ids: Iterable[HoldId], why: str, actor: Actor, now: datetime) -> list[Decided]:
    """Ends what is held for good; InputError, and nothing is decided, if one of them is not held (any more)."""
    decided = [
        _drop_run(db, id_, why, now) if id_.kind is HoldKind.RUN else _drop_burst(db, id_, why, now)
        for id_ in sorted(set(ids))
    ]
    _keep(db, "drop", decided, why, actor, now)
    return decided


def _keep(db: Connection, verb: str, decided: Iterable[Decided], why: str, actor: Actor, now: datetime) -> None:
    for one in decided:
        action, object_ = f"{one.id.kind}.{verb}", f"{one.id.kind}:{one.id.number}"
        before, after = {"state": holds.HELD}, {"said": one.message}
        note(db, actor, action, [object_], now, program_id=one.program_id, before=before, after=after, why=why)


def _held_run(library: Library, run: Run) -> Hold:
    reason = run.reason or ""
    message = f"{reason}: {_SAID[Reason(reason)]}" if reason in _SAID else reason
    if reason == Reason.EDITION_MISSING:
        message += _files_of(library, run)
    since = run.finished_at or run.as_of
    program = _program(library, run.program_id)
    return Hold(HoldId(HoldKind.RUN, run.id), run.program_id, program, run.campaign, since, message, run.slot)


def _files_of(library: Library, run: Run) -> str:
    """Which files a run waits for."""
    campaign = library.get(run.program_id, run.campaign)
    missing = [edition for edition in editions_at(library, campaign, run.slot) if not edition.there] if campaign else []
    return "".join(f": email_templates/{edition.file}" for edition in missing)


def _held_burst(db: Connection, library: Library, burst: HeldChanges, now: datetime) -> Hold:
    changes = tally(db, burst.id)
    return Hold(
        HoldId(HoldKind.CHANGES, burst.id),
        burst.program_id,
        _program(library, burst.program_id),
        burst.source,
        burst.held_at,
        f"{burst.reason}; now held: {_told(changes)}",
        changes=changes,
        outlook=outlook(db, library, burst, now),
    )


def _told(changes: Tally) -> str:
    """`1,412 (1,200 to lost, 212 to won) of 1,400 referrals and 310 partners`."""
    shown = list(changes.statuses.items())[:STATUSES_SHOWN]
    said = [f"{count:,} to {status}" for status, count in shown]
    if rest := changes.changes - sum(count for _, count in shown):
        said.append(f"{rest:,} to others")
    whose = f"{_many(changes.referrals, 'referral')} and {_many(changes.partners, 'partner')}"
    return f"{changes.changes:,} ({', '.join(said)}) of {whose}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _program(library: Library, program_id: int) -> str:
    scope = library.scope(program_id)
    return scope.program.key if scope else ""


def outlook(db: Connection, library: Library, burst: HeldChanges, now: datetime) -> Outlook:
    """What would come of a burst that is released now, by the age at which each campaign's topic takes no more."""
    ages: dict[str, timedelta | None] = {}
    may_send = too_old = 0
    for status, at in holds.moments(db, burst.id):
        if status not in ages:
            ages[status] = _oldest_news(library, burst.program_id, status)
        oldest = ages[status]
        if oldest is not None:
            may_send += now - at <= oldest
            too_old += now - at > oldest
    return Outlook(may_send, too_old)


def _oldest_news(library: Library, program_id: int, status: str) -> timedelta | None:
    """How old a change to this status may be and still be news to some campaign; None if it concerns none."""
    scope = library.scope(program_id)
    if scope is None:
        return None
    campaigns = concerned(library.on_events(scope.program.key), EventKind.STATUS_CHANGED, status)
    return max((scope.program.topics[campaign.topic].ignore_older_than for campaign in campaigns), default=None)


def _release_run(db: Connection, id_: HoldId, why: str, now: datetime) -> Decided:
    if not release_held_run(db, id_.number, now, why):
        raise _not_held(id_, get_run(db, id_.number))
    run = get_run(db, id_.number)
    assert run is not None, "it was released in this transaction"
    if run.approved_audience is None:
        message = f"{id_} is released: {run.campaign} is tried again for slot {run.slot}, with the facts of now"
    else:
        allowed = _many(run.approved_audience, "partner")
        message = (
            f"{id_} is released: {allowed} may enter {run.campaign} for slot {run.slot}; beyond that it is held again"
        )
    return Decided(id_, run.program_id, message, run_ids=[run.id])


def _release_burst(db: Connection, library: Library, id_: HoldId, why: str, now: datetime) -> Decided:
    burst = _decide(db, id_, holds.RELEASED, why, now)
    ahead = outlook(db, library, burst, now)
    event_ids = release_events(db, burst.id)
    message = (
        f"{id_} is released: of {_many(len(event_ids), 'status change')} from '{burst.source}', "
        f"{ahead.may_send:,} may send mail and {ahead.too_old:,} are too old to send any"
    )
    return Decided(id_, burst.program_id, message, event_ids=event_ids, outlook=ahead)


def _drop_run(db: Connection, id_: HoldId, why: str, now: datetime) -> Decided:
    run = get_run(db, id_.number)
    if run is None or not drop_held_run(db, run.id, now, why):
        raise _not_held(id_, run)
    return Decided(id_, run.program_id, f"{id_} is dropped: {run.campaign} does nothing for slot {run.slot}")


def _drop_burst(db: Connection, id_: HoldId, why: str, now: datetime) -> Decided:
    burst = _decide(db, id_, holds.DROPPED, why, now)
    changes = _many(tally(db, burst.id).changes, "status change")
    message = f"{id_} is dropped: {changes} from '{burst.source}' stay in the history and send nothing"
    return Decided(id_, burst.program_id, message)


def _decide(db: Connection, id_: HoldId, state: str, why: str, now: datetime) -> HeldChanges:
    burst = get_burst(db, id_.number)
    if burst is None:
        raise _not_held(id_, None)
    lock_intake(db, burst.program_id)  # no batch joins a burst that is being decided
    if not decide_burst(db, burst, state, now, why):
        raise _not_held(id_, get_burst(db, id_.number))
    return burst


def _not_held(id_: HoldId, found: Run | HeldChanges | None) -> InputError:
    match found:
        case None:
            return InputError(f"there is no {id_}", _LOOK)
        case HeldChanges(state=state, decided_at=datetime() as at):
            return InputError(f"{id_} was {state} already, at {at:%Y-%m-%d %H:%M} UTC", _LOOK)
        case _:
            return InputError(f"{id_} is not held: it is {found.state}", _LOOK)
