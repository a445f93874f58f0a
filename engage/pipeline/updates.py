"""Updates: the mails that a change of a referral's status calls for at once. Says which of them is told, and by what.

Looked at when the change is matched and again when the mail is to go out, as everything is. Between the two a change
may be taken back: won, then reopened. What the topic's `regression` says then holds, whichever is faster, sending or
matching: a correction goes out only if the good news did, and good news that was taken back before does not.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, EventKind, EventTrigger, GatherTrigger, MailStep, SendStep
from engage.domain.decisions import Reason
from engage.domain.deliveries import DUE, DeliveryState
from engage.domain.programs import Program, Regression, Rhythm, Topic
from engage.facts import Scope
from engage.pipeline.entries import Entry
from engage.pipeline.gathering import updates_told
from engage.store.deliveries import Claimed
from engage.store.enrollments import insert_skips
from engage.store.events import HistoryEvent
from engage.store.occasions_of import (
    OUT,
    Change,
    Telling,
    changes_by_enrollment,
    changes_by_occasion,
    changes_of,
    end_untold,
    lock_updates,
    mails_telling,
    unlink,
)

_MAY_BE_OUT = (*OUT, DeliveryState.CLAIMED)
"""A mail that is claimed may go out before we are done: the correction is looked at again when it is sent."""


def is_update(entry: Entry, step: MailStep) -> bool:
    """Whether the mail is called for by a change of a referral, at once: what a journey sends later is its own mail."""
    trigger = entry.campaign.trigger
    at_once = isinstance(trigger, EventTrigger) and trigger.event is EventKind.STATUS_CHANGED
    concerns = entry.partner_id is not None and entry.referral_id is not None
    return at_once and concerns and entry.event_age is not None and isinstance(step, SendStep)


def gathered(program: Program, campaign: Campaign, step: MailStep, rhythms: Mapping[str, Rhythm]) -> Reason | None:
    """GATHERED if the daily mail tells of what this mail would tell a partner with these rhythms."""
    topic, trigger = program.topics[campaign.topic], campaign.trigger
    if topic.gather is None or rhythms.get(topic.key) is not Rhythm.DAILY or not isinstance(step, SendStep):
        return None
    of_changes = isinstance(trigger, EventTrigger) and trigger.event is EventKind.STATUS_CHANGED
    return Reason.GATHERED if of_changes else None


def lock(db: Connection, program: Program, events: Iterable[HistoryEvent]) -> None:
    """Lets nobody else decide about the updates of these events' referrals until the transaction ends."""
    if any(
        topic.collapse or topic.gather or topic.regression is Regression.CORRECT for topic in program.topics.values()
    ):
        lock_updates(db, {event.referral_id for event in events if event.referral_id is not None})


@dataclass(frozen=True, slots=True)
class Updates:
    """What is to be known of the updates of a batch. `told`: regressions (by event) whose good news is or may be out,
    with the topics in which it is.
    """

    program: Program
    changes: Mapping[int, Change] = field(default_factory=dict)
    told: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, db: Connection, scope: Scope, mails: Iterable[tuple[Entry, MailStep]], now: datetime) -> "Updates":
        program = scope.program
        mine = [entry for entry, step in mails if is_update(entry, step)]
        judged = {e.occasion_id for e in mine if program.topics[e.campaign.topic].regression is not Regression.TELL}
        changes = changes_by_occasion(db, judged)
        return cls(program, changes, _told(db, program, changes.values(), now, _MAY_BE_OUT))

    def untold(self, entry: Entry, step: MailStep, rhythms: Mapping[str, Rhythm]) -> Reason | None:
        """Why this mail does not tell of its update; None if it does, or is none. `rhythms`: the partner's."""
        if not is_update(entry, step):
            return None
        topic = self.program.topics[entry.campaign.topic]
        change = self.changes.get(entry.occasion_id)
        if change is not None and self.program.takes_back(change.before, change.after):
            if topic.regression is Regression.IGNORE:
                return Reason.REGRESSION_IGNORED
            if topic.regression is Regression.CORRECT and topic.key not in self.told.get(change.event_id, ()):
                return Reason.NOTHING_TO_CORRECT
        return gathered(self.program, entry.campaign, step, rhythms)


def _told(
    db: Connection, program: Program, changes: Iterable[Change], now: datetime, states: Collection[DeliveryState]
) -> dict[int, frozenset[str]]:
    """Of each of these changes that takes something back: the topics in which a mail in one of `states` told of it."""
    found: dict[int, frozenset[str]] = {}
    for move, tellings in _taken_back(db, program, changes, now):
        found[move.event_id] = frozenset(one.topic for one in tellings if one.state in states)
    return found


