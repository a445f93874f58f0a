"""What operators do with deliveries that wait for them: unknown ones and dead ones.

Sent again, a delivery keeps its key, and everything is decided anew when a worker takes it. A move concerns all that
were chosen or, with InputError, none; who did it and why is kept in the audit log.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy.engine import Connection

from engage.domain.accounts import Actor
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import InputError
from engage.pipeline.entries import Hints
from engage.pipeline.library import Library
from engage.store.audit import note
from engage.store.settling import MovedOne, Shown, Which, all_shown, campaigns_of, end, send_again, states_of

_NAMED = 5
_ID = re.compile(r"d-([0-9]{1,18})", re.ASCII)


class Move(Enum):
    """(from, to, what is noted in the reason)."""

    RESEND = (DeliveryState.UNKNOWN, DeliveryState.PENDING, "operator: resend")
    SENT = (DeliveryState.UNKNOWN, DeliveryState.ACCEPTED, "operator: sent")
    NOT_SENT = (DeliveryState.UNKNOWN, DeliveryState.CANCELLED, "operator: not sent")
    RETRY = (DeliveryState.DEAD, DeliveryState.PENDING, "operator: retry")
    DROP = (DeliveryState.DEAD, DeliveryState.CANCELLED, "dropped")

    @property
    def action(self) -> str:
        """As the audit log names it: `delivery.not-sent`."""
        return f"delivery.{self.name.lower().replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Moved:
    """The ids that were moved, and those of them that are to be sent, by lane."""

    ids: list[int]
    hints: Hints


def parse_ids(texts: Iterable[str]) -> tuple[int, ...]:
    """The ids that people write as d-12, each once. Raises InputError for anything else."""
    ids: dict[int, None] = {}
    for text in texts:
        match = _ID.fullmatch(text)
        if match is None:
            raise InputError(f"'{text}' is not the id of a delivery", "write one such as d-12")
        ids[int(match[1])] = None
    return tuple(ids)


def written_id(id_: int) -> str:
    """An id as people write it."""
    return f"d-{id_}"


def carry_over(
    db: Connection,
    library: Library,
    move: Move,
    which: Which,
    why: str,
    actor: Actor,
    now: datetime,
    shown: Shown | None = None,
) -> Moved:
    """Moves the chosen deliveries; InputError if there is none, or one of those named is not in the state it must be.

    `why` is kept with the reason. One that is sent again after its time gets as much time as its campaign gives now.
    `shown`: what whoever decides was shown of `which`; InputError if it has changed since.
    """
    source, target, said = move.value
    if shown is not None:
        which = _as_shown(db, source, which, shown)
    noted = f"{said}: {why}"
    hints: Hints = {}
    if target is DeliveryState.PENDING:
        moved = send_again(db, source, which, noted, _spans(db, library, source, which), now)
        for one in moved:
            hints.setdefault(one.lane, []).append(one.id)
    else:
        moved = end(db, source, which, target, noted, now)
    _require_all(db, which, [one.id for one in moved], source)
    _keep(db, move, moved, why, actor, now)
    return Moved([one.id for one in moved], hints)


def _as_shown(db: Connection, state: DeliveryState, which: Which, shown: Shown) -> Which:
    ids, found = all_shown(db, state, which)
    if found != shown:
        raise InputError(
            f"the list has changed since you looked: it had {shown.number:,} {state}, and has {found.number:,} now",
            "nothing was changed; look at what is there now, and decide again",
        )
    return replace(which, ids=tuple(ids))


def _keep(db: Connection, move: Move, moved: Iterable[MovedOne], why: str, actor: Actor, now: datetime) -> None:
    source, target, _ = move.value
    by_program: dict[int, list[str]] = {}
    for one in moved:
        by_program.setdefault(one.program_id, []).append(f"delivery:{one.id}")
    for program_id, objects in by_program.items():
        note(
            db,
            actor,
            move.action,
            objects,
            now,
            program_id=program_id,
            before={"state": source},
            after={"state": target},
            why=why,
        )


def _spans(db: Connection, library: Library, state: DeliveryState, which: Which) -> dict[tuple[int, str], timedelta]:
    """How long a mail of each campaign stays worth sending; of one that is gone nothing is sent anyway."""
    found = {key: library.get(*key) for key in campaigns_of(db, state, which)}
    return {key: campaign.send_within for key, campaign in found.items() if campaign is not None}


def _require_all(db: Connection, which: Which, moved: list[int], state: DeliveryState) -> None:
    hint = f"engage {state} list shows what is {state}; nothing was changed now"
    if not which.ids:
        if not moved:
            raise InputError(f"no delivery{_described(which)} is {state}", hint)
        return
    missed = sorted(set(which.ids) - set(moved))
    if not missed:
        return
    states = states_of(db, missed, which.program_ids)
    named = ", ".join(f"{written_id(id_)} is {states.get(id_, 'not there')}" for id_ in missed[:_NAMED])
    more = f", and {len(missed) - _NAMED:,} more are not" if len(missed) > _NAMED else ""
    counted = Counter(states.get(id_) for id_ in missed)
    only = f"not {state}" if len(counted) == 1 else f"not all {state}"
    raise InputError(f"these are {only}: {named}{more}", hint)


def _described(which: Which) -> str:
    said = f" of campaign '{which.campaign}'" if which.campaign is not None else ""
    return said + (f" with '{which.error}' in its reason" if which.error is not None else "")
