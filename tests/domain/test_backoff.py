"""When a mail that did not go out is tried again."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engage.domain.backoff import FIRST, LONGEST, due_again
from engage.domain.messages import Outcome, SendResult

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AWAY = SendResult(Outcome.RETRY, detail="connection refused")

attempts = st.integers(0, 10_000)
chances = st.integers(0, 2**32).map(random.Random)
spans = st.timedeltas(timedelta(0), timedelta(days=3))


@given(attempts, chances)
def test_the_pause_is_at_most_two_seconds_doubled_with_each_attempt_up_to_a_quarter_hour(
    tried: int, chance: random.Random
) -> None:
    pause = due_again(AWAY, tried, NOW, NOW + DAY, chance) - NOW
    assert timedelta(0) <= pause <= min(FIRST * 2 ** min(tried, 30), LONGEST)


def test_what_failed_together_does_not_come_back_together() -> None:
    chance = random.Random(1)
    pauses = sorted((due_again(AWAY, 3, NOW, NOW + DAY, chance) - NOW).total_seconds() for _ in range(400))
    for quarter in range(4):
        assert 70 < sum(quarter * 4 <= pause < quarter * 4 + 4 for pause in pauses) < 130


@given(attempts, chances, spans, st.one_of(st.none(), spans))
def test_nothing_is_due_after_it_expires_nor_before_now(
    tried: int, chance: random.Random, lifetime: timedelta, asked: timedelta | None
) -> None:
    result = SendResult(Outcome.RETRY, status=429, retry_at=None if asked is None else NOW + asked)
    due = due_again(result, tried, NOW, NOW + lifetime, chance)
    assert NOW <= due <= NOW + lifetime
    if asked:
        assert due == min(NOW + asked, NOW + lifetime)


def test_what_is_not_tried_again_is_due_now() -> None:
    for outcome in set(Outcome) - {Outcome.RETRY}:
        answer = SendResult(outcome, retry_at=NOW + DAY)
        assert due_again(answer, 3, NOW, NOW + DAY, random.Random(1)) == NOW
