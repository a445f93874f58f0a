"""The two expressions that SQLite and PostgreSQL spell differently: membership in a set of ids, and a later instant."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from engage.store.types import Instant


class IdSet(TypeDecorator[list[int]]):
    """A set of ids as one bind parameter, however many they are: an array, or JSON on SQLite.

    One parameter instead of one for each id keeps the statement's text the same, so that it is compiled, and prepared
    by PostgreSQL, once.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else postgresql.ARRAY(sa.BigInteger()))

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        return str(value) if dialect.name == "sqlite" else value


class Among(FunctionElement[Any]):
    """`Among(column, ids)`: the column is one of the ids, a bind of type IdSet."""

    # Not Boolean: SQLAlchemy would write `… = 1` for SQLite, which then finds no index for it.
    type = sa.types.NullType()
    name = "among"
    inherit_cache = True


@compiles(Among)
def _among(element: Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = element.clauses
    return f"{compiler.process(column, **kw)} = ANY ({compiler.process(ids, **kw)})"


@compiles(Among, "sqlite")
def _among_sqlite(element: Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = element.clauses
    held, wanted = compiler.process(column, **kw), compiler.process(ids, **kw)
    return f"{held} IN (SELECT value FROM json_each({wanted}))"  # compiled, with values bound  # nosec B608


class Later(FunctionElement[Any]):
    """`Later(instant, minutes)`: the instant that many minutes after, exact to the microsecond."""

    type = Instant()
    name = "later"
    inherit_cache = True


@compiles(Later)
def _later(element: Later, compiler: SQLCompiler, **kw: Any) -> str:
    instant, minutes = element.clauses
    return f"({compiler.process(instant, **kw)} + make_interval(mins => {compiler.process(minutes, **kw)}))"


@compiles(Later, "sqlite")
def _later_sqlite(element: Later, compiler: SQLCompiler, **kw: Any) -> str:
    instant, minutes = (compiler.process(clause, **kw) for clause in element.clauses)
    # SQLite keeps milliseconds only: move the minutes, and carry the seconds and their fraction over as they are.
    return f"(strftime('%Y-%m-%dT%H:%M', substr({instant}, 1, 16), {minutes} || ' minutes') || substr({instant}, 17))"
