"""Deliveries that wait for somebody: unknown and dead ones. What is known of each, and the moves of operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import By, DeliveryState, require_legal
from engage.queueing import Lane
from engage.store.tables import addresses, attempts, deliveries
from engage.store.upserts import one_of

STUCK = (DeliveryState.UNKNOWN, DeliveryState.DEAD)
"""The states in which a delivery waits for somebody."""


@dataclass(frozen=True, slots=True)
class Which:
    """A choice of deliveries: these ids, or else all that meet what is said. `error` is a part of the reason.

    `partner_ids` and `program_ids` None: of any; nobody finds what is not in `program_ids`, by its id neither.
    """

    ids: tuple[int, ...] = ()
    campaign: str | None = None
    error: str | None = None
    partner_ids: tuple[int, ...] | None = None
    program_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a choice somebody was shown, to notice what has changed since: how many, and since when the newest of
    them waits.
    """

    number: int
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class MovedOne:
    """A delivery that was moved."""

    id: int
    program_id: int
    lane: Lane


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt. `outcome` None: no answer was ever stored."""

    number: int
    started_at: datetime
    outcome: str | None
    status: int | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """A delivery that waits for somebody, with all that helps to decide. `subject` is of its last attempt."""

    id: int
    public_id: str
    campaign: str
    step: str
    template: str
    recipient: str
    occasion: str
    email: str | None
    reason: str | None
    since: datetime | None
    expires_at: datetime
    looked_up_at: datetime | None
    subject: str | None = None
    tried: tuple[Tried, ...] = ()


def stuck(db: Connection, state: DeliveryState, which: Which, limit: int) -> tuple[list[Stuck], int]:
    """Those in `state`, in the order in which they were made, at most `limit`; and how many there are in all."""
    d = deliveries.c
    chosen = _chosen(db, state, which)
    total: int = db.execute(sa.select(sa.func.count()).where(chosen)).scalar_one()
    columns = (d.id, d.public_id, d.campaign, d.step, d.template, d.recipient, d.occasion, d.reason, d.expires_at)
    query = (
        sa.select(*columns, d.settled_at.label("since"), d.looked_up_at, addresses.c.email)
        .outerjoin(addresses, addresses.c.id == d.address_id)
        .where(chosen)
        .order_by(d.id)
        .limit(limit)
    )
    found = {row.id: Stuck(**row._mapping) for row in db.execute(query)}
    return [_with_attempts(one, rows) for one, rows in _attempts(db, found)], total


def _attempts(db: Connection, found: Mapping[int, Stuck]) -> list[tuple[Stuck, list[Any]]]:
    a = attempts.c
    rows: dict[int, list[Any]] = {id_: [] for id_ in found}
    query = sa.select(a.delivery_id, a.number, a.subject, a.started_at, a.outcome, a.status, a.detail)
    for row in db.execute(query.where(one_of(db, a.delivery_id, list(found))).order_by(a.number)) if found else ():
        rows[row.delivery_id].append(row)
    return [(found[id_], rows[id_]) for id_ in found]


def _with_attempts(one: Stuck, rows: Sequence[Any]) -> Stuck:
    if not rows:
        return one
    tried = tuple(Tried(row.number, row.started_at, row.outcome, row.status, row.detail) for row in rows)
    return replace(one, subject=rows[-1].subject, tried=tried)


def states_of(db: Connection, ids: Sequence[int], program_ids: Sequence[int] | None = None) -> dict[int, str]:
    """The state of each of these deliveries that there is, in these programs or (None) in any."""
    d = deliveries.c
    query = sa.select(d.id, d.state).where(one_of(db, d.id, ids))
    if program_ids is not None:
        query = query.where(d.program_id.in_(program_ids))
    return {id_: state for id_, state in db.execute(query)}


MOST_AT_ONCE = 10_000
"""How many deliveries are moved at the most that were chosen by what they have in common, on a page."""


def all_shown(db: Connection, state: DeliveryState, which: Which) -> tuple[list[int], Shown]:
    """The chosen ones in `state`, those that wait longest by their ids, MOST_AT_ONCE at the most; and what to show."""
    d = deliveries.c
    query = sa.select(d.id, d.settled_at).where(_chosen(db, state, which)).order_by(d.id).limit(MOST_AT_ONCE)
    rows = db.execute(query).all()
    return [id_ for id_, _ in rows], Shown(len(rows), max((at for _, at in rows if at is not None), default=None))


# --- the moves of operators -------------------------------------------------------------------------------------------


def campaigns_of(db: Connection, state: DeliveryState, which: Which) -> list[tuple[int, str]]:
    """(program, campaign) of the chosen ones."""
    d = deliveries.c
    query = sa.select(d.program_id, d.campaign).where(_chosen(db, state, which)).distinct()
    return [(program_id, campaign) for program_id, campaign in db.execute(query)]


def send_again(
    db: Connection,
    state: DeliveryState,
    which: Which,
    note: str,
    spans: Mapping[tuple[int, str], timedelta],
    now: datetime,
) -> list[MovedOne]:
    """Makes the chosen ones due now, as new; returns them in the order of their ids. Their keys and attempts stay.

    One whose time to be sent has passed gets as much anew as `spans` has for its campaign. `note` is added to the
    reason.
    """
    require_legal(By.OPERATOR, state, DeliveryState.PENDING)
    d = deliveries.c
    chosen = _chosen(db, state, which)
    for (program_id, campaign), span in spans.items():  # first: so the rows are locked, and none is moved without it
        late = sa.and_(chosen, d.program_id == program_id, d.campaign == campaign, d.expires_at <= now)
        db.execute(sa.update(deliveries).where(late).values(expires_at=now + span))
    values = {"state": DeliveryState.PENDING, "due_at": now, "claims": 0, "settled_at": None, "looked_up_at": None}
    return _moved(db, sa.update(deliveries).where(chosen).values(reason=_noted(note), **values))


def end(
    db: Connection, state: DeliveryState, which: Which, target: DeliveryState, note: str, now: datetime
) -> list[MovedOne]:
    """Ends the chosen ones in `target`, with `note` added to the reason; returns them in the order of their ids."""
    require_legal(By.OPERATOR, state, target)
    values = {"state": target, "reason": _noted(note), "settled_at": now}
    return _moved(db, sa.update(deliveries).where(_chosen(db, state, which)).values(values))


def _moved(db: Connection, statement: sa.Update) -> list[MovedOne]:
    d = deliveries.c
    rows = db.execute(statement.returning(d.id, d.program_id, d.lane))
    return sorted((MovedOne(id_, program_id, Lane(lane)) for id_, program_id, lane in rows), key=lambda one: one.id)


def _chosen(db: Connection, state: DeliveryState, which: Which) -> sa.ColumnElement[bool]:
    d = deliveries.c
    # in so many words, as the index of those that wait says it: it is not used for states that are bound
    waiting = d.state.in_([sa.literal_column(f"'{stuck}'") for stuck in STUCK])
    conditions = [waiting, d.state == state]
    if which.ids:
        conditions.append(one_of(db, d.id, which.ids))
    if which.campaign is not None:
        conditions.append(d.campaign == which.campaign)
    if which.partner_ids is not None:
        conditions.append(one_of(db, d.partner_id, which.partner_ids))
    if which.program_ids is not None:
        conditions.append(d.program_id.in_(which.program_ids))
    if which.error is not None:
        conditions.append(sa.func.lower(d.reason).contains(which.error.lower(), autoescape=True))
    return sa.and_(*conditions)


def _noted(note: str) -> sa.ColumnElement[str]:
    """The reason so far, and the note."""
    return sa.func.coalesce(deliveries.c.reason.concat("; "), "").concat(note)


# --- what the provider's records say ----------------------------------------------------------------------------------

AT_FIRST = timedelta(minutes=1)
"""The provider's records lag behind: they are not asked for what has been unknown for less."""

