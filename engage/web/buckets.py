"""Token buckets in Redis, shared by all processes: each bucket holds some requests, and fills again at a steady rate.

Redis that is away limits nobody: what it protects is worth less than the answer.
"""

import hashlib
import threading
import time
from dataclasses import dataclass
from math import ceil
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from engage.logs import Outage

_SECONDS_TO_ANSWER = 0.25
_SECONDS_OF_PEACE = 1.0  # for which a Redis that did not answer is not asked again: each question would take its time
_SECONDS_AT_ONCE = 10

# A bucket is one number: the moment, in milliseconds of Redis's own clock, at which it will be full again. Taking one
# request moves that moment on by what one takes to come back; a bucket that would be full too late has none left.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local one, all = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now) + one
local wait = full - now - all
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now))
return 0
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second, and so many at once after a pause."""

    a_second: float
    at_once: int

    @classmethod
    def of(cls, a_second: float) -> Self:
        """With ten seconds' worth at once, and one at least."""
        return cls(a_second, max(1, ceil(a_second * _SECONDS_AT_ONCE)))


class Buckets:
    """The buckets of one Redis; without one nothing is limited. Safe to use from several threads."""

    def __init__(self, redis_url: str | None) -> None:
        self._outage = Outage("limits_away", "limits_back")
        self._asked_again_at = 0.0
        self._client: redis.Redis | None = None
        if redis_url is not None:
            self._client = redis.Redis.from_url(
                redis_url,
                socket_timeout=_SECONDS_TO_ANSWER,
                socket_connect_timeout=_SECONDS_TO_ANSWER,
                retry=Retry(NoBackoff(), 1),  # for a connection that a restart of Redis has closed
            )
            self._take = self._client.register_script(_TAKE)

    def take(self, kind: str, name: str, rate: Rate) -> int:
        """Takes one request out of the bucket `name` of this kind: 0 when there was one, else the seconds until there
        will be. Never raises. Redis gets a hash of the name.
        """
        if self._client is None or time.monotonic() < self._asked_again_at:
            return 0
        bucket = f"engage:limit:{kind}:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        one = 1000 / rate.a_second
        try:
            wait = int(self._take([bucket], [one, one * rate.at_once]))
        except (redis.RedisError, OSError) as error:
            self._asked_again_at = time.monotonic() + _SECONDS_OF_PEACE
            self._outage.met(error, "until Redis answers, no limits hold")
            return 0
        self._outage.over()
        return ceil(wait / 1000)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


class OwnBuckets:
    """Buckets of this process alone, for what must be limited while Redis is away too. Safe to use from threads."""

    _MOST = 10_000

    def __init__(self) -> None:
        self._full_at: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def take(self, kind: str, name: str, rate: Rate) -> int:
        """As `Buckets.take`."""
        now, one = time.monotonic(), 1 / rate.a_second
        with self._lock:
            if len(self._full_at) >= self._MOST:
                self._forget(now)
            full = max(self._full_at.get((kind, name), now), now) + one
            wait = full - now - one * rate.at_once
            if wait > 0:
                return ceil(wait)
            self._full_at[kind, name] = full
        return 0

    def _forget(self, now: float) -> None:
        """The buckets that are full; when there are few of those, the half that will be soonest."""
        kept = sorted((at, key) for key, at in self._full_at.items() if at > now)[-self._MOST // 2 :]
        self._full_at = {key: at for at, key in kept}
