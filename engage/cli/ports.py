"""What starting processes needs: a free port, a folder of their own, the command line of another process."""

import fcntl
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engage.domain.errors import InputError


def require_free_port(host: str, port: int, setting: str = "ENGAGE_PORT") -> None:
    """Raises InputError, which names the setting, if something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"port {port} on {host} cannot be used: {error.strerror}", f"set {setting} to another one"
            ) from None


def command(*arguments: str) -> list[str]:
    """The command line of another process of engage."""
    return [sys.executable, "-m", "engage", *arguments]


@contextmanager
def used_alone(lock: Path) -> Iterator[None]:
    """Holds the lock file while the block runs; raises InputError if another process holds it."""
    with ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(lock.open("w")), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "stop it first, or set ENGAGE_DATA_DIR and ENGAGE_PORT to run another one beside it"
            raise InputError(f"engage runs on {lock.parent} already", hint) from None
        except OSError as error:
            raise InputError(f"{lock.parent} cannot be written: {error.strerror}", "set ENGAGE_DATA_DIR") from None
        yield
