"""Frequency caps in the database: the locks under which they are kept, what takes room, who competes for it.

A mail uses up caps from `counts_at` on, and has room reserved from `reserved_at` until it has gone out or has ended
without: its state says which. Locks are taken in one order: programs, companies, recipients, addresses, each sorted by
id.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.decisions import Reason
from engage.domain.deliveries import ENDS, By, DeliveryState, require_legal
from engage.domain.limits import Per
from engage.queueing import Lane
from engage.store.deliveries import Claimed, claimed_rows
from engage.store.runs import OPEN, RUNNING
from engage.store.tables import companies, deliveries, partners, programs, runs
from engage.store.upserts import one_of, one_of_named, update_each

WAITED_FOR = timedelta(hours=1)
"""A contest waits so long for a run that may yet bring candidates for its window."""

_CONTESTS = 0x656E676167650001  # names the lock of whoever decides contests: "engage", and the first of its locks

_NEVER_SENT = frozenset(ENDS) - {DeliveryState.ACCEPTED}

_COLUMN = {
    Per.PARTNER: deliveries.c.partner_id,
    Per.COMPANY: deliveries.c.company_id,
    Per.ADDRESS: deliveries.c.address_id,
    Per.PROGRAM: deliveries.c.program_id,
}
_COMPETING = sa.and_(deliveries.c.state == sa.literal_column("'pending'"), deliveries.c.contest_at.is_not(None))
_RESERVED = sa.and_(
    deliveries.c.reserved_at.is_not(None),
    deliveries.c.counts_at.is_(None),
    deliveries.c.state.in_([sa.literal_column(f"'{state}'") for state in ("pending", "claimed", "retry")]),
)


# --- locks ------------------------------------------------------------------------------------------------------------


def alone(db: Connection) -> bool:
    """Whether nobody else decides contests; until the transaction ends nobody does. On SQLite it is the lock."""
    if db.dialect.name == "sqlite":
        return True
    return bool(db.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_CONTESTS))).scalar())


def lock_programs(db: Connection, ids: Collection[int]) -> None:
    """Locks the programs whose own mails a cap counts: the first of the locks."""
    _lock(db, programs.c.id, ids)


def lock_companies(db: Connection, ids: Collection[int]) -> None:
    """Locks companies: before the partners who belong to them."""
    _lock(db, companies.c.id, ids)


def lock_companies_of(db: Connection, partner_ids: Collection[int]) -> set[int]:
    """Locks the companies that these partners belong to now; returns their ids."""
    c = partners.c
    mine = sa.select(c.company_id).where(one_of(db, c.id, partner_ids), c.company_id.is_not(None)).distinct()
    ids = set(db.execute(mine).scalars())
    lock_companies(db, ids)
    return ids


def _lock(db: Connection, column: sa.Column[Any], ids: Collection[int]) -> None:
    if not ids or db.dialect.name == "sqlite":
        return
    query = sa.select(column).where(one_of(db, column, ids)).order_by(column)
    db.execute(query.with_for_update(key_share=True)).all()


# --- what takes room --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that takes room of whose id `of` is. `at` None: it is reserved, the mail has yet to go out."""

    of: int
    topic: str
    campaign: str
    at: datetime | None


def taken(
    db: Connection,
    per: Per,
    ids: Collection[int],
    after: datetime,
    *,
    topic: str | None = None,
    reserved: bool = False,
    until: datetime | None = None,
    newest: int | None = None,
    but_not: Collection[int] = (),
) -> list[Taken]:
    """The mails of these that went out, or may have, after `after` (and up to `until`); `reserved`: those to come too.

    One statement. `newest` is how many are enough, the latest of them; `but_not` are deliveries to be left out.
    """
    query = _taken(db.dialect.name, per, topic is not None, reserved, until is not None, newest, bool(but_not))
    return [Taken(*row) for row in db.execute(query, _bound(ids, after, topic, until, but_not))]


