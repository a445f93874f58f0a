"""Brings a database to the schema of this version, and says whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from engage.domain.errors import ServiceUnreachable
from engage.store.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Runs the migrations that are missing, all in one transaction.

    Raises ServiceUnreachable where a newer version has been before.
    """
    with database.rebuild() as db:
        _revision(db)
        command.upgrade(_config(db), "head")


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
