"""When what was proven unsent is tried again. Pure, but for the chance that is handed in."""

import random
from datetime import datetime, timedelta

from engage.domain.messages import Outcome, SendResult

FIRST, LONGEST = timedelta(seconds=2), timedelta(minutes=15)
"""The longest pause after the first attempt, doubled with each one more, and the longest there is."""


def due_again(
    result: SendResult, attempts: int, now: datetime, expires_at: datetime, chance: random.Random
) -> datetime:
    """When a delivery is due after `result`, of which there were `attempts` before; never after `expires_at`.

    At the time that the provider named, if it did; else after a pause of any length up to the longest ("full jitter"),
    so that what failed together does not come back together. What cannot be tried in time comes due when it expires,
    and ends so. What is not tried again is due `now`.
    """
    if result.outcome is not Outcome.RETRY:
        return now
    if result.retry_at is not None and result.retry_at > now:
        return min(result.retry_at, expires_at)
    longest = min(FIRST * 2.0 ** min(attempts, 16), LONGEST)
    return min(now + longest * chance.random(), expires_at)
