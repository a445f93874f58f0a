"""Partners as our own people look them up: by name, address or id; who each is; and every mail to or about one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.feedback import FeedbackKind
from engage.store.tables import addresses, aliases, attempts, companies, deliveries, feedback, partners, staff
from engage.store.upserts import one_of

_P, _C, _D = partners.c, companies.c, deliveries.c


@dataclass(frozen=True, slots=True)
class Found:
    """A partner in a list."""

    id: int
    program_id: int
    external_id: str
    name: str
    email: str
    company: str
    status: str
    owner: str


def search(
    db: Connection, program_ids: Collection[int], text: str, most: int, after: tuple[int, str] | None = None
) -> list[Found]:
    """Partners of these programs whose id or address begins with the text, or whose name or company has it, whatever
    its case; by program and id. No text: all. `after` goes on where a page ended: its last program and id.

    Costs no more than reading the partners once, however long their history.
    """
    wanted = sa.select(_P.id).where(_P.program_id.in_(program_ids), _P.merged_into_id.is_(None))
    if text:
        wanted = wanted.where(_called(db, program_ids, text))
    if after is not None:
        program_id, external_id = after
        same = sa.and_(_P.program_id == program_id, _P.external_id > external_id)
        wanted = wanted.where(sa.or_(_P.program_id > program_id, same))
    # who they are is read of those that are shown only: of all that are looked through it would cost more than the look
    ids = db.execute(wanted.order_by(_P.program_id, _P.external_id).limit(most)).scalars().all()
    owner = staff.alias("owner")
    query = (
        sa.select(_P.id, _P.program_id, _P.external_id, _P.first_name, _P.last_name, _P.email, _P.status)
        .add_columns(_C.name.label("company"), owner.c.name.label("owner"))
        .outerjoin(companies, _C.id == _P.company_id)
        .outerjoin(owner, owner.c.id == _P.owner_id)
        .where(one_of(db, _P.id, ids))
        .order_by(_P.program_id, _P.external_id)
    )
    return [
        Found(
            row.id,
            row.program_id,
            row.external_id,
            " ".join(filter(None, (row.first_name, row.last_name))),
            row.email or "",
            row.company or "",
            row.status,
            row.owner or "",
        )
        for row in db.execute(query)
    ]


def _called(db: Connection, program_ids: Collection[int], text: str) -> sa.ColumnElement[bool]:
    """Whether a partner's id, address, name or company is what somebody typed, or a part of it."""
    low = text.lower()
    named = sa.func.lower(sa.func.coalesce(_P.first_name, "") + " " + sa.func.coalesce(_P.last_name, ""))
    known = sa.select(aliases.c.target_id).where(aliases.c.kind == "partner", aliases.c.external_id == text)
    reached = sa.select(addresses.c.id).where(addresses.c.email.startswith(low, autoescape=True))
    at = sa.select(_C.id).where(_C.program_id.in_(program_ids), sa.func.lower(_C.name).contains(low, autoescape=True))
    ids = db.execute(at.order_by(_C.id).limit(_MOST_COMPANIES)).scalars().all()
    return sa.or_(
        _P.external_id.startswith(text, autoescape=True),
        _P.id.in_(known),
        _P.address_id.in_(reached),
        named.contains(low, autoescape=True),
        one_of(db, _P.company_id, ids),
    )


_MOST_COMPANIES = 500
"""Of so many companies with such a name partners are found: who means one of more writes more of it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a partner is, as of now. `owner` is the salesperson's name, or external id."""

    id: int
    external_id: str
    name: str
    email: str
    phone: str
    status: str
    company: str
    company_id: str
    owner: str
    recruited_by: str
    region: str
    locale: str
    zone: str
    joined_at: datetime | None


def profile(db: Connection, partner_id: int) -> Profile:
    """The partner with this id, who is there."""
    owner, recruiter = staff.alias("owner"), partners.alias("recruiter")
    query = (
        sa.select(partners, _C.name.label("company"), _C.external_id.label("company_key"))
        .add_columns(sa.func.coalesce(owner.c.name, owner.c.external_id).label("owner"))
        .add_columns(recruiter.c.external_id.label("recruiter"))
        .outerjoin(companies, _C.id == _P.company_id)
        .outerjoin(owner, owner.c.id == _P.owner_id)
        .outerjoin(recruiter, recruiter.c.id == _P.recruited_by_id)
        .where(_P.id == partner_id)
    )
    row = db.execute(query).one()
    return Profile(
        id=row.id,
        external_id=row.external_id,
        name=" ".join(filter(None, (row.first_name, row.last_name))),
        email=row.email or "",
        phone=row.phone or "",
        status=row.status,
        company=row.company or row.company_key or "",
        company_id=row.company_key or "",
        owner=row.owner or "",
        recruited_by=row.recruiter or "",
        region=row.region or "",
        locale=row.locale or "",
        zone=row.zone or "",
        joined_at=row.joined_at,
    )


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to a partner or, where `recipient` is of our staff, about one. `subject` is that of the last attempt; ""
    before there was one. `clicked` and `opened` by a human, `by_machine` clicked by none.
    """

    id: int
    campaign: str
    step: str
    recipient: str
    topic: str
    template: str
    state: str
    reason: str | None
    reported: str | None
    created_at: datetime
    due_at: datetime
    settled_at: datetime | None
    subject: str
    clicked: bool
    opened: bool
    by_machine: bool


def mails_of(db: Connection, partner_id: int, most: int, before: tuple[datetime, int] | None = None) -> list[Mail]:
    """The latest mails to or about a partner, latest first, whatever became of them; `before` goes on where a page
    ended, by when it was made and its id. Two statements.
    """
    last = (
        sa.select(attempts.c.subject)
        .where(attempts.c.delivery_id == _D.id)
        .order_by(attempts.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    names = [name for name in Mail.__dataclass_fields__ if name not in ("subject", "clicked", "opened", "by_machine")]
    query = (
        sa.select(*(_D[name] for name in names), last.label("subject"))
        .where(_D.partner_id == partner_id)
        .order_by(_D.created_at.desc(), _D.id.desc())
        .limit(most)
    )
    if before is not None:
        at, id_ = before
        query = query.where(_D.created_at <= at)  # which the index has
        query = query.where(sa.or_(_D.created_at < at, _D.id < id_))
    rows = db.execute(query).all()
    used = _used(db, [row.id for row in rows])
    return [Mail(**(row._asdict() | {"subject": row.subject or ""} | used.get(row.id, _UNUSED))) for row in rows]


_UNUSED: dict[str, Any] = {"clicked": False, "opened": False, "by_machine": False}


def _used(db: Connection, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    f = feedback.c
    kinds = (FeedbackKind.CLICKED, FeedbackKind.OPENED)
    query = sa.select(f.delivery_id, f.kind, f.machine).where(one_of(db, f.delivery_id, ids), f.kind.in_(kinds))
    found: dict[int, set[tuple[str, bool]]] = {}
    for delivery_id, kind, machine in db.execute(query.distinct()):
        found.setdefault(delivery_id, set()).add((kind, machine))
    return {
        id_: {
            "clicked": (FeedbackKind.CLICKED, False) in uses,
            "opened": (FeedbackKind.OPENED, False) in uses,
            "by_machine": (FeedbackKind.CLICKED, True) in uses and (FeedbackKind.CLICKED, False) not in uses,
        }
        for id_, uses in found.items()
    }
