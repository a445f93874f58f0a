"""Child processes that never outlive their parent, however it ends: Ctrl-C, SIGTERM or kill -9, on Linux and macOS."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

# A shell leaves a watcher behind and becomes the command itself, so the process id is the command's own. The watcher
# reads from a pipe whose other end only the parent holds. A line says that the command has ended in order; without
# one, the kernel closed the pipe because the parent is gone, and the watcher ends the command. (Linux' PDEATHSIG would
# do much the same, but not on macOS, and it fires when the *thread* that started the child ends.)
_SCRIPT = """
exec 3<&0
{
    read -r _ && exit
    kill -s "$0" $$
    while [ "$1" -gt 0 ]; do sleep 1; kill -s 0 $$ || exit; set -- $(($1 - 1)); done
    kill -s KILL $$
} <&3 >/dev/null 2>&1 &
shift
exec "$@" </dev/null 3<&-
"""


class Tethered:
    """A running command, tied to the life of this process."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: int = 20,
    ) -> None:
        """Starts `command` in a session of its own: Ctrl-C reaches only this process, which then stops it in order.

        `output` takes stdout and stderr together (a file, subprocess.PIPE or DEVNULL; None: inherited). `stop_signal`
        asks the command to end, and `grace` seconds later it is killed. A command that cannot be found ends at once
        with exit code 127.
        """
        self.stop_signal = stop_signal
        self.grace = grace
        self._asked = False
        reading, self._tether = os.pipe()
        try:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, stop_signal.name.removeprefix("SIG"), str(grace), *map(str, command)],
                cwd=cwd,
                env=env,
                stdin=reading,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._tether)
            raise
        finally:
            os.close(reading)

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Asks the command to end and does not wait: to stop several at once, ask all, then `stop` each."""
        # Once only: a second signal can break off a Python process that is about to leave in order.
        if not self._asked:
            self._asked = True
            self.process.send_signal(self.stop_signal)

    def stop(self, grace: float | None = None) -> int:
        """Asks the command to end, kills it when its grace is over, and returns its exit code. Twice is once."""
        self.ask_to_stop()
        try:
            code = self.process.wait(self.grace if grace is None else grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._dismiss_watcher()
        return code

    def _dismiss_watcher(self) -> None:
        if self._tether >= 0:
            with suppress(BrokenPipeError):
                os.write(self._tether, b"\n")
            os.close(self._tether)
            self._tether = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
