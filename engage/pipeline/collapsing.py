"""Makes one mail of several changes of one referral that came soon after one another: about the last of them.

Promise: mails of a topic with `collapse` wait that long, counted from the first change. A change that comes meanwhile
ends the mails about those before it and takes over when they were due; the mail that goes out is linked to all of them.
Once somebody has begun to send one, a change that comes then starts anew. Two referrals are never made one.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.decisions import Reason
from engage.domain.programs import Program
from engage.facts import Scope
from engage.pipeline.entries import Entry
from engage.store.enrollments import insert_skips
from engage.store.occasions_of import Waiting, link, move_due, tell_instead, waiting_updates

Key = tuple[str, str, int]


def collapse(db: Connection, scope: Scope, entries: Collection[Entry], now: datetime) -> None:
    """Collapses what waits about the referrals of these entries, whose own mails have been stored.

    The referrals are held by the caller (`updates.lock`). A fixed number of statements.
    """
    topics = {topic.key for topic in scope.program.topics.values() if topic.collapse is not None}
    mine = [entry for entry in entries if entry.campaign.topic in topics and entry.partner_id and entry.referral_id]
    if not mine:
        return
    waiting = waiting_updates(
        db,
        scope.program_id,
        {entry.partner_id for entry in mine if entry.partner_id is not None},
        {entry.campaign.topic for entry in mine},
        {entry.referral_id for entry in mine if entry.referral_id is not None},
    )
    link(db, [(one.delivery_id, one.enrollment_id) for one in waiting])
    groups: dict[Key, list[Waiting]] = {}
    for one in waiting:
        if _is_open(scope.program, one, now):
            groups.setdefault((one.recipient, one.topic, one.change.referral_id), []).append(one)
    gone: list[tuple[Waiting, int]] = []
    due: list[tuple[int, datetime]] = []
    for group in groups.values():
        last = max(one.change.place for one in group)
        staying = [one for one in group if one.change.place == last]
        first_due = min(one.due_at for one in group)
        gone += [(one, staying[0].delivery_id) for one in group if one.change.place != last]
        due += [(one.delivery_id, first_due) for one in staying if one.due_at != first_due]
    tell_instead(db, [(one.delivery_id, other) for one, other in gone], Reason.COLLAPSED, now)
    move_due(db, due)
    insert_skips(db, scope.program_id, [(one.enrollment_id, one.step) for one, _ in gone], Reason.COLLAPSED, now)


def _is_open(program: Program, one: Waiting, now: datetime) -> bool:
    """Whether the first of the changes that it tells of came no longer ago than the topic says."""
    length = program.topics[one.topic].collapse
    return length is not None and now <= one.first_at + length
