"""Runs the command in a process that is forked from one which has imported it: a short command is little but imports.

`python -m tests.support.forking SOCKET` is the process that is forked from; `Forks` starts it and asks it.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from engage.cli import COMMANDS, main
from engage.pipeline.judging import judge
from engage.workers.tether import Tethered
from tests.support.waiting import wait_for


class Forks:
    """The process that commands are forked from. It ends with this one."""

    def __init__(self, root: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="engage-forks-")
        self._socket = Path(self._folder.name) / "socket"
        command = [sys.executable, "-m", __name__, self._socket]
        self._server = Tethered(command, cwd=root, output=subprocess.DEVNULL, grace=0)
        wait_for(self._socket.exists, "the process to fork commands from")

    def run(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """As `subprocess.run` with text output; raises TimeoutExpired, and then the command is killed."""
        with (
            tempfile.TemporaryDirectory(dir=self._folder.name) as said,
            socket.socket(socket.AF_UNIX) as asked,
        ):
            out, err = Path(said) / "out", Path(said) / "err"
            asked.connect(str(self._socket))
            asked.settimeout(timeout)
            request = {"arguments": [*arguments], "folder": str(folder), "env": dict(env), "said": said}
            asked.sendall(json.dumps(request).encode() + b"\n")
            with asked.makefile() as answers:
                pid = int(answers.readline())
                try:
                    code = int(answers.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([*arguments], timeout) from None
            return subprocess.CompletedProcess([*arguments], code, out.read_text(), err.read_text())

    def stop(self) -> None:
        self._server.stop()
        self._folder.cleanup()


def _serve(path: str) -> None:
    for module in sorted(set(COMMANDS.values())):
        import_module(f"engage.cli.{module}")
    # So that the files that are shipped, and those of the tests' small installation, are parsed and compiled already.
    judge(Path("campaigns"), Path("email_templates"))
    from tests.support.command import EngageCommand  # these two fork commands from here
    from tests.support.installation import Installation

    with tempfile.TemporaryDirectory() as folder:
        small = Installation(EngageCommand(Path(folder)))
        judge(small.campaigns, small.emails)
    gc.freeze()  # what was imported is no garbage: a command that looked for some would copy all of its memory
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who is forked here is waited for by nobody
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen()
        os.rename(f"{path}.new", path)
        while True:
            asked, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _mind(asked)
            asked.close()


def _mind(asked: socket.socket) -> None:
    """Has one command run, and tells its process id and then its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with asked.makefile() as lines:
        request = json.loads(lines.readline())
    pid = os.fork()
    if pid == 0:
        asked.close()
        _run(**request)
    asked.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    asked.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(arguments: Sequence[str], folder: str, env: Mapping[str, str], said: str) -> None:
    """Is the command, from here on."""
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
        opened = os.open(os.path.join(said, name), flags | (os.O_CREAT | os.O_APPEND if number else 0), 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv, sys.modules["__main__"] = [*arguments], ModuleType("__main__")  # help names the program by both
    code = 1
    try:
        main()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001  as an interpreter ends
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
