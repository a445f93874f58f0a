"""The first day mails nobody who said no before, and a no that comes in later stops what is waiting."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from engage.domain.consent import Refusal, SuppressionReason
from engage.pipeline.consent import Heeded, heed
from tests.support.engage import Engage

BEFORE = datetime(2025, 6, 1, tzinfo=UTC)
REASONS = list(SuppressionReason)


def hears(engage: Engage, *refusals: Refusal) -> Heeded:
    program_id = engage.services.library().program_ids[engage.program]
    with engage.services.database.write() as db:
        return heed(db, program_id, refusals, engage.now, "import")


def no(name: str, what: str) -> Refusal:
    reason = SuppressionReason(what) if what in REASONS else None
    return Refusal(f"{name}@example.com", reason, None if reason else what, BEFORE, "test")


def mailed(messages: Sequence[object]) -> list[str]:
    return sorted(message.to.email.partition("@")[0] for message in messages)  # type: ignore[attr-defined]


@pytest.mark.parametrize("consent_first", [True, False])
def test_nobody_who_said_no_is_mailed(engage: Engage, consent_first: bool) -> None:
    said = [no("news", "newsletter"), no("tips", "tips"), *(no(reason, reason) for reason in REASONS)]
    if consent_first:
        hears(engage, *said)
    for name in ("ann", "news", "tips", *REASONS):
        engage.partner(str(name))
        engage.refers(str(name), f"r-{name}")
    if not consent_first:
        hears(engage, *said)
    assert mailed(engage.runs("monthly-newsletter")) == ["ann", "tips"]
    for name in ("ann", "news", "tips", *REASONS):
        engage.becomes(str(name), f"r-{name}", "won")
    assert mailed(engage.work()) == ["ann", "news", "tips"], "a refused topic does not stop news of one's own referral"


def test_a_no_that_comes_in_cancels_what_is_waiting(engage: Engage) -> None:
    for name in ("ann", "bob", "cat"):
        engage.partner(name)
        engage.refers(name, f"r-{name}")
        engage.becomes(name, f"r-{name}", "won")
    while engage.queue.waiting and engage.queue.waiting[0][0] == "match":
        engage.services.match(engage.queue.waiting.popleft()[1])
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    assert hears(engage, no("ann", "newsletter"), no("bob", "complaint")).cancelled == 3
    assert hears(engage, no("ann", "newsletter"), no("bob", "complaint")).cancelled == 0
    assert mailed(engage.work()) == ["ann", "cat", "cat"]
    assert engage.states().count(("partner:bob", "cancelled")) == 2


def test_who_changes_address_after_it_was_brought_in_is_left_in_peace(engage: Engage) -> None:
    hears(engage, no("ann", "newsletter"), no("bob", "stop_all"), no("cat", "bounce"))
    for name in ("ann", "bob", "cat"):
        engage.partner(name)
    for name in ("ann", "bob", "cat"):
        engage.partner(name, email=f"{name}2@example.com")
    engage.partner("dan", email="ann@example.com")
    assert mailed(engage.runs("monthly-newsletter")) == ["cat2"]
