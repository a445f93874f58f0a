"""Consent: a no takes effect before the next send, be it said by the link in a mail or elsewhere before."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.domain.consent import FOLLOWS_THE_PERSON, Refusal, SuppressionReason
from engage.domain.errors import InputError
from engage.domain.records import Outcome
from engage.signing import Signer
from engage.store.consent import (
    Place,
    Word,
    change_subscription,
    keep_latest_words,
    lift_suppressions,
    refused_topics,
)
from engage.store.deliveries import cancel_pending
from engage.store.people import address_ids, ensure_addresses, lock_recipients, places_of, survivor_of, survivors_of
from engage.store.refusals import Key, Standing, partners_at, standing_refusals, weigh, write_refusals

PURPOSE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """What the token in an unsubscribe link stands for: opaque ids, and a topic's key."""

    program_id: int
    partner_id: int
    address_id: int
    topic: str

    def token(self, signer: Signer) -> str:
        return signer.token(PURPOSE, [self.program_id, self.partner_id, self.address_id, self.topic])


def read_unsubscribe_token(signer: Signer, token: str) -> UnsubscribeLink | None:
    """What a token says; None for anything that was not signed here for this purpose."""
    payload = signer.read(PURPOSE, token)
    if payload is None or len(payload) != 4:
        return None
    program_id, partner_id, address_id, topic = payload
    return UnsubscribeLink(int(program_id), int(partner_id), int(address_id), str(topic))


def unsubscribe(db: Connection, link: UnsubscribeLink, now: datetime, how: str, source: str) -> int:
    """Ends the topic for this person and address; cancels what is pending in the same transaction.

    Returns how many pending messages were cancelled. Doing it again changes nothing. The locks are those that sending
    takes, so no `sending` commit can follow this one with the old consent. A link of somebody who was merged into
    another partner holds for that partner.
    """
    lock_recipients(db, {link.partner_id, survivor_of(db, link.partner_id)}, [link.address_id])
    partner_id = survivor_of(db, link.partner_id)
    change_subscription(
        db,
        link.program_id,
        partner_id,
        link.address_id,
        link.topic,
        subscribed=False,
        now=now,
        how=how,
        source=source,
    )
    return cancel_pending(db, [partner_id], link.topic, now)


def has_refused(db: Connection, link: UnsubscribeLink) -> bool:
    """Whether the topic is not mailed any more to whom the link means, at its address."""
    partner_id = survivor_of(db, link.partner_id)
    refused = refused_topics(db, {partner_id: Place(link.program_id, link.address_id)})
    return link.topic in refused.get(partner_id, {})


@dataclass(frozen=True, slots=True)
class Heeded:
    """What became of each refusal, in order, and how many pending messages were cancelled."""

    outcomes: tuple[Outcome, ...]
    cancelled: int = 0


def foresee(
    db: Connection, program_id: int, refusals: Sequence[Refusal], now: datetime, foreseen: dict[Key, Standing]
) -> Heeded:
    """What `heed` would do. Writes nothing; `foreseen` goes from batch to batch, and is empty at first."""
    standing = standing_refusals(db, program_id, {one.email for one in refusals}) | foreseen
    outcomes, news = weigh(refusals, standing, now)
    foreseen.update({(one.email, one.reason, one.topic): Standing(0, one.at or now) for one in news})
    return Heeded(tuple(outcomes))


def heed(db: Connection, program_id: int, refusals: Sequence[Refusal], now: datetime, how: str) -> Heeded:
    """Takes what was said elsewhere, a batch in one transaction, and cancels what is pending against it.

    The same again changes nothing. `how` says in a word or two how it came, for the record of changes. Refused topics
    hold in this program, suppressions everywhere. The locks are those that sending takes.
    """
    address_ids = ensure_addresses(db, [one.email for one in refusals])
    lock_recipients(db, {row.id for row in partners_at(db, address_ids.values())}, set(address_ids.values()))
    standing = standing_refusals(db, program_id, address_ids)
    outcomes, news = weigh(refusals, standing, now)
    if not news:
        return Heeded(tuple(outcomes))
    write_refusals(db, program_id, news, standing, address_ids, how)
    return Heeded(tuple(outcomes), _cancel(db, program_id, news, address_ids, now))


