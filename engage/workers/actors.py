"""The dramatiq actors: three lines each, ids only."""

from collections.abc import Callable

import dramatiq
from dramatiq.middleware import CurrentMessage

from engage.bootstrap import Services
from engage.domain.errors import EngageError
from engage.queueing import Lane


def declare_actors(broker: dramatiq.Broker, services: Callable[[], Services]) -> None:
    """Declares the actors under the names that `Queue.enqueue` uses, and every lane as a queue."""
    for lane in Lane:
        broker.declare_queue(lane)

    # what engage raises is no reason to try again here: the sweeper finds the work when the service is back
    thrown = (EngageError,)

    @dramatiq.actor(broker=broker, queue_name=Lane.EVENTS, throws=thrown)
    def match(ids: list[int]) -> None:
        services().match(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.EVENTS, throws=thrown)
    def advance(ids: list[int]) -> None:
        services().advance(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.UPKEEP, throws=thrown)
    def contest(ids: list[int]) -> None:  # noqa: ARG001 - of programs: all that is due is decided together
        services().contest()

    @dramatiq.actor(broker=broker, queue_name=Lane.UPKEEP, throws=thrown)
    def run(ids: list[int]) -> None:
        services().run(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.UPKEEP, throws=thrown)
    def reconcile(ids: list[int]) -> None:
        services().reconcile(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.UPKEEP, throws=thrown)
    def reckon(ids: list[int]) -> None:
        services().reckon(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.SOURCES, throws=thrown)
    def poll(ids: list[int]) -> None:
        services().poll(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.FEEDBACK, throws=thrown)
    def absorb(ids: list[int]) -> None:
        services().absorb(ids)

    @dramatiq.actor(broker=broker, queue_name=Lane.BULK, throws=thrown)
    def deliver(ids: list[int]) -> None:
        message = CurrentMessage.get_current_message()
        services().deliver(ids, Lane(message.queue_name) if message else Lane.BULK)
