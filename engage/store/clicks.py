"""How mails to partners were used, counted: by people, and by machines, which no count of people has in it."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.feedback import FeedbackKind
from engage.store.occasions_of import OUT
from engage.store.tables import deliveries, feedback


@dataclass(frozen=True, slots=True)
class Used:
    """Of a campaign's mails: how many went out, or may have, and to how many partners; how many of them somebody
    clicked in, or opened; and in how many only machines clicked.
    """

    campaign: str
    mails: int
    reached: int
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
    d, f = deliveries.c, feedback.c
    # not joined to a subquery of all feedback, which would be read as a whole for one campaign
    each = (
        sa.select(d.campaign, d.partner_id, *_used())
        .outerjoin_from(deliveries, feedback, sa.and_(f.delivery_id == d.id, _IS_USE))
        .where(*_sent(program_id, since, until, campaign))
        .group_by(d.id)
        .subquery()
    )
    c = each.c
    reached = sa.func.count(c.partner_id.distinct())
    query = sa.select(c.campaign, sa.func.count(), reached, _count(c.clicked), _count(c.opened), _only_machines(each))
    return [Used(*row) for row in db.execute(query.group_by(c.campaign).order_by(c.campaign))]


def used_links(
    db: Connection, program_id: int, since: datetime | None, until: datetime, campaign: str
) -> list[UsedLink]:
    """The links of these mails that anybody or anything clicked, the most clicked first."""
    f = feedback.c
    each = (
        sa.select(f.url, *_used())
        .join_from(deliveries, feedback, f.delivery_id == deliveries.c.id)
        .where(_IS_USE, f.url.is_not(None), *_sent(program_id, since, until, campaign))
        .group_by(deliveries.c.id, f.url)
        .subquery()
    )
    clicked = _count(each.c.clicked)
    query = sa.select(each.c.url, clicked, _only_machines(each)).group_by(each.c.url)
    return [UsedLink(*row) for row in db.execute(query.order_by(clicked.desc(), each.c.url))]


_A_CLICK, _AN_OPEN = feedback.c.kind == FeedbackKind.CLICKED, feedback.c.kind == FeedbackKind.OPENED
_IS_USE = sa.or_(_A_CLICK, _AN_OPEN)


def _used() -> list[sa.Label[int]]:
    """1 or 0 in `clicked`, `opened` and `machine`, of what is grouped."""
    machine = feedback.c.machine
    return [
        _any(_A_CLICK, ~machine).label("clicked"),
        _any(_AN_OPEN, ~machine).label("opened"),
        _any(_A_CLICK, machine).label("machine"),
    ]


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
