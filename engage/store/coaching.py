"""Coaching alerts: what salespeople find on their list, and who works with whom.

Every change is a conditional update whose row count says who won. No list is asked for without a bound.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.coaching import CLAIM_LASTS, SHOWN_FOR, AlertState, Outcome
from engage.store.tables import coaching_alerts, companies, partners, referrals, staff, users
from engage.store.upserts import insert_many, one_of

_A = coaching_alerts.c
_UNRESOLVED = _A.state != sa.literal_column("'resolved'")  # in so many words: see store/claims.py
_CLAIMED = _A.state == sa.literal_column("'claimed'")


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with whom it is about and who has it. Names are empty where they are not known.

    `evidence` has (label, value) as a salesperson reads them. `owner` is of the member of staff whom it was sent to,
    and None of a desk (`recipient` says which).
    """

    id: int
    program_id: int
    delivery_id: int
    campaign: str
    recipient: str
    staff_id: int | None
    owner: str | None
    partner_id: int | None
    partner: str | None
    first_name: str
    last_name: str
    phone: str
    email: str
    company: str
    referral: str | None
    lead_company: str
    raised_at: datetime
    evidence: Sequence[Sequence[str]]
    state: AlertState
    claimed_by: int | None
    claimer: str
    claimed_at: datetime | None
    snoozed_until: datetime | None
    resolver: str
    resolved_at: datetime | None
    outcome: Outcome | None
    note: str

    @property
    def about(self) -> str:
        """Whom or what it is about, by the best name that is known."""
        named = " ".join(filter(None, (self.first_name, self.last_name)))
        return named or self.company or self.email or self.partner or "a partner"

    def holder(self, now: datetime) -> int | None:
        """The user whose claim stands."""
        stands = self.state is AlertState.CLAIMED and self.claimed_at is not None
        return self.claimed_by if stands and self.claimed_at and now < self.claimed_at + CLAIM_LASTS else None

    def snoozes(self, now: datetime) -> bool:
        return self.state is not AlertState.RESOLVED and self.snoozed_until is not None and now < self.snoozed_until


@dataclass(frozen=True, slots=True)
class Whose:
    """To whom alerts were sent: to any of these members of staff, or to desks and default owners by program."""

    staff_ids: frozenset[int] = frozenset()
    recipients: Mapping[int, frozenset[str]] | None = None

    def condition(self) -> sa.ColumnElement[bool]:
        named = [sa.and_(_A.program_id == id_, _A.recipient.in_(keys)) for id_, keys in (self.recipients or {}).items()]
        return sa.or_(_A.staff_id.in_(self.staff_ids), *named)

    def __bool__(self) -> bool:
        return bool(self.staff_ids or self.recipients)


