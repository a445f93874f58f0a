"""The way from `enqueue` to a worker: dramatiq on Redis, quick when idle, calm when Redis is down.

Redis only wakes workers. What is lost in it (a flush, a killed worker, retries used up) is found again in the database
by the sweeper, so nothing here is kept for long or tried for long.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import CurrentMessage, Retries
from redis.backoff import NoBackoff
from redis.retry import Retry

from engage.domain.errors import ServiceUnreachable
from engage.logs import Outage
from engage.queueing import Lane
from engage.workers.doorbell import PATIENCE, Doorbell
from engage.workers.log_context import SaysWhatItIsAbout
from engage.workers.tracing import Traced

NAMESPACE = "engage"

IDS_IN_A_MESSAGE: Mapping[Lane, int] = {
    Lane.EVENTS: 200,
    Lane.TRANSACTIONAL: 100,
    Lane.BULK: 1_000,
    Lane.ALERTS: 100,
    Lane.UPKEEP: 1_000,
    Lane.SOURCES: 1,
    Lane.FEEDBACK: 20,
}
"""How many ids one message carries: few where the first of them should not wait for the last."""

_HEARTBEAT_TIMEOUT_MS = 15_000  # a living worker is heard of every second
_MAINTENANCE_CHANCE = 100_000  # of a million commands: a killed worker's messages are looked for every 10 s or so
_DEAD_MESSAGE_TTL_MS = 3_600_000
_MAX_RETRIES = 3
_BACKOFF_MS = (1_000, 30_000)
_CONNECT_SECONDS = 2
_WAITS = "work waits in the database until Redis answers again"
_ANSWER_SECONDS = 10


class DoorbellBroker(RedisBroker):
    """dramatiq's broker, whose consumers wait to be rung for instead of polling. `make_broker` makes one."""

    def __init__(self, client: redis.Redis) -> None:
        shortest, longest = _BACKOFF_MS
        super().__init__(
            client=client,
            namespace=NAMESPACE,
            # No time limits: they raise inside threads, at any line, also between a request and its settlement.
            middleware=[
                Retries(max_retries=_MAX_RETRIES, min_backoff=shortest, max_backoff=longest),
                CurrentMessage(),
                SaysWhatItIsAbout(),
                Traced(),
            ],
            heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
            maintenance_chance=_MAINTENANCE_CHANCE,
            dead_message_ttl=_DEAD_MESSAGE_TTL_MS,
        )
        self.doorbell = Doorbell(client, f"{NAMESPACE}:doorbell")
        self.outage = Outage("redis_away", "redis_back")

    @property
    def consumer_class(self) -> type[_RedisConsumer]:
        return _DoorbellConsumer

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        enqueued = super().enqueue(message, delay=delay)
        self.doorbell.ring(enqueued.queue_name)
        return enqueued

    def close(self) -> None:
        self.doorbell.close()
        super().close()

    def _dispatch(self, command: str) -> Any:
        dispatch = super()._dispatch(command)

        def in_time(*args: object) -> Any:
            # dramatiq's consumers survive a ConnectionError; redis-py's TimeoutError is none.
            try:
                return dispatch(*args)
            except redis.TimeoutError as error:
                raise redis.ConnectionError(str(error)) from error

        return in_time


class _DoorbellConsumer(_RedisConsumer):
    """Looks at once when rung for, when a message is done (there is room for another), and each PATIENCE seconds."""

    def __init__(self, broker: DoorbellBroker, queue_name: str, prefetch: int, _timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout=0)  # never sleep in there
        self._bell = broker.doorbell.bell(queue_name)
        self._outage = broker.outage

    def __next__(self) -> MessageProxy | None:
        self._bell.clear()  # before looking: a ring from here on ends the wait below
        message: MessageProxy | None = None
        try:
            message = super().__next__()
        except ConnectionClosed as error:  # dramatiq would say so for each queue and rest for three seconds
            self._outage.met(error, _WAITS)
        else:
            self._outage.over()
        if message is None:
            self._bell.wait(PATIENCE)
        return message

    def ack(self, message: MessageProxy) -> None:
        super().ack(message)
        self._bell.set()

    def nack(self, message: MessageProxy) -> None:
        super().nack(message)
        self._bell.set()


class RedisQueue:
    """engage.queueing.Queue over a broker. Needs no actors: whoever only asks for work need not know how it is done."""

    def __init__(self, broker: DoorbellBroker) -> None:
        self._broker = broker

    def enqueue(self, task: str, ids: Sequence[int], lane: Lane) -> None:
        """Sends `ids` in messages of at most IDS_IN_A_MESSAGE[lane]; no ids, no message.

        When Redis is down, work waits for the sweeper: one warning an outage, never an error.
        """
        try:
            for part in _parts(ids, IDS_IN_A_MESSAGE[lane]):
                self._broker.enqueue(Message(queue_name=lane, actor_name=task, args=(part,), kwargs={}, options={}))
                self._broker.outage.over()
        except (redis.RedisError, OSError) as error:
            self._broker.outage.met(error, _WAITS)


def make_broker(redis_url: str) -> DoorbellBroker:
    """A broker of its own for this process; connects when first used. After a fork, make a new one."""
    pool = redis.ConnectionPool.from_url(
        redis_url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        socket_keepalive=True,
        # Once more at once, for a pooled connection that a restart of Redis has closed; longer waits are for callers.
        retry=Retry(NoBackoff(), retries=1),
    )
    return DoorbellBroker(redis.Redis(connection_pool=pool))


def require_answer(redis_url: str) -> None:
    """Raises ServiceUnreachable unless Redis answers."""
    try:
        with redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), retries=0),
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise ServiceUnreachable(
            f"Redis does not answer: {error}", "see that it runs and that ENGAGE_REDIS_URL is right"
        ) from None


def _parts(ids: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
