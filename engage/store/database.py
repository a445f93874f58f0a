"""Connections and transactions: `Database.read()` and `Database.write()`, the same on SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from engage.domain.errors import InputError, ServiceUnreachable

_BUSY_MS = 30_000
_STEPS = 100_000  # of SQLite's machine: some milliseconds


class Database:
    """One database. A transaction is a `with` block: it commits at the end, and rolls back when anything is raised.

    One that is not `durable` may lose what it has committed when the machine fails: for what is thrown away anyway.
    Raises ServiceUnreachable when the database does not answer.
    """

    def __init__(self, url: str, pool_size: int = 10, *, durable: bool = True) -> None:
        try:
            parsed = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):  # the latter for a port that is no number
            raise InputError(
                "ENGAGE_DATABASE_URL is not a database URL", "write sqlite:///path or postgresql://…"
            ) from None
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = _sqlite_engine(parsed, durable)
        else:
            self.engine = _postgres_engine(parsed, pool_size, durable)

    @contextmanager
    def read(self, at_most: timedelta | None = None) -> Iterator[Connection]:
        """A transaction that only reads. No statement of it takes longer than `at_most`: TimeoutError."""
        with self._begin("DEFERRED") as connection, _bounded(connection, at_most):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; on SQLite it takes the write lock at once (`BEGIN IMMEDIATE`)."""
        with self._begin("IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def outside_transactions(self) -> Iterator[Connection]:
        """A connection on which each statement stands for itself: for those that no transaction takes."""
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                yield connection
        except sa.exc.DatabaseError as error:
            if not _is_of_the_server(error):
                raise
            raise self._unreachable(error) from error

    @contextmanager
    def rebuild(self) -> Iterator[Connection]:
        """A transaction that changes tables. Raises InputError, and changes nothing, if rows would refer to nothing.

        SQLite changes a table by making it anew: what refers to its rows is checked once the new one is there.
        """
        if not self.is_sqlite:
            with self.write() as connection:
                yield connection
            return
        engine = _sqlite_engine(self.url, durable=True, references=False)
        try:
            with self._begin("IMMEDIATE", engine) as connection:
                yield connection
                if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                    tables = ", ".join(sorted({str(row[0]) for row in lost}))
                    raise InputError(f"rows of {tables} would refer to nothing", "nothing was changed: report this")
        finally:
            engine.dispose()

    @contextmanager
    def _begin(self, mode: str, engine: Engine | None = None) -> Iterator[Connection]:
        engine = engine or self.engine
        try:
            with engine.connect().execution_options(engage_begin=mode) as connection, connection.begin():
                yield connection
        except sa.exc.DatabaseError as error:
            if not _is_of_the_server(error):
                raise
            raise self._unreachable(error) from error

    def _unreachable(self, error: sa.exc.DatabaseError) -> Exception:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        hint = "see that it runs and that ENGAGE_DATABASE_URL is right"
        if self.is_sqlite:
            hint = "see that it is a database and its folder can be written, or set ENGAGE_DATABASE_URL to another"
        return ServiceUnreachable(f"the database at {self.shown} failed: {reason}", hint)

    @property
    def shown(self) -> str:
        """Its address as people may see it: without the password."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _bounded(connection: Connection, at_most: timedelta | None) -> Iterator[None]:
    """SQLite knows no such bound: it is asked after so many steps of its machine whether it is to go on."""
    if at_most is None:
        yield
        return
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        until = monotonic() + at_most.total_seconds()
        driver.set_progress_handler(lambda: monotonic() > until, _STEPS)
    else:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {at_most // timedelta(milliseconds=1)}")
    try:
        yield
    except sa.exc.OperationalError as error:
        if isinstance(error.orig, psycopg.errors.QueryCanceled) or str(error.orig) == "interrupted":
            raise TimeoutError(f"a statement took longer than {at_most}") from error
        raise
    finally:
        if connection.dialect.name == "sqlite":
            driver.set_progress_handler(None, 0)


def _is_of_the_server(error: sa.exc.DatabaseError) -> bool:
    """Whether it is for the operator to mend (down, full, read-only, no database, no right), not a bug."""
    refused = isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
    # read-only, as a standby is and a managed server whose disk is full, is an InternalError of psycopg's
    known = isinstance(error, sa.exc.OperationalError | sa.exc.InternalError) or type(error) is sa.exc.DatabaseError
    return known or refused


def _postgres_engine(url: sa.URL, pool_size: int, durable: bool) -> Engine:
    options = "-c timezone=UTC" if durable else "-c timezone=UTC -c synchronous_commit=off"
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # an error must not carry a mail's text into the log
        connect_args={"connect_timeout": 10, "options": options},
    )


def _sqlite_engine(url: sa.URL, durable: bool, references: bool = True) -> Engine:
    with suppress(OSError):  # what cannot be made is said when it cannot be opened
        path = Path(url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it holds people's addresses; what SQLite puts beside it takes the same mode
    synchronous = "FULL" if durable else "OFF"
    engine = sa.create_engine(
        url, hide_parameters=True, connect_args={"timeout": _BUSY_MS / 1000, "check_same_thread": False}
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        checks = f"foreign_keys={'ON' if references else 'OFF'}"
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", checks, f"busy_timeout={_BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('engage_begin', 'DEFERRED')}")

    return engine
