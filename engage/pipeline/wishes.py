"""What partners ask for, noted for them: how often they want a topic, and a yes to one that asks for it."""

from datetime import datetime

from sqlalchemy.engine import Connection

from engage.authoring.reader import did_you_mean
from engage.domain.errors import InputError
from engage.domain.programs import Rhythm, Topic
from engage.facts import Scope
from engage.pipeline.naming import partner_named
from engage.store.consent import change_subscription
from engage.store.people import lock_recipients, partner_standings
from engage.store.rhythms import change_rhythm


def set_rhythm(
    db: Connection, scope: Scope, name: str, topic_key: str, rhythm: Rhythm, now: datetime, how: str
) -> tuple[str, bool]:
    """How often a partner, by external id or address, wants a topic from now on; their external id and whether that is
    news. What was gathered before still goes out. Raises InputError.
    """
    topic = _topic(scope, topic_key)
    if rhythm is Rhythm.DAILY and topic.gather is None:
        raise InputError(f"topic '{topic.key}' has no daily mail", "write gather at the topic in program.yaml")
    partner, partner_id = partner_named(db, scope, name)
    lock_recipients(db, [partner_id], [])
    return partner, change_rhythm(db, scope.program_id, partner_id, topic.key, rhythm, now, how)


def agree(db: Connection, scope: Scope, name: str, topic_key: str, now: datetime, source: str) -> tuple[str, str, bool]:
    """A partner's yes to a topic at their address; their external id, the address and whether that is news.

    Raises InputError for transactional topics, which ask nobody, and for partners without an address.
    """
    topic = _topic(scope, topic_key)
    if topic.transactional:
        raise InputError(
            f"topic '{topic.key}' is transactional: partners get it without a yes", "nothing is to be done"
        )
    partner, partner_id = partner_named(db, scope, name)
    lock_recipients(db, [partner_id], [])
    standing = partner_standings(db, [partner_id])[partner_id]
    if standing.address_id is None or standing.email is None:
        raise InputError(f"partner '{partner}' has no address", "a yes is meant for the address where it is said")
    where = (scope.program_id, partner_id, standing.address_id, topic.key)
    news = change_subscription(db, *where, subscribed=True, now=now, how="agreed", source=source)
    return partner, standing.email, news


def _topic(scope: Scope, key: str) -> Topic:
    topics = scope.program.topics
    if key not in topics:
        raise InputError(f"programme '{scope.program.key}' has no topic '{key}'", did_you_mean(key, topics))
    return topics[key]
