"""Wakes a worker the moment something is put on its queue, so that it need not poll fast to be quick.

A ring is a PUBLISH of the queue's name; one thread a process listens and sets an event per queue. A ring may get lost
(the connection broke just then): whoever waits also looks by itself every `PATIENCE` seconds.
"""

import threading
from collections import defaultdict

import redis
import structlog

PATIENCE = 1.0
"""Seconds after which a waiting consumer looks without having been rung for: what a lost ring costs at most."""

_CHECK_SECONDS = 5.0
_RETRY_SECONDS = (0.1, 2.0)

log = structlog.get_logger(__name__)


class Doorbell:
    """One bell per queue, rung by any process and heard by each that listens. Safe to use from several threads."""

    def __init__(self, client: redis.Redis, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._bells: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._lock = threading.Lock()
        self._listener: threading.Thread | None = None
        self._closed = threading.Event()

    def ring(self, queue_name: str) -> None:
        """Tells every listening process that `queue_name` has something. Never raises."""
        try:
            self._client.publish(self._channel, queue_name)
        except redis.RedisError as error:
            log.debug("ring_lost", queue=queue_name, error=str(error))

    def bell(self, queue_name: str) -> threading.Event:
        """What is set when `queue_name` is rung for. Clear it before looking into the queue, wait for it afterwards."""
        with self._lock:
            if self._listener is None and not self._closed.is_set():
                self._listener = threading.Thread(target=self._listen, name="doorbell", daemon=True)
                self._listener.start()
            return self._bells[queue_name]

    def ring_here(self) -> None:
        """Wakes every consumer of this process."""
        with self._lock:
            bells = list(self._bells.values())
        for bell in bells:
            bell.set()

    def close(self) -> None:
        """Stops listening, within some seconds and without waiting for it."""
        self._closed.set()
        self.ring_here()

    def _listen(self) -> None:
        shortest, longest = _RETRY_SECONDS
        pause = shortest
        while not self._closed.is_set():
            try:
                with self._client.pubsub(ignore_subscribe_messages=True) as subscription:
                    subscription.subscribe(self._channel)
                    self.ring_here()  # for what came while nobody listened
                    pause = shortest
                    while not self._closed.is_set():
                        self._hear(subscription)
            except (redis.RedisError, OSError) as error:
                log.debug("doorbell_deaf", error=str(error))
                self._closed.wait(pause)
                pause = min(2 * pause, longest)

    def _hear(self, subscription: redis.client.PubSub) -> None:
        message = subscription.get_message(timeout=_CHECK_SECONDS)
        if message is not None:
            with self._lock:
                bell = self._bells.get(message["data"].decode())
            if bell is not None:
                bell.set()
