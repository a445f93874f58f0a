"""What partners ask for on their own page: a code that confirms their address, or a fresh link. Each becomes an event.

The code itself is not kept: it is derived from the public id of its confirmation.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.campaigns import EventKind
from engage.domain.keys import CODE
from engage.store.tables import confirmations, enrollments, events, occasions
from engage.store.upserts import one_of

SOURCE = "partner page"
"""Where these events come from."""

_NEXT = timedelta(microseconds=1)
_C, _E = confirmations.c, events.c


def last_wanted(db: Connection, partner_id: int, kind: EventKind) -> datetime | None:
    """When the partner last asked for this."""
    query = sa.select(_E.occurred_at).where(_E.partner_id == partner_id, _E.kind == kind)
    return db.scalar(query.order_by(_E.occurred_at.desc()).limit(1))


def times_wanted(db: Connection, partner_id: int, kind: EventKind, since: datetime) -> int:
    """How often this was asked for in the partner's name after `since`."""
    mine = sa.and_(_E.partner_id == partner_id, _E.kind == kind, _E.occurred_at > since)
    return int(db.execute(sa.select(sa.func.count()).where(mine)).scalar_one())


def next_instant(last: datetime | None, now: datetime) -> datetime:
    """`now`, or a moment after what was asked for last where a clock stands still: each is an occasion of its own."""
    return now if last is None else max(now, last + _NEXT)


def note_wanted(db: Connection, program_id: int, partner_id: int, kind: EventKind, key: str, at: datetime) -> int:
    """Stores that a partner asks for something; returns the id of the event, which is to be matched."""
    row = {"program_id": program_id, "partner_id": partner_id, "kind": kind, "key": key, "unmatched": True}
    insert = sa.insert(events).values(**row, occurred_at=at, observed_at=at, source=SOURCE)
    return int(db.execute(insert.returning(_E.id)).scalar_one())


# --- confirmations ------------------------------------------------------------------------------------------------


def begin_confirmation(
    db: Connection,
    program_id: int,
    partner_id: int,
    address_id: int,
    public_id: str,
    browser: str,
    now: datetime,
    until: datetime,
) -> None:
    """Stores that this browser (its hash) asked for a code, which is good until `until`."""
    row = {"program_id": program_id, "partner_id": partner_id, "address_id": address_id, "public_id": public_id}
    db.execute(sa.insert(confirmations).values(**row, browser_hash=browser, asked_at=now, expires_at=until))


def _open(partner_id: int, address_id: int, browser: str, now: datetime, tries: int) -> "sa.ColumnElement[bool]":
    mine = sa.and_(_C.partner_id == partner_id, _C.address_id == address_id, _C.browser_hash == browser)
    return sa.and_(mine, _C.confirmed_at.is_(None), _C.expires_at > now, _C.tries < tries)


def last_open(
    db: Connection, partner_id: int, address_id: int, browser: str, now: datetime, tries: int
) -> datetime | None:
    """When this browser asked for the latest of the codes that it may still type, with fewer than `tries` so far."""
    query = sa.select(_C.asked_at).where(_open(partner_id, address_id, browser, now, tries))
    return db.scalar(query.order_by(_C.asked_at.desc()).limit(1))


def take_try(
    db: Connection, partner_id: int, address_id: int, browser: str, now: datetime, tries: int
) -> dict[str, int]:
    """Counts one try of this browser on each of its open codes; returns their ids by public id.

    By the update itself: of many tries at once none is let through beyond `tries`.
    """
    statement = sa.update(confirmations).where(_open(partner_id, address_id, browser, now, tries))
    rows = db.execute(statement.values(tries=_C.tries + 1).returning(_C.public_id, _C.id))
    return {public_id: id_ for public_id, id_ in rows}


def finish_confirmation(db: Connection, id_: int, now: datetime) -> None:
    db.execute(sa.update(confirmations).where(_C.id == id_).values(confirmed_at=now))


def codes_by_enrollment(db: Connection, enrollment_ids: Collection[int], now: datetime) -> dict[int, str]:
    """The public id of the confirmation whose code is to be mailed, by the enrollment that came of it.

    Those of which the code is good for nothing any more are left out.
    """
    if not enrollment_ids:
        return {}
    n, o = enrollments.c, occasions.c
    of_code = sa.func.substr(_E.key, len(CODE) + 1) == _C.public_id
    query = sa.select(n.id, _C.public_id).join(occasions, o.id == n.occasion_id).join(events, _E.id == o.event_id)
    query = query.join(confirmations, of_code).where(one_of(db, n.id, enrollment_ids), _C.expires_at > now)
    return {id_: public_id for id_, public_id in db.execute(query)}
