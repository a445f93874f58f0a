"""Subscriptions: what a person said of a topic at an address, and the record of each change."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.store.tables import consent_changes, partners, subscriptions
from engage.store.upserts import insert_new


def change_subscription(
    db: Connection,
    program_id: int,
    partner_id: int,
    address_id: int,
    topic: str,
    *,
    subscribed: bool,
    now: datetime,
    how: str,
    source: str,
) -> bool:
    """Stores the wish and, if it changes anything, records the change; says whether it did.

    A partner or address that is no longer there changes nothing.
    """
    if db.execute(sa.select(partners.c.id).where(partners.c.id == partner_id)).first() is None:
        return False
    c = subscriptions.c
    key = {"program_id": program_id, "partner_id": partner_id, "address_id": address_id, "topic": topic}
    wish = {"subscribed": subscribed, "changed_at": now, "how": how}
    changed = insert_new(db, subscriptions, key | wish)
    if not changed:
        statement = (
            sa.update(subscriptions)
            .where(c.partner_id == partner_id, c.address_id == address_id, c.topic == topic)
            .where(c.subscribed.is_(not subscribed))
            .values(wish)
        )
        changed = db.execute(statement).rowcount == 1
    if changed:
        db.execute(sa.insert(consent_changes), {**key, **wish, "source": source})
    return changed


def is_subscribed(db: Connection, partner_id: int, address_id: int, topic: str) -> bool:
    """Whether this person has not ended the topic at this address."""
    c = subscriptions.c
    query = sa.select(c.subscribed).where(c.partner_id == partner_id, c.address_id == address_id, c.topic == topic)
    return db.execute(query).scalar() is not False