@cache
def _taken(
    dialect: str, per: Per, of_topic: bool, reserved: bool, until: bool, newest: int | None, but_not: bool
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Built once, as `_how_many` is: each batch that is decided asks them, for each kind of cap."""
    d, column = deliveries.c, _COLUMN[per]
    mine = _mine(dialect, column, of_topic, but_not)
    gone = sa.select(column.label("of"), d.topic, d.campaign, d.counts_at.label("at")).where(mine, _since(until))
    if newest is not None:
        gone = gone.order_by(d.counts_at.desc()).limit(newest)
    if not reserved:
        return gone
    to_come = sa.select(column, d.topic, d.campaign, sa.cast(sa.null(), d.counts_at.type)).where(mine, _RESERVED)
    return sa.union_all(sa.select(gone.subquery()), to_come)


def how_many_taken(
    db: Connection,
    per: Per,
    ids: Collection[int],
    after: datetime,
    *,
    topic: str | None,
    reserved: bool,
    until: datetime | None,
    but_not: Collection[int],
) -> int:
    """How many `taken` would find. One statement."""
    query = _how_many(db.dialect.name, per, topic is not None, reserved, until is not None, bool(but_not))
    return sum(db.execute(query, _bound(ids, after, topic, until, but_not)).scalars())


@cache
def _how_many(
    dialect: str, per: Per, of_topic: bool, reserved: bool, until: bool, but_not: bool
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    mine = _mine(dialect, _COLUMN[per], of_topic, but_not)
    count = sa.select(sa.func.count()).select_from(deliveries)
    gone = count.where(mine, _since(until))
    return sa.union_all(gone, count.where(mine, _RESERVED)) if reserved else gone


def _mine(dialect: str, column: sa.Column[Any], of_topic: bool, but_not: bool) -> sa.ColumnElement[bool]:
    d = deliveries.c
    mine = [one_of_named(dialect, column, "ids")]
    if of_topic:
        mine.append(d.topic == sa.bindparam("topic", type_=d.topic.type))
    if but_not:
        mine.append(sa.not_(one_of_named(dialect, d.id, "but_not")))
    return sa.and_(*mine)


def _since(until: bool) -> sa.ColumnElement[bool]:
    at = deliveries.c.counts_at
    after = at > sa.bindparam("after", type_=at.type)
    return sa.and_(after, at <= sa.bindparam("until", type_=at.type)) if until else after


def _bound(
    ids: Collection[int], after: datetime, topic: str | None, until: datetime | None, but_not: Collection[int]
) -> dict[str, Any]:
    return {"ids": list(ids), "after": after, "topic": topic, "until": until, "but_not": list(but_not)}


def set_whose(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes to whom deliveries really go: rows have id, company_id and address_id."""
    update_each(db, deliveries, rows)


# --- who competes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contest:
    """The candidates of one campaign for one dispatch window."""

    contest_at: datetime
    program_id: int
    campaign: str


def contests(db: Connection, now: datetime) -> list[Contest]:
    """The contests that are due, unless a run of the program that began in time may yet bring candidates."""
    d, r = deliveries.c, runs.c
    to_come = sa.exists().where(r.program_id == d.program_id, r.state.in_((OPEN, RUNNING)), r.as_of <= d.contest_at)
    query = (
        sa.select(d.contest_at, d.program_id, d.campaign)
        .where(_COMPETING, d.contest_at <= now, sa.or_(d.contest_at <= now - WAITED_FOR, ~to_come))
        .distinct()
    )
    return [Contest(*row) for row in db.execute(query)]


def next_contest(db: Connection) -> datetime | None:
    """When the next contest is due, or was if it still waits."""
    d = deliveries.c
    query = sa.select(sa.func.min(d.contest_at, type_=d.contest_at.type)).where(_COMPETING)
    found: datetime | None = db.execute(query).scalar()
    return found


def candidates(db: Connection, contest: Contest, limit: int) -> list[Claimed]:
    """The first `limit` candidates of a contest, by recipient, occasion and step: the order in which they rank."""
    d = deliveries.c
    query = (
        claimed_rows()
        .where(_COMPETING, d.contest_at == contest.contest_at, d.program_id == contest.program_id)
        .where(d.campaign == contest.campaign)
        .order_by(d.recipient, d.occasion, d.step)
        .limit(limit)
    )
    return [Claimed(**row._mapping) for row in db.execute(query)]


def reserve(db: Connection, ids: Collection[int], since: datetime | None) -> dict[Lane, list[int]]:
    """These candidates have won and are due; each has its room reserved `since`, None: it takes none.

    Returns their ids by lane.
    """
    won: dict[Lane, list[int]] = {}
    for row in _decide(db, ids, contest_at=None, reserved_at=since, reason=None):
        won.setdefault(Lane(row.lane), []).append(row.id)
    return {lane: sorted(found) for lane, found in won.items()}


def compete_again(db: Connection, ids: Collection[int], contest_at: datetime, reason: str | None) -> None:
    """These candidates compete in another window."""
    _decide(db, ids, contest_at=contest_at, due_at=contest_at, reason=reason)


def lose(
    db: Connection,
    ids: Collection[int],
    state: DeliveryState,
    reason: str,
    now: datetime,
    *,
    counts_at: datetime | None = None,
) -> None:
    """These candidates end in `state`. With `counts_at` they take the room that they would have had."""
    require_legal(By.CONTEST, DeliveryState.PENDING, state)
    _decide(db, ids, state=state, contest_at=None, reason=reason, settled_at=now, counts_at=counts_at)


def _decide(db: Connection, ids: Collection[int], **values: Any) -> list[sa.Row[Any]]:
    """Writes what was decided of those of `ids` that still compete."""
    if not ids:
        return []
    d = deliveries.c
    statement = sa.update(deliveries).where(one_of(db, d.id, ids), _COMPETING).values(values)
    return list(db.execute(statement.returning(d.id, d.lane)))


# --- what is folded into a newsletter ---------------------------------------------------------------------------------


def folded(db: Connection, newsletters: Mapping[int, int]) -> list[tuple[Claimed, int | None]]:
    """What the next newsletter to each of these partners is to tell of, oldest first: {delivery: partner}.

    That is what none has told of yet, and what these have begun to tell of: then with the one that has.
    """
    d, untold = deliveries.c, _untold()
    query = (
        claimed_rows()
        .add_columns(sa.case((untold, None), else_=d.into_id))
        .where(one_of(db, d.partner_id, set(newsletters.values())), d.state == DeliveryState.SKIPPED)
        .where(d.reason == Reason.FOLDED, sa.or_(untold, one_of(db, d.into_id, list(newsletters))))
        .order_by(d.id)
    )
    return [(Claimed(*row[:-1]), row[-1]) for row in db.execute(query)]


def take_folded(db: Connection, into: Mapping[int, int]) -> set[int]:
    """These deliveries are told of by those: {folded: newsletter}. Returns those that no other newsletter has taken."""
    rows = [{"id": id_, "into_id": newsletter} for id_, newsletter in into.items()]
    return update_each(db, deliveries, rows, _untold())


def _untold() -> sa.ColumnElement[bool]:
    """Whether no newsletter tells of it: none has begun to, or the one that had was never sent."""
    into, teller = deliveries.c.into_id, deliveries.alias("teller")
    return sa.or_(into.is_(None), sa.exists().where(teller.c.id == into, teller.c.state.in_(_NEVER_SENT)))
