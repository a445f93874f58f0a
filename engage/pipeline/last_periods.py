"""`last_period`: the tier period that has ended, as a look back shows it: what a partner did, and which tier it was."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from engage.content.words import Words
from engage.domain.conditions import FactRef
from engage.domain.facts import Subject
from engage.domain.tiers import period_before
from engage.facts import Scope, done_in, values
from engage.pipeline.contexts import period_label

_TIER = FactRef("previous_tier")


def last_period_contexts(
    db: Connection, scope: Scope, ids: Collection[int], now: datetime, words: Words
) -> dict[int, dict[str, Any] | None]:
    """By partner, as it is known at `now`; None where the program's tiers have no periods."""
    tiers = scope.program.tiers
    period = period_before(tiers.period, scope.program.zone, now) if tiers else None
    if tiers is None or period is None:
        return dict.fromkeys(ids)
    label = period_label(tiers.period, period, scope.program.zone, words)
    steps = {step.key: step for step in tiers.steps}
    found = values(db, scope, Subject.PARTNER, [_TIER], now, ids)
    contexts: dict[int, dict[str, Any] | None] = {}
    for id_, done in done_in(db, scope, period, now, ids).items():
        reached = steps.get(str(found[id_][_TIER])) if id_ in found else None
        contexts[id_] = {
            "label": label,
            "key": period.key,
            "referrals": done.referrals,
            "wins": done.wins,
            "revenue": done.revenue,
            "tier": words(reached.label) if reached else None,
            "benefit": words(reached.benefit) if reached else "",
        }
    return contexts
