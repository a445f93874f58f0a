"""Measures each message that is worked on, by its task and how many ids it has."""

import threading
from contextlib import ExitStack
from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware

from engage.telemetry import span


class Traced(Middleware):
    """A span for each message, while anything is traced."""

    def __init__(self) -> None:
        self._open = threading.local()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        ids = message.args[0] if message.args else ()
        self._open.spans = spans = ExitStack()
        spans.enter_context(span(f"task {message.actor_name}", ids=len(ids), queue=message.queue_name))

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002
        message: MessageProxy,  # noqa: ARG002
        *,
        result: Any | None = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        spans = self._open.__dict__.pop("spans", None)
        if spans is not None:
            spans.__exit__(type(exception) if exception else None, exception, None)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        self.after_process_message(broker, message)
