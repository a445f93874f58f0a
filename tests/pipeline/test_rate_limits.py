"""A provider that asks for a rest gets it, and then all of the mail: in one process, on both databases."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.messages import Message, Outcome, SendResult
from engage.providers.protocol import DEADLINE
from engage.store import tables
from tests.support.engage import Engage, Noting

PARTNERS = 12
SECOND = timedelta(seconds=1)

TAKEN = SendResult(Outcome.ACCEPTED, "x-1", 202)


class Busy(Noting):
    """Answers everything alike, as told."""

    answer = TAKEN

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:  # noqa: ARG002
        self.messages += messages
        return [self.answer] * len(messages)


@pytest.fixture
def provider(engage: Engage) -> Busy:
    """A provider with mail waiting for it: each partner has just won a referral."""
    busy = Busy()
    engage.provider = engage.services.provider = busy
    for number in range(PARTNERS):
        name = engage.partner(f"p{number}")
        engage.refers(name, f"deal-{number}")
        engage.becomes(name, f"deal-{number}", "won")
    return busy


def sweeps(engage: Engage, after: timedelta) -> int:
    """How many messages the provider is handed when the sweeper comes so much later."""
    engage.now += after
    engage.services.sweep()
    return len(engage.work())


def states(engage: Engage) -> set[str]:
    return {state for _, state in engage.states()}


def attempts(engage: Engage) -> int:
    with engage.services.database.read() as db:
        return db.execute(sa.select(sa.func.count()).select_from(tables.attempts)).scalar_one()


def test_when_the_provider_takes_no_more_for_now_the_rest_waits_until_it_does(engage: Engage, provider: Busy) -> None:
    provider.answer = SendResult(Outcome.ACCEPTED, "x-1", 202, retry_at=engage.now + 90 * SECOND)
    first = len(engage.work())
    assert first < PARTNERS
    provider.answer = TAKEN
    assert sweeps(engage, 80 * SECOND) == 0
    assert sweeps(engage, 10 * SECOND) == PARTNERS - first
    assert attempts(engage) == PARTNERS


def test_too_many_requests_are_tried_again_when_the_provider_says(engage: Engage, provider: Busy) -> None:
    provider.answer = SendResult(Outcome.RETRY, status=429, retry_at=engage.now + 90 * SECOND)
    engage.work()
    provider.answer = TAKEN
    assert sweeps(engage, 80 * SECOND) == 0
    assert sweeps(engage, 20 * SECOND) == PARTNERS
    assert states(engage) == {"accepted"}
