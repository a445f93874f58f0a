"""Consent: unsubscribing by the link in a mail takes effect before the next send."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.signing import Signer
from engage.store.consent import change_subscription
from engage.store.deliveries import cancel_pending
from engage.store.people import lock_recipients

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
    takes, so no `sending` commit can follow this one with the old consent.
    """
    lock_recipients(db, [link.partner_id], [link.address_id])
    change_subscription(
        db,
        link.program_id,
        link.partner_id,
        link.address_id,
        link.topic,
        subscribed=False,
        now=now,
        how=how,
        source=source,
    )
    return cancel_pending(db, link.partner_id, link.topic, now)
