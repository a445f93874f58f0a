"""One PostgreSQL database with engage's schema, lent to test after test: to empty it is far cheaper than a new copy."""

import psycopg
import sqlalchemy as sa

from tests.support.postgres import Databases
from tests.support.schema import prepare

# What a test did to the schema itself shows here: a table, a column, an index or a constraint more or less.
_SCHEMA = """
SELECT (SELECT count(*) FROM pg_constraint), count(*), max(oid::bigint), sum(relnatts)
FROM pg_class WHERE relkind IN ('r', 'i', 'v', 'S') AND oid >= 16384 AND relpersistence <> 't'
"""
# A table that was never written to has no bytes; a sequence that was never asked has no last value.
_EMPTY = """
DO $$
DECLARE written text;
BEGIN
    SELECT string_agg(oid::regclass::text, ', ') INTO written FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
        AND pg_relation_size(oid) > 0;
    IF written IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || written || ' CASCADE';
    END IF;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""


class Lending:
    """Lends the database; it is as migrated, and has a new name each time, so who ran on cannot find it again."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._url = ""
        self._schema: object = None

    def lend(self) -> str:
        """The URL of the database, empty but for engage's schema."""
        if not self._url:
            self._url = self._databases.create()
            prepare(self._url)
            with self._connect() as connection:
                self._schema = connection.execute(_SCHEMA).fetchone()
        return self._url

    def take_back(self) -> None:
        """Ends all connections and empties the database; one whose schema was changed is dropped instead."""
        self._url = self._databases.rename(self._url)
        with self._connect() as connection:
            unchanged = connection.execute(_SCHEMA).fetchone() == self._schema
            if unchanged:
                connection.execute(_EMPTY)
        if not unchanged:
            self.end()

    def end(self) -> None:
        """Drops the database, if there is one."""
        if self._url:
            self._databases.drop(self._url)
            self._url = ""

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        dsn = sa.make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(dsn, autocommit=True)
