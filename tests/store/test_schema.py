"""Migrations bring both databases to what the tables say."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from engage.domain.errors import ServiceUnreachable
from engage.store.database import Database
from engage.store.schema import migrate, require_schema
from engage.store.tables import metadata


def test_migrations_lead_to_exactly_the_tables_that_the_code_knows(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    with database.read() as db:
        context = MigrationContext.configure(db, opts={"compare_type": True, "target_metadata": metadata})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_migrating_again_changes_nothing(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    migrate(database)
    with database.read() as db:
        assert db.execute(sa.select(sa.func.count()).select_from(sa.text("alembic_version"))).scalar_one() == 1
    database.close()


def test_sqlite_migrates_itself(empty_sqlite_url: str) -> None:
    database = Database(empty_sqlite_url)
    require_schema(database)
    with database.read() as db:
        assert "deliveries" in sa.inspect(db).get_table_names()
    database.close()


def test_postgresql_waits_for_the_operator_to_migrate(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)
    with pytest.raises(ServiceUnreachable, match="engage migrate"):
        require_schema(database)
    migrate(database)
    require_schema(database)
    database.close()


def test_a_database_that_a_newer_version_has_migrated_is_left_alone(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    with database.write() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for start in (require_schema, migrate):
        with pytest.raises(ServiceUnreachable, match=r"newer version of engage \(9999\)"):
            start(database)
    database.close()
