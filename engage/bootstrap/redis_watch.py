"""Whether Redis answers, for who shows how an installation stands."""

import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_SECONDS_TO_ANSWER = 0.25
_KEPT_SECONDS = 2.0


class RedisWatch:
    """Asks one Redis; without one nothing can be wrong with it. Safe to use from several threads."""

    def __init__(self, redis_url: str | None) -> None:
        self._lock = threading.Lock()
        self._asked_again_at = 0.0
        self._problem = ""
        self._client: redis.Redis | None = None
        if redis_url is not None:
            self._client = redis.Redis.from_url(
                redis_url,
                socket_timeout=_SECONDS_TO_ANSWER,
                socket_connect_timeout=_SECONDS_TO_ANSWER,
                retry=Retry(NoBackoff(), 1),  # for a connection that a restart of Redis has closed
            )

    def problem(self) -> str:
        """Why it does not answer, or "". Never raises. It is asked once in two seconds at the most."""
        if self._client is None:
            return ""
        with self._lock:
            if time.monotonic() >= self._asked_again_at:
                try:
                    self._client.ping()
                    self._problem = ""
                except (redis.RedisError, OSError) as error:
                    self._problem = str(error)
                self._asked_again_at = time.monotonic() + _KEPT_SECONDS
            return self._problem

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
