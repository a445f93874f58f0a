"""What a duplicate has entered is the survivor's: whichever of the two entered a campaign, it is not entered again.

Of partners the keys of entries say nothing; those of referrals, companies and staff name them (`domain.keys.key_of`),
and are rewritten. Nobody walks one way twice: where both are on it the survivor goes on, and the other's journey ends.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DUE, By, DeliveryState, require_legal
from engage.domain.facts import Subject
from engage.domain.journeys import JourneyState
from engage.domain.keys import key_of
from engage.store.tables import deliveries, enrollments, episodes

Clause = sa.ColumnElement[bool]

GONE = (DeliveryState.SENDING, DeliveryState.ACCEPTED, DeliveryState.UNKNOWN)
"""The states of a mail that its recipient has, or may have."""

MERGED = "merged into another"
"""The reason of deliveries that would have told the survivor the same twice."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The rows' ids. `now` is when the merge is told."""

    merged: int
    survivor: int
    now: datetime


def move_entries(db: Connection, pair: Pair, subject: Subject, names: tuple[str, str]) -> int:
    """Moves what the merged referral, company or member of staff has entered; `names` are the external ids of both.

    Returns how many messages were cancelled that the survivor gets, got or is not to get.
    """
    c, whose, own = enrollments.c, f"{subject}_id", enrollments.alias("own")
    of_merged, of_survivor = c[whose] == pair.merged, own.c[whose] == pair.survivor
    either = sa.select(c.id).where(c[whose].in_((pair.merged, pair.survivor)))
    release_claimed(db, deliveries.c.enrollment_id.in_(either))
    cancelled = _cancel_doubled(db, pair, subject, names)
    renamed = _renamed(enrollments, subject, names)
    both = sa.exists().where(of_survivor, own.c.campaign == c.campaign, own.c.key == renamed)
    end_journeys(db, pair, of_merged, sa.or_(both, inside_too(own, of_survivor)))
    db.execute(sa.update(enrollments).where(of_merged, ~both).values(key=renamed))
    db.execute(sa.update(enrollments).where(of_merged).values({whose: pair.survivor}))
    move_episodes(db, pair, subject)
    return cancelled


def _renamed(table: sa.FromClause, subject: Subject, names: tuple[str, str]) -> sa.ColumnElement[str]:
    """The key under which the survivor would have entered what the merged one has; one that names neither stays."""
    old, new = (key_of("", subject, name) for name in names)
    return sa.func.replace(table.c.key, old, new)


def _cancel_doubled(db: Connection, pair: Pair, subject: Subject, names: tuple[str, str]) -> int:
    """Cancels what is due to the merged one that the survivor has too, and to the survivor that the merged one got."""
    whose, d, other = f"{subject}_id", deliveries.c, deliveries.alias("other")
    of_merged, of_survivor = enrollments.alias("of_merged"), enrollments.alias("of_survivor")
    doubled = (
        sa.exists()
        .where(of_merged.c[whose] == pair.merged, of_survivor.c[whose] == pair.survivor)
        .where(of_survivor.c.campaign == of_merged.c.campaign)
        .where(of_survivor.c.key == _renamed(of_merged, subject, names), other.c.step == d.step)
    )
    mine = doubled.where(d.enrollment_id == of_merged.c.id, other.c.enrollment_id == of_survivor.c.id)
    got = doubled.where(d.enrollment_id == of_survivor.c.id, other.c.enrollment_id == of_merged.c.id)
    return cancel(db, mine, pair) + cancel(db, got.where(other.c.state.in_(GONE)), pair)


def inside_too(own: sa.FromClause, of_survivor: Clause) -> Clause:
    """Whether the survivor is inside the campaign, too, into which the merged one has come."""
    return sa.exists().where(of_survivor, own.c.campaign == enrollments.c.campaign, own.c.state == JourneyState.ACTIVE)


def end_journeys(db: Connection, pair: Pair, of_merged: Clause, twice: Clause) -> None:
    """Ends journeys of the merged one on which the survivor is, too: nobody walks one way twice."""
    ending = sa.update(enrollments).where(of_merged, twice, enrollments.c.state == JourneyState.ACTIVE)
    stopped = {"state": JourneyState.STOPPED, "why": MERGED, "ended_at": pair.now}
    db.execute(ending.values(**stopped, step=None, reached_at=None, due_at=None))


def move_episodes(db: Connection, pair: Pair, subject: Subject) -> None:
    """An episode that is open goes on with the survivor, unless one of the survivor's own is or opened on that slot."""
    c, own = episodes.c, episodes.alias("own")
    same = sa.and_(own.c.subject == subject, own.c.subject_id == pair.survivor, own.c.campaign == c.campaign)
    open_both = sa.exists().where(same, own.c.closed_at.is_(None))
    of_merged = sa.and_(c.subject == subject, c.subject_id == pair.merged)
    still_open = sa.and_(of_merged, c.closed_at.is_(None))
    db.execute(sa.update(episodes).where(still_open, open_both).values(closed_at=pair.now))
    opened_both = sa.exists().where(same, own.c.opened_slot == c.opened_slot)
    db.execute(sa.update(episodes).where(of_merged, ~opened_both).values(subject_id=pair.survivor))
    db.execute(sa.update(episodes).where(still_open).values(closed_at=pair.now))


def release_claimed(db: Connection, which: Clause) -> None:
    """Takes what has been claimed for the merged one out of the worker's hands: it is to be composed anew."""
    require_legal(By.MERGE, DeliveryState.CLAIMED, DeliveryState.PENDING)
    statement = sa.update(deliveries).where(which, deliveries.c.state == DeliveryState.CLAIMED)
    db.execute(statement.values(state=DeliveryState.PENDING, lease=None, lease_until=None))


def cancel(db: Connection, which: Clause, pair: Pair) -> int:
    """Cancels what is due; returns how many."""
    for state in DUE:
        require_legal(By.MERGE, state, DeliveryState.CANCELLED)
    statement = (
        sa.update(deliveries)
        .where(which, deliveries.c.state.in_(DUE))
        .values(state=DeliveryState.CANCELLED, reason=MERGED, settled_at=pair.now)
    )
    return db.execute(statement).rowcount
