"""Gives each line that is logged while a message is worked on what it is about: the task, and the ids it was handed."""

from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware
from structlog.contextvars import bind_contextvars, clear_contextvars

from engage.logs import IDS_SHOWN

OF = {
    "match": "events",
    "advance": "enrollments",
    "contest": "programs",
    "run": "runs",
    "reconcile": "deliveries",
    "poll": "sources",
    "absorb": "webhooks",
    "deliver": "deliveries",
    "reckon": "programs",
}
"""What the ids of each task are of."""


class SaysWhatItIsAbout(Middleware):
    """Binds it before a message is worked on, and lets go of it afterwards."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        ids = list(message.args[0]) if message.args else []
        named = {OF[message.actor_name]: ids[:IDS_SHOWN]} if message.actor_name in OF else {}
        bind_contextvars(task=message.actor_name, **named)

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002
        message: MessageProxy,  # noqa: ARG002
        *,
        result: Any | None = None,  # noqa: ARG002
        exception: BaseException | None = None,  # noqa: ARG002
    ) -> None:
        clear_contextvars()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        self.after_process_message(broker, message)
