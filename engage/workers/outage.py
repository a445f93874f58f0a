"""Says once that Redis is away and once that it is back, however many threads run into it."""

import threading

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """What the threads of a process know together about Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasts = False

    def met(self, error: Exception) -> None:
        """Redis did not answer; `error` says how."""
        with self._lock:
            known, self._lasts = self._lasts, True
        if not known:
            log.warning("redis_away", error=str(error), hint="work waits in the database until Redis answers again")

    def over(self) -> None:
        """Redis answered."""
        if not self._lasts:
            return
        with self._lock:
            news, self._lasts = self._lasts, False
        if news:
            log.info("redis_back")