def insert_alerts(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Stores alerts, each of another delivery; of one that is stored already the first stays."""
    insert_many(db, coaching_alerts, [{**row, "state": AlertState.OPEN} for row in rows], or_ignore=True)


# --- lists ------------------------------------------------------------------------------------------------------------


def _alerts() -> sa.Select[Any]:
    claimer, resolver = users.alias("claimer"), users.alias("resolver")

    def text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(column, "")

    columns = (
        *(_A[name] for name in ("id", "program_id", "delivery_id", "campaign", "recipient", "staff_id", "partner_id")),
        sa.func.coalesce(staff.c.name, staff.c.external_id).label("owner"),
        partners.c.external_id.label("partner"),
        *(text(partners.c[name]).label(name) for name in ("first_name", "last_name", "phone", "email")),
        text(companies.c.name).label("company"),
        referrals.c.external_id.label("referral"),
        text(referrals.c.lead_company).label("lead_company"),
        *(_A[name] for name in ("raised_at", "evidence", "state", "claimed_by", "claimed_at", "snoozed_until")),
        text(claimer.c.name).label("claimer"),
        text(resolver.c.name).label("resolver"),
        *(_A[name] for name in ("resolved_at", "outcome")),
        text(_A.note).label("note"),
    )
    return (
        sa.select(*columns)
        .outerjoin(staff, staff.c.id == _A.staff_id)
        .outerjoin(partners, partners.c.id == _A.partner_id)
        .outerjoin(companies, companies.c.id == sa.func.coalesce(_A.company_id, partners.c.company_id))
        .outerjoin(referrals, referrals.c.id == _A.referral_id)
        .outerjoin(claimer, claimer.c.id == _A.claimed_by)
        .outerjoin(resolver, resolver.c.id == _A.resolved_by)
    )


def _read(db: Connection, query: sa.Select[Any]) -> list[Alert]:
    rows = [dict(row._mapping) for row in db.execute(query)]
    for row in rows:
        row["state"] = AlertState(row["state"])
        row["outcome"] = Outcome(row["outcome"]) if row["outcome"] else None
    return [Alert(**row) for row in rows]


def find_alert(db: Connection, program_ids: Collection[int], alert_id: int) -> Alert | None:
    """The alert, if it is of one of these programs."""
    found = _read(db, _alerts().where(_A.id == alert_id, _A.program_id.in_(program_ids)))
    return found[0] if found else None


def _free(now: datetime) -> sa.ColumnElement[bool]:
    """Whether nobody works on it: it is open, or its claim is over by its age."""
    return sa.or_(_A.state == AlertState.OPEN, sa.and_(_CLAIMED, _A.claimed_at <= now - CLAIM_LASTS))


def _awake(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(_A.snoozed_until.is_(None), _A.snoozed_until <= now)


def waiting(
    db: Connection,
    program_ids: Collection[int],
    whose: Whose | None,
    now: datetime,
    limit: int,
    *,
    snoozed: bool = False,
    but_of: int | None = None,
    after: Alert | None = None,
) -> list[Alert]:
    """Alerts that are not resolved, the newest first: those that are shown now, or those that are `snoozed`.

    `whose` None: everybody's. `but_of` leaves out those that this user has claimed. `after` goes on where a page ended.
    """
    stands = sa.and_(_CLAIMED, _A.claimed_at > now - CLAIM_LASTS)
    query = _alerts().where(
        _A.program_id.in_(program_ids),
        _UNRESOLVED,
        _A.raised_at > now - SHOWN_FOR - CLAIM_LASTS,  # as far as the index is read
        sa.or_(_A.raised_at > now - SHOWN_FOR, stands),
        ~_awake(now) if snoozed else _awake(now),
    )
    if whose is not None:
        query = query.where(whose.condition())
    if but_of is not None:
        query = query.where(sa.not_(sa.and_(stands, _A.claimed_by == but_of)))
    if after is not None:
        query = query.where(_before(_A.raised_at, after.raised_at, after.id))
    return _read(db, query.order_by(_A.raised_at.desc(), _A.id.desc()).limit(limit))


def in_hand(db: Connection, program_ids: Collection[int], user_id: int, now: datetime, limit: int) -> list[Alert]:
    """What this user has claimed and neither resolved nor snoozed, the oldest claim first."""
    query = _alerts().where(_CLAIMED, _A.claimed_by == user_id, _A.claimed_at > now - CLAIM_LASTS)
    query = query.where(_A.program_id.in_(program_ids), _awake(now))
    return _read(db, query.order_by(_A.claimed_at, _A.id).limit(limit))


def resolved(
    db: Connection,
    program_ids: Collection[int],
    whose: Whose | None,
    since: datetime,
    limit: int,
    *,
    after: Alert | None = None,
) -> list[Alert]:
    """What was resolved after `since`, the last first."""
    query = _alerts().where(_A.program_id.in_(program_ids), _A.resolved_at > since)
    if whose is not None:
        query = query.where(whose.condition())
    if after is not None and after.resolved_at is not None:
        query = query.where(_before(_A.resolved_at, after.resolved_at, after.id))
    return _read(db, query.order_by(_A.resolved_at.desc(), _A.id.desc()).limit(limit))


def _before(column: "sa.Column[datetime]", at: datetime, id_: int) -> sa.ColumnElement[bool]:
    return sa.and_(column <= at, sa.or_(column < at, _A.id < id_))


def alerts_about(db: Connection, partner_id: int, limit: int) -> list[Alert]:
    """The last alerts about a partner, whatever became of them."""
    query = _alerts().where(_A.partner_id == partner_id)
    return _read(db, query.order_by(_A.raised_at.desc(), _A.id.desc()).limit(limit))


def working_with(db: Connection, partner_ids: Collection[int], now: datetime) -> dict[int, tuple[int, str]]:
    """(id, name) of the user who has claimed an alert about each of these partners last, where that claim stands."""
    stands = (_CLAIMED, _A.claimed_at > now - CLAIM_LASTS, one_of(db, _A.partner_id, partner_ids))
    query = sa.select(_A.partner_id, users.c.id, users.c.name).join(users, users.c.id == _A.claimed_by).where(*stands)
    return {id_: (user_id, name) for id_, user_id, name in db.execute(query.order_by(_A.claimed_at))}


def owners_waited_for(db: Connection, program_ids: Collection[int], now: datetime) -> list[tuple[int, str]]:
    """(staff id, name) of whom alerts were sent to that are not resolved, by name."""
    recent = (_A.program_id.in_(program_ids), _UNRESOLVED, _A.raised_at > now - SHOWN_FOR)
    name = sa.func.coalesce(staff.c.name, staff.c.external_id)
    query = sa.select(staff.c.id, name).where(staff.c.id.in_(sa.select(_A.staff_id).where(*recent)))
    return [(id_, named) for id_, named in db.execute(query.order_by(name, staff.c.id))]


def staff_at(db: Connection, program_ids: Collection[int], email: str) -> frozenset[int]:
    """The members of staff of these programs who have this address."""
    c = staff.c
    query = sa.select(c.id).where(c.program_id.in_(program_ids), sa.func.lower(c.email) == email.lower())
    return frozenset(db.execute(query).scalars())


# --- changes ----------------------------------------------------------------------------------------------------------


def claim_alert(db: Connection, alert_id: int, user_id: int, now: datetime, instead_of: int | None = None) -> bool:
    """Makes it the user's own, if nobody works on it, or whoever it is to be taken from; says whether it is."""
    allowed = _free(now)
    if instead_of is not None:
        allowed = sa.or_(allowed, sa.and_(_CLAIMED, _A.claimed_by == instead_of))
    values = {"state": AlertState.CLAIMED, "claimed_by": user_id, "claimed_at": now, "snoozed_until": None}
    return _change(db, alert_id, allowed, values)


def give_back(db: Connection, alert_id: int, user_id: int) -> bool:
    """Opens it again for anybody, if it is the user's own."""
    values = {"state": AlertState.OPEN, "claimed_by": None, "claimed_at": None}
    return _change(db, alert_id, sa.and_(_CLAIMED, _A.claimed_by == user_id), values)


def snooze_alert(db: Connection, alert_id: int, user_id: int, now: datetime, length: timedelta) -> bool:
    """Has it not shown for so long, if it is nobody else's; a claim stands meanwhile."""
    return _change(db, alert_id, _nobody_elses(user_id, now), {"snoozed_until": now + length})


def resolve_alert(
    db: Connection, alert_id: int, user_id: int, outcome: Outcome, note: str | None, now: datetime
) -> bool:
    """Says what became of it, if it is nobody else's."""
    values = {"state": AlertState.RESOLVED, "resolved_by": user_id, "resolved_at": now}
    return _change(db, alert_id, _nobody_elses(user_id, now), {**values, "outcome": outcome, "note": note})


def reopen_alert(db: Connection, alert_id: int, user_id: int, now: datetime) -> bool:
    """Makes a resolved one the user's own: it is to do again, and on a list however long ago it was raised. Its note
    stays, for them to go on with.
    """
    values = {"state": AlertState.CLAIMED, "claimed_by": user_id, "claimed_at": now, "snoozed_until": None}
    unresolved = {"resolved_by": None, "resolved_at": None, "outcome": None}
    return _change(db, alert_id, sa.not_(_UNRESOLVED), {**values, **unresolved})


def _nobody_elses(user_id: int, now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(_free(now), sa.and_(_CLAIMED, _A.claimed_by == user_id))


def _change(db: Connection, alert_id: int, allowed: sa.ColumnElement[bool], values: Mapping[str, Any]) -> bool:
    statement = sa.update(coaching_alerts).where(_A.id == alert_id, allowed)
    return db.execute(statement.values(values)).rowcount == 1
