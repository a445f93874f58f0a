"""What follows from feedback for who may be mailed: suppressions, addresses to be looked at, topics left and joined."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.feedback import SOFT_BOUNCE_WINDOW, FeedbackEvent, FeedbackKind, review_since
from engage.domain.programs import Program
from engage.pipeline.consent import heed, heed_words
from engage.pipeline.library import Library
from engage.store.consent import Word, lifted
from engage.store.feedback import soft_bounces
from engage.store.people import lock_recipients
from engage.store.refusals import partners_at
from engage.store.reported import Mail

HOW = "sendgrid"
"""How a change that an event made is recorded, as `engage consent sendgrid` records what SendGrid's lists say."""

SOURCE = "event webhook"


@dataclass(frozen=True, slots=True)
class Placed:
    """An event with the mail that it speaks of, if it is ours, and the address, if it is one that engage keeps."""

    event: FeedbackEvent
    mail: Mail | None
    email: str
    address_id: int | None


def heed_feedback(db: Connection, library: Library, placed: Sequence[Placed], now: datetime) -> None:
    """Takes all that the events say of who may be mailed, and cancels what is pending against it.

    Holds the locks on the recipients until the transaction ends; they are taken before any of a delivery.
    """
    telling = [one for one in placed if one.address_id is not None and _tells_of_consent(one.event)]
    if not telling:
        return
    address_ids = {one.address_id for one in telling if one.address_id is not None}
    partner_ids = {row.id for row in partners_at(db, address_ids)}
    partner_ids |= {one.mail.partner_id for one in telling if one.mail is not None and one.mail.partner_id is not None}
    lock_recipients(db, partner_ids, address_ids)
    words, refusals = _of_topics(library, telling)
    for program_id, refusal in _of_addresses(db, library, telling):
        refusals.setdefault(program_id, []).append(refusal)
    for program_id, said in sorted(refusals.items()):
        heed(db, program_id, said, now, HOW)
    heed_words(db, words, now, HOW, SOURCE)


def _tells_of_consent(event: FeedbackEvent) -> bool:
    return event.suppresses is not None or event.soft or event.kind in _OF_GROUPS


_OF_GROUPS = (FeedbackKind.GROUP_UNSUBSCRIBED, FeedbackKind.GROUP_RESUBSCRIBED)


def _of_addresses(db: Connection, library: Library, telling: Sequence[Placed]) -> list[tuple[int, Refusal]]:
    """What is said of addresses as a whole, with the program that records it; without what was lifted since."""
    ended = lifted(db, {one.address_id for one in telling if one.address_id is not None})
    home = min(library.program_ids.values())
    found: list[tuple[Placed, SuppressionReason, datetime]] = [
        (one, one.event.suppresses, one.event.occurred_at) for one in telling if one.event.suppresses is not None
    ]
    found += [(one, SuppressionReason.REVIEW, at) for one, at in _to_review(db, telling, ended)]
    return [
        (one.mail.program_id if one.mail else home, Refusal(one.email, reason, at=at, source=SOURCE))
        for one, reason, at in found
        if not _was_lifted(ended, one, reason, at)
    ]


def _was_lifted(ended: dict[tuple[int, str], datetime], one: Placed, reason: SuppressionReason, at: datetime) -> bool:
    assert one.address_id is not None
    since = ended.get((one.address_id, reason))
    return since is not None and at <= since


def _to_review(
    db: Connection, telling: Sequence[Placed], ended: dict[tuple[int, str], datetime]
) -> list[tuple[Placed, datetime]]:
    """One event of each address that has bounced softly too often, and since when. Counted under the address's lock."""
    soft = {one.address_id: one for one in telling if one.event.soft and one.address_id is not None}
    if not soft:
        return []
    times = [one.event.occurred_at for one in telling if one.event.soft]
    # before and after: the one that makes them too many may be the last to come
    bounces = soft_bounces(db, soft, min(times) - SOFT_BOUNCE_WINDOW, max(times) + SOFT_BOUNCE_WINDOW)
    found = []
    for address_id, one in soft.items():
        since = ended.get((address_id, SuppressionReason.REVIEW))
        counted = [bounce for bounce in bounces.get(address_id, ()) if since is None or bounce[0] > since]
        at = review_since(counted)
        if at is not None:
            found.append((one, at))
    return found


def _of_topics(library: Library, telling: Sequence[Placed]) -> tuple[list[Word], dict[int, list[Refusal]]]:
    """What was said of groups: as a partner's word where the mail says whose, else as a no at the address.

    A group that no topic names, left from a mail of ours, is that mail's topic: a no is never lost. A yes needs both.
    """
    words: list[Word] = []
    refusals: dict[int, list[Refusal]] = {}
    for one in telling:
        event, mail = one.event, one.mail
        if event.kind not in _OF_GROUPS or one.address_id is None:
            continue
        subscribed = event.kind is FeedbackKind.GROUP_RESUBSCRIBED
        for key, program_id in library.program_ids.items():
            if mail is not None and mail.program_id != program_id:
                continue
            topic = _topic_of(library.programs[key], event.group)
            if topic is None and mail is not None and not subscribed:
                topic = mail.topic
            if topic is None:
                continue
            if mail is not None and mail.to_partner and mail.partner_id is not None:
                words.append(Word(program_id, mail.partner_id, one.address_id, topic, subscribed, event.occurred_at))
            elif not subscribed:
                no = Refusal(one.email, topic=topic, at=event.occurred_at, source=SOURCE)
                refusals.setdefault(program_id, []).append(no)
    return words, refusals


def _topic_of(program: Program, group: int | None) -> str | None:
    return next((t.key for t in program.topics.values() if group is not None and t.sendgrid_group == group), None)
