"""Deliveries in lists, a page at a time: those that wait, those of one partner, those that came to an end lately.

Promise: no list costs more as history grows. What waits is read by the indexes of what waits, a partner's by theirs;
of what came to an end, and of what is due by what else is asked of it, the next LOOKED_AT are looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DUE, ENDS, DeliveryState
from engage.queueing import Lane
from engage.store.settling import STUCK
from engage.store.tables import deliveries, partners
from engage.store.upserts import one_of

LOOKED_AT = 10_000
"""How many rows a page looks at, at the most, to find those that it shows."""


class List(StrEnum):
    """The lists that there are besides one for each state in which a delivery waits for somebody, or has ended."""

    WAITING = "waiting"  # pending or retry
    RETRY = "retry"
    IN_HANDS = "in-hands"  # claimed or sending
    ANY = "any"  # of a partner


Wanted = List | DeliveryState

CHOICES: tuple[Wanted, ...] = (*STUCK, List.WAITING, List.RETRY, List.IN_HANDS, *(s for s in ENDS if s not in STUCK))

_STATES: dict[Wanted, tuple[DeliveryState, ...]] = {
    List.WAITING: DUE,
    List.RETRY: (DeliveryState.RETRY,),
    List.IN_HANDS: (DeliveryState.CLAIMED, DeliveryState.SENDING),
    List.ANY: tuple(DeliveryState),
    **{state: (state,) for state in (*STUCK, *ENDS)},
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for. `error` is a part of the reason, in any case. `partner_ids` None: of anybody."""

    wanted: Wanted
    program_ids: tuple[int, ...]
    campaign: str | None = None
    error: str | None = None
    partner_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: after the row with this time and id. Lists of what waits for somebody go by ids alone."""

    at: datetime | None
    id: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A delivery of a list. `partner`: the external id; None of mail to staff about nobody."""

    id: int
    program_id: int
    campaign: str
    template: str
    recipient: str
    partner: str | None
    state: DeliveryState
    reason: str | None
    reported: str | None
    attempts: int
    created_at: datetime
    due_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: where the list goes on; None at its end. `looked_at`: so many were looked at and there are more."""

    rows: list[Listed]
    next: Place | None
    looked_at: int | None = None


_D = deliveries.c
_SHOWN = [name for name in Listed.__dataclass_fields__ if name != "partner"]
_COLUMNS = [_D[name] for name in (*_SHOWN, "partner_id")]


def listed(db: Connection, asked: Filter, after: Place | None, limit: int) -> Page:
    """The next `limit` of a list: what is due comes by its time, oldest first; all else newest first."""
    if asked.partner_ids is not None:
        return _of_partners(db, asked, after, limit)
    if asked.wanted in STUCK:
        return _stuck(db, asked, after, limit)
    if asked.wanted is List.IN_HANDS:
        window = sa.select(*_COLUMNS, _D.lease_until.label("at")).where(_D.lease_until.is_not(None))
        return _within(db, asked, window.limit(LOOKED_AT).subquery(), limit, oldest_first=True)
    if asked.wanted in (List.WAITING, List.RETRY):
        return _within(db, asked, _due(after), limit, oldest_first=True)
    window = sa.select(*_COLUMNS, _D.settled_at.label("at")).where(_D.settled_at.is_not(None), *_before(after))
    newest = window.order_by(_D.settled_at.desc(), _D.id.desc()).limit(LOOKED_AT).subquery()
    return _within(db, asked, newest, limit, oldest_first=False)


def _stuck(db: Connection, asked: Filter, after: Place | None, limit: int) -> Page:
    query = _rows(asked).where(_in_words(_D.state, STUCK))
    if after is not None:
        query = query.where(_D.id < after.id)
    return _page(db, query.order_by(_D.id.desc()), limit, lambda one: Place(None, one.id))


def _of_partners(db: Connection, asked: Filter, after: Place | None, limit: int) -> Page:
    query = _rows(asked).where(one_of(db, _D.partner_id, asked.partner_ids or ()))
    if after is not None and after.at is not None:
        earlier = sa.or_(_D.created_at < after.at, _D.id < after.id)
        query = query.where(_D.created_at <= after.at, earlier)
    query = query.order_by(_D.created_at.desc(), _D.id.desc())
    return _page(db, query, limit, lambda one: Place(one.created_at, one.id))


def _before(after: Place | None) -> Sequence[sa.ColumnElement[bool]]:
    if after is None or after.at is None:
        return ()
    return (_D.settled_at <= after.at, sa.or_(_D.settled_at < after.at, _D.id < after.id))


def _due(after: Place | None) -> sa.Subquery:
    """The next of each lane, by when they are due."""
    lanes = []
    for lane in (Lane.TRANSACTIONAL, Lane.BULK, Lane.ALERTS):
        query = sa.select(*_COLUMNS, _D.due_at.label("at")).where(_D.lane == lane, _in_words(_D.state, DUE))
        if after is not None and after.at is not None:
            query = query.where(_D.due_at >= after.at, sa.or_(_D.due_at > after.at, _D.id > after.id))
        lane_ = query.order_by(_D.due_at, _D.id).limit(LOOKED_AT // 3).subquery()
        lanes.append(sa.select(lane_))
    return sa.union_all(*lanes).subquery()


def _within(db: Connection, asked: Filter, window: sa.Subquery, limit: int, *, oldest_first: bool) -> Page:
    """Those of the window that are asked for; where nothing more is found in it, the list goes on at its end.

    Its rows are looked through as they come: joined to what else is asked, they could be a part of all deliveries read.
    """
    w = window.c
    order = (w.at, w.id) if oldest_first else (w.at.desc(), w.id.desc())
    wanted = sa.select(window).where(*_wanted(window, asked)).order_by(*order).limit(limit + 1).subquery()
    query = sa.select(wanted, partners.c.external_id.label("partner"))
    query = query.select_from(wanted).outerjoin(partners, partners.c.id == wanted.c.partner_id)
    order = (wanted.c.at, wanted.c.id) if oldest_first else (wanted.c.at.desc(), wanted.c.id.desc())
    rows = db.execute(query.order_by(*order)).all()
    found, more = rows[:limit], len(rows) > limit
    shown = [_listed(row) for row in found]
    if more:
        return Page(shown, Place(found[-1].at, found[-1].id))
    number: int = db.execute(sa.select(sa.func.count()).select_from(window)).scalar_one()
    if asked.wanted is List.IN_HANDS or number < LOOKED_AT // (3 if oldest_first else 1):
        return Page(shown, None)
    reverse = (w.at.desc(), w.id.desc()) if oldest_first else (w.at, w.id)
    end = db.execute(sa.select(w.at, w.id).order_by(*reverse).limit(1)).one()
    return Page(shown, Place(end.at, end.id), number)


def _rows(asked: Filter) -> sa.Select[Any]:
    """Those that are asked for, with no regard to partners and order."""
    query = sa.select(*_COLUMNS, partners.c.external_id.label("partner"))
    query = query.select_from(deliveries).outerjoin(partners, partners.c.id == _D.partner_id)
    return query.where(*_wanted(deliveries, asked))


def _wanted(rows: sa.FromClause, asked: Filter) -> list[sa.ColumnElement[bool]]:
    columns = rows.c
    wanted: list[sa.ColumnElement[bool]] = [columns.program_id.in_(asked.program_ids)]
    if asked.wanted is not List.ANY:
        wanted.append(_in_words(columns.state, _STATES[asked.wanted]))
    if asked.campaign is not None:
        wanted.append(columns.campaign == asked.campaign)
    if asked.error is not None:
        wanted.append(sa.func.lower(columns.reason).contains(asked.error.lower(), autoescape=True))
    return wanted


def _in_words(state: sa.ColumnElement[str], states: Sequence[DeliveryState]) -> sa.ColumnElement[bool]:
    # in so many words: no index of the few that wait is used for states that are bound
    return state.in_([sa.literal_column(f"'{one}'") for one in states])


def _page(db: Connection, query: sa.Select[Any], limit: int, place: Any) -> Page:
    rows = [_listed(row) for row in db.execute(query.limit(limit + 1))]
    return Page(rows[:limit], place(rows[limit - 1]) if len(rows) > limit else None)


def _listed(row: sa.Row[Any]) -> Listed:
    values = {name: getattr(row, name) for name in Listed.__dataclass_fields__}
    return Listed(**(values | {"state": DeliveryState(row.state)}))
