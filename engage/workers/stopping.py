"""Waits for SIGTERM or SIGINT, the way each long-running process of engage is told to stop."""

import os
import select
import signal


class StopSignal:
    """From its making on, SIGTERM and SIGINT no longer end the process but `wait`. To be made in the main thread."""

    def __init__(self) -> None:
        # The interpreter itself writes into this pipe, in whichever thread the kernel has the signal handled. A Python
        # handler runs in the main thread only, and would not wake it where another thread was interrupted.
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # without a handler the signal would end the process

    def wait(self, seconds: float | None = None) -> bool:
        """True as soon as a signal has come, also one that came long ago; False after `seconds` without."""
        return bool(select.select([self._reader], [], [], seconds)[0])
