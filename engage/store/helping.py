"""What salespeople asked partners to help with."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import enrollments, events, help_requests, occasions, referrals, staff
from engage.store.upserts import one_of


@dataclass(frozen=True, slots=True)
class HelpWanted:
    """`staff_id` and `by` are of who asked, or of who works the referral where nobody was named; `by` may be empty."""

    ask: str
    staff_id: int | None
    by: str


_H, _R = help_requests.c, referrals.c


def help_by_enrollment(db: Connection, enrollment_ids: Collection[int]) -> dict[int, HelpWanted]:
    """What was asked for, by the enrollments that came of it."""
    n, o, e = enrollments.c, occasions.c, events.c
    query = _asked(n.id).join(events, sa.and_(e.referral_id == _H.referral_id, e.occurred_at == _H.asked_at))
    query = query.join(occasions, o.event_id == e.id).join(enrollments, n.occasion_id == o.id)
    return {id_: HelpWanted(*row) for id_, *row in db.execute(query.where(one_of(db, n.id, enrollment_ids)))}


def latest_help(db: Connection, referral_id: int) -> HelpWanted | None:
    """What was asked for last with this referral."""
    query = _asked(_R.id).where(_R.id == referral_id).order_by(_H.asked_at.desc()).limit(1)
    row = db.execute(query).one_or_none()
    return HelpWanted(*row[1:]) if row else None


def _asked(key: "sa.Column[Any]") -> "sa.Select[Any]":
    who = sa.func.coalesce(_H.staff_id, _R.salesperson_id)
    columns = (key, _H.ask, staff.c.id.label("staff_id"), sa.func.coalesce(staff.c.name, "").label("by"))
    query = sa.select(*columns).select_from(help_requests).join(referrals, _R.id == _H.referral_id)
    return query.outerjoin(staff, staff.c.id == who)
