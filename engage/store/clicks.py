"""How mails to partners were used, counted: by people, and by machines, which no count of people has in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.feedback import FeedbackKind
from engage.store.occasions_of import OUT
from engage.store.tables import deliveries, feedback


@dataclass(frozen=True, slots=True)
class Used:
    """Of a campaign's mails: how many went out, or may have; how many of them somebody clicked in, or opened; and in
    how many only machines clicked.
    """

    campaign: str
    mails: int
    clicked: int
    opened: int
    by_machines: int


@dataclass(frozen=True, slots=True)
class UsedLink:
    """In how many mails somebody clicked what leads to `url`, and in how many only machines did."""

    url: str
    clicked: int
    by_machines: int


def used_mails(
    db: Connection, program_id: int, since: datetime | None, until: datetime, campaign: str | None = None
) -> list[Used]:
    """Each campaign's mails to partners that went out from `since` (None: ever) to before `until`, by name."""
    d = deliveries.c
    done = _done(feedback.c.delivery_id).subquery()
    query = (
        sa.select(d.campaign, sa.func.count(), _count(done.c.clicked), _count(done.c.opened), _only_machines(done))
        .select_from(deliveries)
        .outerjoin(done, done.c.delivery_id == d.id)
        .where(*_sent(program_id, since, until, campaign))
    )
    return [Used(*row) for row in db.execute(query.group_by(d.campaign).order_by(d.campaign))]


def used_links(
    db: Connection, program_id: int, since: datetime | None, until: datetime, campaign: str
) -> list[UsedLink]:
    """The links of these mails that anybody or anything clicked, the most clicked first."""
    f = feedback.c
    done = _done(f.delivery_id, f.url).where(f.url.is_not(None)).subquery()
    clicked = _count(done.c.clicked)
    query = (
        sa.select(done.c.url, clicked, _only_machines(done))
        .join_from(deliveries, done, done.c.delivery_id == deliveries.c.id)
        .where(*_sent(program_id, since, until, campaign))
    )
    return [UsedLink(*row) for row in db.execute(query.group_by(done.c.url).order_by(clicked.desc(), done.c.url))]


def _done(*each: sa.Column[Any]) -> sa.Select[Any]:
    """1 or 0 in `clicked`, `opened` and `machine`, for each mail, or each link of each."""
    f = feedback.c
    a_click, an_open = f.kind == FeedbackKind.CLICKED, f.kind == FeedbackKind.OPENED
    return (
        sa.select(
            *each,
            _any(a_click, ~f.machine).label("clicked"),
            _any(an_open, ~f.machine).label("opened"),
            _any(a_click, f.machine).label("machine"),
        )
        .where(sa.or_(a_click, an_open), f.delivery_id.is_not(None))
        .group_by(*each)
    )


def _any(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.max(sa.case((sa.and_(*conditions), 1), else_=0))


def _count(ones: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(ones), 0)


def _only_machines(done: sa.Subquery) -> sa.ColumnElement[int]:
    return sa.func.count().filter(done.c.machine == 1, done.c.clicked == 0)


def _sent(
    program_id: int, since: datetime | None, until: datetime, campaign: str | None
) -> list[sa.ColumnElement[bool]]:
    d = deliveries.c
    went_at = sa.func.coalesce(d.settled_at, d.due_at, type_=d.due_at.type)
    found = [d.program_id == program_id, d.recipient.startswith("partner:"), d.state.in_(OUT), went_at < until]
    if since is not None:
        found.append(went_at >= since)
    if campaign is not None:
        found.append(d.campaign == campaign)
    return found
