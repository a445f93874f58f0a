"""Mails that the provider did not take, or of which nobody knows whether it did."""

from engage.domain.messages import Outcome, SendResult
from tests.support.engage import Engage

REFUSED = SendResult(Outcome.DEAD, status=400, detail="400 content: The content is too long for what is taken at once")
LOST = SendResult(Outcome.UNKNOWN, detail="ServerDisconnectedError: Server disconnected")


def won(engage: Engage, **answers: SendResult | None) -> None:
    """Each of these partners has just won a referral, and the provider answers their mail so."""
    for name, answer in answers.items():
        if answer is not None:
            engage.provider.answers[f"{name}@example.com"] = answer
        engage.refers(engage.partner(name), f"{name}-deal")
        engage.becomes(name, f"{name}-deal", "won")
    engage.work()
    engage.provider.answers.clear()
