"""Reads a watched database: its columns, its newest cursor value, and its rows from a position on, in that order.

Whatever is wrong becomes SourceDown (it is tried again) or SourceChanged (somebody has to mend it), without passwords.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.authoring.reader import did_you_mean
from engage.sources.cursors import Cursor
from engage.sources.watched import SourceChanged, SourceDown, SqlSource

BATCH = 500

_COLON = re.compile(r"(?<![:\w\\]):(?=\w)")
_FORBIDDEN = "42501"
"""The SQLSTATE of a user that may not read what a query asks for."""
_POSTGRES = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One row: its cursor as a position, a hash of all its values, and the values as JSON can hold them."""

    position: str
    hash: str
    values: Mapping[str, Any]


@contextmanager
def opened(source: SqlSource, environ: Mapping[str, str]) -> Iterator["OpenSource"]:
    """The source, looked at and fit to be read. Raises SourceDown or SourceChanged, also while it is read."""
    url = source.address.resolve(environ)
    engine = _engine(url)
    try:
        with _explained(source, url):
            connection = engine.connect()
        with connection:
            found = OpenSource(source, connection)
            found.look()
            yield found
    finally:
        engine.dispose()


class OpenSource:
    """A connection to a source, for one poll. `cursor` is None as long as there are no rows."""

    def __init__(self, source: SqlSource, connection: Connection) -> None:
        self._source = source
        self._connection = connection
        self._rows = sa.text(_COLON.sub(r"\\:", f"{source.query}\n")).columns(sa.column(source.cursor)).subquery("q")
        self._value: sa.ColumnElement[Any] = self._rows.c[source.cursor]
        self.cursor: Cursor | None = None

    def look(self) -> None:
        """Raises SourceChanged unless the query has all columns that are named, and a cursor value in each row."""
        with self._explained():
            self._look()

    def _look(self) -> None:
        columns = tuple(self._connection.execute(self._all().where(sa.false())).keys())
        self._check_columns(columns)
        if self._connection.execute(self._all().where(self._value.is_(None)).limit(1)).first() is not None:
            name = self._source.cursor
            raise SourceChanged(
                f"there are rows without {name}, which a poll would never see",
                f"write coalesce({name}, created_at) AS {name} or the like, or WHERE {name} IS NOT NULL, in the query",
            )
        sample = self._connection.execute(sa.select(self._value).order_by(self._value.desc()).limit(1)).scalar()
        if sample is not None:
            with self._cursor_trouble():
                self.cursor = Cursor(sample, ZoneInfo(self._source.zone), self._source.overlap)

    def bound(self, position: str | None) -> tuple[Any, str] | None:
        """From where to read on after `position`, as the database and as the store compare it; None: everything."""
        if self.cursor is None or position is None:
            return None
        with self._cursor_trouble():
            return self.cursor.bound(position)

    def lots(self, bound: Any | None, size: int = BATCH) -> Iterator[list[FoundRow]]:
        """The rows from `bound` on, in the order of the cursor, as many at a time. Streams: memory does not grow."""
        if self.cursor is None:
            return
        query = self._all().order_by(self._value)
        if bound is not None:
            query = query.where(self._value >= sa.literal(bound, _type_of(bound)))
        with self._explained(), self._cursor_trouble():
            rows = self._connection.execution_options(yield_per=size).execute(query).mappings()
            yield from _lots((self._found(row) for row in rows), size)

    def _explained(self) -> AbstractContextManager[None]:
        return _explained(self._source, self._connection.engine.url)

    def _all(self) -> "sa.Select[Any]":
        return sa.select(sa.text("*")).select_from(self._rows)

    def _found(self, row: sa.RowMapping) -> FoundRow:
        assert self.cursor is not None
        values = {name: plain(value) for name, value in row.items()}
        return FoundRow(self.cursor.position(row[self._source.cursor]), row_hash(values), values)

    def _check_columns(self, columns: Sequence[str]) -> None:
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise SourceChanged(f"the query has two columns '{twice[0]}'", "name each column with AS")
        named = [self._source.cursor, *([self._source.key] if self._source.key else [])]
        for name in (*named, *(column.name for column in self._source.rows.columns)):
            if name not in columns:
                near = did_you_mean(name, columns)
                there = near if near.startswith("known are") else f"{near} There are {', '.join(columns)}"
                raise SourceChanged(f"the query has no column '{name}'", there)

    @contextmanager
    def _cursor_trouble(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            message, _, hint = str(error).rpartition("; ")
            raise SourceChanged(f"{self._source.cursor} {message or hint}", hint if message else _RENAME) from None


_RENAME = "give the source another name in sources.yaml: it is then read from the beginning, in silence"


def plain(value: Any) -> Any:
    """A value as JSON can hold it, without loss: what a reject's row is kept as is what is mapped."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case Decimal():
            return _number(value)
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case date():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case UUID() | _:
            return str(value)


def _number(value: Decimal) -> int | float | str:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else str(value)


def row_hash(values: Mapping[str, Any]) -> str:
    """The same for the same values, whatever the order of columns."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _lots(rows: Iterable[FoundRow], size: int) -> Iterator[list[FoundRow]]:
    rows = iter(rows)
    while lot := list(islice(rows, size)):
        yield lot


def _type_of(bound: Any) -> sa.types.TypeEngine[Any] | None:
    # SQLAlchemy has no type of its own for what drivers bind as they find it.
    return sa.DateTime(timezone=True) if isinstance(bound, datetime) and bound.tzinfo else None


def _engine(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {"poolclass": sa.NullPool}
    try:
        if url.get_backend_name() == "sqlite":
            url = _read_only(url)
        elif url.drivername in ("postgresql", "postgresql+psycopg"):
            options |= {"connect_args": _POSTGRES, "execution_options": {"postgresql_readonly": True}}
        return sa.create_engine(url, **options)
    except (ImportError, sa.exc.NoSuchModuleError):
        raise SourceChanged(
            f"there is no driver for {url.drivername} here", "install the one that SQLAlchemy's pages name for it"
        ) from None


def _read_only(url: sa.URL) -> sa.URL:
    """SQLite would make a database that is not there, and find no table in it."""
    if not url.database or url.database.startswith(("file:", ":")):
        return url
    return url.set(database=f"file:{quote(url.database)}").update_query_dict({"mode": "ro", "uri": "true"})


@contextmanager
def _explained(source: SqlSource, url: sa.URL) -> Iterator[None]:
    shown = url.render_as_string(hide_password=True)
    try:
        yield
    except sa.exc.DBAPIError as error:
        reason = _reason(error, url)
        if _is_down(error):
            raise SourceDown(f"{shown} failed: {reason}", "see that it runs and lets this user in") from None
        hint = f"mend the query of '{source.name}'"
        if getattr(error.orig, "sqlstate", "") == _FORBIDDEN:
            hint = f"let {url.username} read it, with GRANT SELECT as in docs/connect.md"
        raise SourceChanged(f"the query failed: {reason}", hint) from None
    except sa.exc.SQLAlchemyError as error:
        raise SourceChanged(f"the query failed: {_reason(error, url)}", "see docs/connect.md") from None


def _is_down(error: sa.exc.DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:  # to SQLite a table that is not there is an operational error too
        return bool(code != sqlite3.SQLITE_ERROR)
    return error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)


def _reason(error: sa.exc.SQLAlchemyError, url: sa.URL) -> str:
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    line = said.splitlines()[0]
    return line.replace(str(url.password), "***") if url.password else line
