"""What the threads of a worker are at, for its heart to tell."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware

from engage.store.upkeep import AtWork


class TellsWhatItDoes(Middleware):
    """Notes each message while it is worked on."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._doing: dict[str, AtWork] = {}

    def doing(self) -> list[AtWork]:
        """What is being done now, the longest first."""
        with self._lock:
            return sorted(self._doing.values(), key=lambda one: one.since)

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        ids = message.args[0] if message.args else ()
        with self._lock:
            self._doing[message.message_id] = AtWork(message.actor_name, len(ids), self._clock())

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002
        message: MessageProxy,
        *,
        result: Any | None = None,  # noqa: ARG002
        exception: BaseException | None = None,  # noqa: ARG002
    ) -> None:
        with self._lock:
            self._doing.pop(message.message_id, None)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        self.after_process_message(broker, message)
