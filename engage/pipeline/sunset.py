"""Leaves partners in peace who give no sign of life: first less marketing mail, then none."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.facts import Scope
from engage.store.signs import last_signs, mailed_since


def resting(db: Connection, scope: Scope, partner_ids: Collection[int], now: datetime) -> set[int]:
    """Those of these partners who get no marketing mail at `now`, by the program's `sunset`.

    Of whom no sign of life is known, nor when they joined, nothing can be said: they do not rest.
    """
    sunset = scope.program.sunset
    if sunset is None:
        return set()
    signs = last_signs(db, partner_ids, now)
    asleep = {id_ for id_, at in signs.items() if now - at >= sunset.rest_after}
    drowsy = {id_ for id_, at in signs.items() if now - at >= sunset.light_after} - asleep
    marketing = {topic.key for topic in scope.program.topics.values() if not topic.transactional}
    return asleep | mailed_since(db, scope.program_id, drowsy, marketing, now - sunset.light)
