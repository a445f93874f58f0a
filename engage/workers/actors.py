"""The dramatiq actors: three lines each, ids only."""

from collections.abc import Callable

import dramatiq
from dramatiq.middleware import CurrentMessage

from engage.bootstrap import Services
from engage.queueing import Lane


def declare_actors(broker: dramatiq.Broker, services: Callable[[], Services]) -> None:
    """Declares the actors under the names that `Queue.enqueue` uses, and every lane as a queue."""
    for lane in Lane:
        broker.declare_queue(lane)

    @dramatiq.actor(broker=broker, queue_name=Lane.EVENTS)
    def match(ids: list[int]) -> None:
        services().match(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.BULK)
    def run(ids: list[int]) -> None:
        services().run(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.BULK)
    def deliver(ids: list[int]) -> None:
        message = CurrentMessage.get_current_message()
        services().deliver(ids, Lane(message.queue_name) if message else Lane.BULK)