def _taken_back(
    db: Connection, program: Program, changes: Iterable[Change], now: datetime, *, locking: bool = False
) -> list[tuple[Change, list[Telling]]]:
    """Each of these changes that takes an earlier one back, with the mails that tell of that one."""
    moves = [change for change in changes if program.takes_back(change.before, change.after)]
    if not moves:
        return []
    histories = changes_of(db, {move.referral_id for move in moves}, now)
    back = {move.event_id: _last_to(move, histories.get(move.referral_id, ())) for move in moves}
    news = {change.event_id for change in back.values() if change is not None}
    partner_ids = {move.partner_id for move in moves}
    tellings: dict[int, list[Telling]] = {}
    for one in mails_telling(db, partner_ids, news, locking=locking):
        tellings.setdefault(one.event_id, []).append(one)
    return [(move, tellings.get(change.event_id, [])) for move in moves if (change := back[move.event_id])]


def _last_to(move: Change, history: Sequence[Change]) -> Change | None:
    """The change that led to the status which `move` takes back."""
    earlier = (change for change in history if change.place < move.place and change.after == move.before)
    return max(earlier, key=lambda change: change.place, default=None)


def take_back(db: Connection, scope: Scope, events: Iterable[HistoryEvent], now: datetime) -> None:
    """Ends the mails that are still due about what these events take back, where the topic wants it corrected.

    Whether or not any campaign waits for the events themselves.
    """
    program = scope.program
    topics = {topic.key for topic in program.topics.values() if topic.regression is Regression.CORRECT}
    moves = [change for event in events if (change := _change_of(event)) is not None] if topics else []
    found = _taken_back(db, program, moves, now, locking=True)
    due = [one for _, tellings in found for one in tellings if one.topic in topics and one.state in DUE]
    ended = end_untold(db, {one.delivery_id for one in due if not one.linked}, Reason.UNDONE, now)
    unlink(db, {(one.delivery_id, one.enrollment_id) for one in due if one.linked})
    undone = [(one.enrollment_id, one.step) for one in due if one.linked or one.delivery_id in ended]
    insert_skips(db, scope.program_id, undone, Reason.UNDONE, now)


def _change_of(event: HistoryEvent) -> Change | None:
    if event.kind != EventKind.STATUS_CHANGED or event.referral_id is None or event.to_status is None:
        return None
    place = (event.occurred_at, event.sequence or 0)
    return Change(event.id, event.referral_id, event.partner_id, event.from_status, event.to_status, place)


def untold_again(
    db: Connection, scope: Scope, batch: Sequence[Claimed], campaigns: Mapping[str, Campaign | None], now: datetime
) -> dict[int, Reason]:
    """Why mails that are about to go out are not to tell of their updates any more, by delivery.

    The recipients are locked by the caller: no two of their mails are looked at here at once.
    """
    program = scope.program
    daily = [one.id for one in batch if isinstance(_trigger(campaigns, one), GatherTrigger)]
    told = updates_told(db, program, daily)
    reasons = {id_: Reason.UNDONE for id_ in daily if not told.get(id_)}
    judged = [one for one in batch if _corrects(program.topics.get(one.topic)) and _tells(campaigns, one)]
    changes = changes_by_enrollment(db, {one.enrollment_id for one in judged})
    histories = changes_of(db, {change.referral_id for change in changes.values()}, now)
    out = _told(db, program, changes.values(), now, OUT)
    for one in judged:
        change = changes.get(one.enrollment_id)
        if change is None:
            continue
        if _is_taken_back(program, change, histories.get(change.referral_id, ())):
            reasons[one.id] = Reason.UNDONE
        elif program.takes_back(change.before, change.after) and one.topic not in out.get(change.event_id, ()):
            reasons[one.id] = Reason.NOTHING_TO_CORRECT
    return reasons


def _trigger(campaigns: Mapping[str, Campaign | None], one: Claimed) -> Any:
    campaign = campaigns.get(one.campaign)
    return campaign.trigger if campaign is not None else None


def _corrects(topic: Topic | None) -> bool:
    return topic is not None and topic.regression is Regression.CORRECT


def _tells(campaigns: Mapping[str, Campaign | None], one: Claimed) -> bool:
    trigger = _trigger(campaigns, one)
    to_partner = one.recipient.startswith("partner:")
    return to_partner and isinstance(trigger, EventTrigger) and trigger.event is EventKind.STATUS_CHANGED


def _is_taken_back(program: Program, news: Change, history: Sequence[Change]) -> bool:
    later = (change for change in history if change.place > news.place and change.before == news.after)
    return any(program.takes_back(change.before, change.after) for change in later)