PAUSES = (
    (timedelta(minutes=10), timedelta(minutes=1)),
    (timedelta(hours=1), timedelta(minutes=10)),
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(days=3), timedelta(hours=6)),
)
"""(unknown for up to, how long after the last look the next one comes). Beyond the last nobody looks any more."""


def to_look_up(db: Connection, now: datetime, limit: int) -> list[int]:
    """Unknown deliveries for which the provider's records are to be asked now: those never looked for come first."""
    d = deliveries.c
    query = sa.select(d.id).where(_due_for_a_look(now)).order_by(d.looked_up_at.asc().nulls_first(), d.id).limit(limit)
    return list(db.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class Look:
    """One look for a delivery, and when the one before it was."""

    id: int
    public_id: str
    at: datetime
    before: datetime | None


def begin_look(db: Connection, id_: int, now: datetime) -> Look | None:
    """Notes that the records are asked now; None if somebody has begun already or the delivery is not unknown."""
    d = deliveries.c
    mine = sa.and_(d.id == id_, _due_for_a_look(now))
    found = db.execute(sa.select(d.public_id, d.looked_up_at).where(mine).with_for_update()).first()
    if found is None:
        return None
    db.execute(sa.update(deliveries).where(mine).values(looked_up_at=now))
    return Look(id_, found.public_id, now, found.looked_up_at)


def end_look(db: Connection, look: Look) -> None:
    """Takes a look back that could not be: it is as if nobody had begun."""
    d = deliveries.c
    mine = sa.and_(d.id == look.id, d.looked_up_at == look.at)
    db.execute(sa.update(deliveries).where(mine).values(looked_up_at=look.before))


def _due_for_a_look(now: datetime) -> sa.ColumnElement[bool]:
    d = deliveries.c
    again = [sa.and_(d.settled_at > now - age, d.looked_up_at <= now - pause) for age, pause in PAUSES]
    ripe = d.settled_at.between(now - PAUSES[-1][0], now - AT_FIRST)
    return sa.and_(d.state == DeliveryState.UNKNOWN, ripe, sa.or_(d.looked_up_at.is_(None), *again))
