"""The heartbeat of a process: a row that health checks read."""

import os
import socket
import threading
import time

import structlog

from engage.bootstrap import HEARTBEAT, Services
from engage.domain.errors import EngageError

log = structlog.get_logger(__name__)


def start_heart(services: Services, role: str) -> None:
    """Beats in a thread of its own for as long as the process lives."""
    process = f"{role}@{socket.gethostname()}:{os.getpid()}"

    def run() -> None:
        failing = False
        while True:
            try:
                services.beat(process, role)
                services.replay_journal()
            except EngageError as error:
                if not failing:
                    log.warning("heartbeat_failed", error=str(error))
                failing = True
            else:
                if failing:
                    log.info("heartbeat_works_again")
                failing = False
            time.sleep(HEARTBEAT.total_seconds())

    threading.Thread(target=run, name="heart", daemon=True).start()
