"""Waits for SIGTERM or SIGINT, the way each long-running process of engage is told to stop."""

import os
import select
import signal


class StopSignal:
    """From its making on, SIGTERM and SIGINT no longer end the process but `wait`. To be made in the main thread."""

    def __init__(self) -> None:
        # A pipe, not a threading.Event: its lock could be held by the very thread that the signal interrupts.
        self._reader, writer = os.pipe()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os.write(writer, b"."))

    def wait(self, seconds: float | None = None) -> bool:
        """True as soon as a signal has come, also one that came long ago; False after `seconds` without."""
        return bool(select.select([self._reader], [], [], seconds)[0])
