"""The heartbeat of a process: a row that health checks read."""

import os
import socket
import threading

import structlog

from engage.bootstrap import HEARTBEAT, Services
from engage.domain.errors import EngageError

log = structlog.get_logger(__name__)


def start_heart(services: Services, role: str, stop: threading.Event) -> threading.Thread:
    """Beats in a thread of its own until `stop` is set."""
    process = f"{role}@{socket.gethostname()}:{os.getpid()}"

    def run() -> None:
        while not stop.is_set():
            try:
                services.beat(process, role)
            except EngageError as error:
                log.warning("heartbeat_failed", error=str(error))
            stop.wait(HEARTBEAT.total_seconds())

    thread = threading.Thread(target=run, name="heart", daemon=True)
    thread.start()
    return thread
