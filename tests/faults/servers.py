"""The servers of an installation, real, and ways to break them: kill, restart, fill the disk."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import orjson

from engage.workers.embedded import EmbeddedValkey
from engage.workers.tether import Tethered
from tests.faults.site import COMMAND, Site
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000  # sched.h, sys/mount.h


class NoSmallDisk(RuntimeError):
    """A file system of a few MB cannot be mounted here: that takes root."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Valkey:
    """A Valkey server that keeps its port when it is killed and comes back; it comes back empty."""

    def __init__(self) -> None:
        self._server = EmbeddedValkey(port=free_port())
        self.port, self.url = self._server.port, self._server.url

    def kill_and_restart(self) -> None:
        os.kill(self._server.pid, signal.SIGKILL)
        self._server.stop()
        self._server = EmbeddedValkey(port=self.port)

    def stop(self) -> None:
        self._server.stop()


class Http:
    """A process of engage that answers HTTP: `mailbox` or `web`."""

    def __init__(self, site: Site, command: str, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        environment = site.command_environment | {"ENGAGE_PORT": str(port)}
        log = site.folder / f"{command}.log"
        with log.open("ab") as output:
            self._process = Tethered([*COMMAND, command], cwd=site.folder, env=environment, output=output.fileno())
        try:
            wait_for(lambda: not self._process.running() or self._answers(), f"engage {command}", 60)
            if not self._process.running():
                raise RuntimeError(f"engage {command} ended: {log.read_text()}")
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 1):
            return True
        return False

    def post(self, path: str, body: object) -> bytes:
        return self._request("POST", path, orjson.dumps(body))

    def get(self, path: str) -> bytes:
        return self._request("GET", path)

    def delete(self, path: str) -> bytes:
        return self._request("DELETE", path)

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=300) as answer:
            read: bytes = answer.read()
            return read

    def stop(self) -> None:
        self._process.stop()


# --- disks that are soon full -----------------------------------------------------------------------------------------


def keep_mounts_to_ourselves() -> None:
    """What is mounted from now on is seen by this process and its children only, and goes with them, however they end.

    Without the right to it nothing happens: then nothing can be mounted either.
    """
    libc = ctypes.CDLL(None)
    if sys.platform == "linux" and libc.unshare(_CLONE_NEWNS) == 0:
        libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


class SmallDisk:
    """A tmpfs of some MB. Raises NoSmallDisk where none can be mounted."""

    def __init__(self, folder: Path, megabytes: int, options: str = "mode=755") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,{options}", "engage-faults", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoSmallDisk(str(error)) from error
        if done.returncode:
            raise NoSmallDisk(done.stderr.strip())
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leaves no byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        # Lazily: whoever has a file open there is about to end.
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)


class Postgres(PostgresServer):
    """A PostgreSQL that can tell when a transaction was committed."""

    def make_data(self) -> None:
        super().make_data()
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write("\ntrack_commit_timestamp = on\nmax_wal_size = 64MB\nmin_wal_size = 32MB\n")


class SmallPostgres(Postgres):
    """A durable one whose data lies on a disk of so many MB."""

    def __init__(self, megabytes: int) -> None:
        self._megabytes = megabytes
        self.disk: SmallDisk | None = None
        super().__init__(durable=True)

    def make_data(self) -> None:
        owner = self.folder.stat()
        self.disk = SmallDisk(self.folder / "disk", self._megabytes, f"uid={owner.st_uid},gid={owner.st_gid},mode=700")
        self.data = self.disk.folder / "data"
        super().make_data()

    def stop(self) -> None:
        if self.disk is not None:
            self.disk.free()
            self.disk.unmount()
        super().stop()