def heed_words(db: Connection, words: Sequence[Word], now: datetime, how: str, source: str) -> int:
    """Takes what partners said of topics elsewhere, a batch in one transaction, and cancels what is pending against it.

    Of each partner, address and topic the later word counts, on a tie the no, in whatever order they come. The locks
    are those that sending takes. Returns how many pending messages were cancelled.
    """
    if not words:
        return 0
    lock_recipients(db, {word.partner_id for word in words}, {word.address_id for word in words})
    survivors = survivors_of(db, {word.partner_id for word in words})
    meant = [
        # a time to come would outrank what is said until then
        replace(word, partner_id=survivors[word.partner_id], at=min(word.at, now))
        for word in words
        if word.partner_id in survivors
    ]
    noes = [word for word in keep_latest_words(db, meant, how, source) if not word.subscribed]
    cancelled = 0
    for program_id in sorted({word.program_id for word in noes}):
        mine = [word for word in noes if word.program_id == program_id]
        places = places_of(db, program_id, {word.partner_id for word in mine}, {word.address_id for word in mine})
        cancelled += _cancel_refused(db, places, {word.topic for word in mine}, now)
    return cancelled


def lift(
    db: Connection, program_id: int, email: str, reasons: Sequence[SuppressionReason], why: str, now: datetime
) -> list[SuppressionReason]:
    """Ends suppressions of an address: those named, else all that were said of the address itself; returns which.

    What a person said is ended only by name. What was told before is not told again: an older bounce that comes late
    does not suppress once more. Raises InputError when there is nothing to lift, or somebody said no.
    """
    held = address_ids(db, [email])
    lock_recipients(db, (), held.values())
    refusals = standing_refusals(db, program_id, held)
    standing = sorted(SuppressionReason(reason) for _, reason, _ in refusals if reason is not None)
    if not standing:
        raise InputError(f"nothing suppresses {email}", "engage consent show says what stands against mailing it")
    missing = [reason for reason in reasons if reason not in standing]
    if missing:
        raise InputError(f"{email} is not suppressed as {missing[0]}", f"it is as {' and '.join(standing)}")
    said = [reason for reason in standing if reason in FOLLOWS_THE_PERSON]
    if said and not reasons:
        what = " and ".join(said)
        raise InputError(
            f"the person at {email} said no: {what}",
            f"if they took it back themselves, name it: --reason {said[0]}",
        )
    lifting = list(dict.fromkeys(reasons)) or standing
    lift_suppressions(db, program_id, held[email], lifting, why, now)
    return lifting


def _cancel(
    db: Connection, program_id: int, news: Sequence[Refusal], address_ids: dict[str, int], now: datetime
) -> int:
    holders = partners_at(db, {address_ids[one.email] for one in news})
    if not holders:
        return 0
    suppressed = {address_ids[one.email] for one in news if one.reason is not None}
    stopped = [row.id for row in holders if row.address_id in suppressed]
    cancelled = cancel_pending(db, stopped, None, now, "suppressed") if stopped else 0
    places = {row.id: Place(row.program_id, row.address_id) for row in holders if row.program_id == program_id}
    return cancelled + _cancel_refused(db, places, {one.topic for one in news if one.topic is not None}, now)


def _cancel_refused(db: Connection, places: Mapping[int, Place], topics: Collection[str], now: datetime) -> int:
    # a topic that was refused before the partner said yes again is not refused
    refused = refused_topics(db, places)
    cancelled = 0
    for topic in sorted(topics):
        against = [partner_id for partner_id, noes in refused.items() if topic in noes]
        cancelled += cancel_pending(db, against, topic, now) if against else 0
    return cancelled
