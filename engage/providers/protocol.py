"""What every provider of email promises, whatever it speaks underneath."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from engage.domain.messages import Message, SendResult

DEADLINE = timedelta(seconds=10)  # a worker that is to end has 15 for what is on its way
MAX_MESSAGES = 32  # as many as a worker moves to `sending` in one commit


class Provider(Protocol):
    """Hands messages over and says what became of each. Safe to call from several threads at once."""

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        """Hands over at most MAX_MESSAGES messages and returns one result for each, in the order given.

        Never raises for a message's own fate and never resends: what is not known is `Outcome.UNKNOWN`. `deadline`
        bounds the whole call, also against a server that answers a byte at a time.
        """
        ...

    def check(self, deadline: timedelta = DEADLINE) -> str:
        """Asks the provider whether it would take mail with our credentials, sending none; returns one line to show.

        Raises ServiceUnreachable, with what to do, when it is not there or refuses the credentials.
        """
        ...

    def close(self) -> None:
        """Ends connections and threads. What is being sent by another thread then becomes unknown."""
        ...
