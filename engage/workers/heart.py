"""The heartbeat of a process: a row that health checks read, and that goes with the process when it leaves in order."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import structlog

from engage.bootstrap import HEARTBEAT, Services
from engage.domain.errors import EngageError
from engage.store.upkeep import AtWork

log = structlog.get_logger(__name__)


def start_heart(services: Services, role: str, doing: Callable[[], Sequence[AtWork]] = tuple) -> "Heart":
    """Beats in a thread of its own for as long as the process lives, or to the end of a `with` block.

    `doing` says at each beat what the process is at.
    """
    return Heart(services, role, doing)


class Heart:
    """One process's heart. A process that dies without a word leaves its row behind: then the sweeper tells of it."""

    def __init__(self, services: Services, role: str, doing: Callable[[], Sequence[AtWork]]) -> None:
        self._services, self._role, self._doing = services, role, doing
        self._process = f"{role}@{socket.gethostname()}:{os.getpid()}"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        failing = False
        while not self._stopped.is_set():
            try:
                self._services.beat(self._process, self._role, self._doing())
                self._services.replay_journal()
            except Exception as error:  # noqa: BLE001 - a heart that stops says that the process is dead
                if not failing:
                    log.warning("heartbeat_failed", error=str(error))
                failing = True
            else:
                if failing:
                    log.info("heartbeat_works_again")
                failing = False
            self._stopped.wait(HEARTBEAT.total_seconds())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=1.0)
        with suppress(EngageError):  # the database is away: the sweeper tells of a silent process, and no more
            self._services.leave(self._process)
