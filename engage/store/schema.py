"""Brings a database to the schema of this version, and says whether it is there."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex, DropIndex

from engage.domain.errors import ServiceUnreachable
from engage.store.database import Database
from engage.store.tables import metadata

_INDEXES = """
SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
"""

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Runs the migrations that are missing, all in one transaction; then builds the indexes that they leave.

    Processes of the version before go on meanwhile. Raises ServiceUnreachable where a newer version has been before.
    """
    with database.rebuild() as db:
        _revision(db)
        command.upgrade(_config(db), "head")
    if not database.is_sqlite:
        _build_indexes(database)


def _build_indexes(database: Database) -> None:
    """Builds indexes of large tables without keeping anybody from writing, and once more those that were broken off.

    Such an index belongs to no transaction: whoever is killed meanwhile leaves it invalid, and the next mends it.
    """
    with database.outside_transactions() as db:
        there = {name: bool(valid) for name, valid in db.execute(sa.text(_INDEXES))}
        for index in (index for table in metadata.sorted_tables for index in table.indexes):
            name = str(index.name)
            if there.get(name):
                continue
            if name in there:
                db.execute(DropIndex(index, if_exists=True))
            db.exec_driver_sql(_concurrently(index, db))


def _concurrently(index: sa.Index, db: Connection) -> str:
    statement = str(CreateIndex(index).compile(dialect=db.dialect))
    return statement.replace("INDEX", "INDEX CONCURRENTLY", 1)


def require_schema(database: Database) -> None:
    """SQLite migrates itself; PostgreSQL must be up to date. Raises ServiceUnreachable with the way out."""
    with database.read() as db:
        current = _revision(db)
    if current == newest_revision():
        return
    if database.is_sqlite:
        migrate(database)
        return
    state = "is empty" if current is None else f"has the schema of another version ({current})"
    raise ServiceUnreachable(f"the database {state}", "run: engage migrate")


def _revision(db: Connection) -> str | None:
    """The revision that the database has, None if it is empty; ServiceUnreachable if this version does not know it."""
    current = MigrationContext.configure(db).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if current is not None and current not in known:
        raise ServiceUnreachable(
            f"the database has the schema of a newer version of engage ({current})",
            "start that version, or restore what was backed up before it ran",
        )
    return current


def newest_revision() -> str | None:
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(db: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = db
    return config
