"""A database that holds rows keeps them when it is brought to the schema of this version."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import engage.store
from engage.store.database import Database
from engage.store.schema import migrate
from engage.store.tables import metadata
from engage.store.types import Instant

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

_INSTANTS = {
    column.name for table in metadata.tables.values() for column in table.columns if isinstance(column.type, Instant)
}


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url)
    yield database
    database.close()


def alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(engage.store.__file__).parent / "migrations"))
    return config


def upgrade(database: Database, revision: str) -> None:
    config = alembic()
    with database.rebuild() as db:
        config.attributes["connection"] = db
        command.upgrade(config, revision)


def older_revisions() -> list[str]:
    return [one.revision for one in ScriptDirectory.from_config(alembic()).walk_revisions()][:0:-1]


def tables_of(db: sa.Connection) -> list[sa.Table]:
    """The tables as they are in the database, each after those that it refers to; instants are as the code has them."""
    reflected = sa.MetaData()
    reflected.reflect(db)
    tables = [table for table in reflected.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        for column in table.columns:
            if column.name in _INSTANTS:
                column.type = Instant()
    return tables


def a_row(table: sa.Table, number: int) -> dict[str, Any]:
    """A row with something in every column; numbers are also the ids of the rows that others refer to."""
    return {column.name: _something(table, column, number) for column in table.columns}


def _something(table: sa.Table, column: sa.Column[Any], number: int) -> Any:
    if column.name in ("merged_into_id", "parent_id", "held_id", "manager_id", "recruited_by_id"):
        return None
    match column.type:
        case Instant():
            return NOW
        case sa.Boolean():
            return False
        case sa.JSON():
            return {"a": number}
        case sa.BigInteger() | sa.Integer() | sa.SmallInteger():
            return number
        case sa.Float() | sa.Numeric():
            return 1.0
    known = {"state": "accepted" if table.name == "deliveries" else "done", "lane": "bulk", "kind": "won"}
    return known.get(column.name, f"{column.name}-{number}")


@pytest.mark.parametrize("revision", older_revisions())
def test_rows_of_an_older_schema_are_kept(database: Database, revision: str) -> None:
    upgrade(database, revision)
    before: dict[str, list[dict[str, Any]]] = {}
    with database.write() as db:
        for table in tables_of(db):
            before[table.name] = [a_row(table, number) for number in (1, 2)]
            db.execute(sa.insert(table), before[table.name])
    migrate(database)
    with database.read() as db:
        for name, rows in before.items():
            found = [dict(row) for row in db.execute(sa.select(metadata.tables[name])).mappings()]
            assert [_renamed(row) for row in rows] == [
                {key: one[key] for key in _renamed(row)} for one, row in zip(found, rows, strict=True)
            ], name
        if database.is_sqlite:
            assert db.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the names that its columns have now."""
    if "opened_slot" in row and "partner_id" in row:
        return {"subject_id" if name == "partner_id" else name: value for name, value in row.items()}
    return row


def test_what_was_entered_before_there_were_journeys_is_done_and_of_partners(database: Database) -> None:
    upgrade(database, "0004")
    with database.write() as db:
        for table in tables_of(db):
            db.execute(sa.insert(table), [a_row(table, 1)])
    migrate(database)
    with database.read() as db:
        enrollment = db.execute(sa.select(metadata.tables["enrollments"])).mappings().one()
        assert (enrollment["state"], enrollment["step"], enrollment["due_at"]) == ("done", None, None)
        episode = db.execute(sa.select(metadata.tables["episodes"])).mappings().one()
        assert (episode["subject"], episode["subject_id"]) == ("partner", 1)
        delivery = db.execute(sa.select(metadata.tables["deliveries"])).mappings().one()
        assert (delivery["held_out"], delivery["contest_at"]) == (False, None)


def test_mail_that_went_out_before_there_were_caps_counts(database: Database) -> None:
    upgrade(database, "0004")
    sent, begun = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 2, 9, tzinfo=UTC)
    rows = [
        {"state": "accepted", "lane": "bulk", "settled_at": sent},
        {"state": "unknown", "lane": "bulk", "settled_at": sent},
        {"state": "sending", "lane": "bulk", "settled_at": None},
        {"state": "dead", "lane": "bulk", "settled_at": sent},
        {"state": "pending", "lane": "bulk", "settled_at": None},
        {"state": "accepted", "lane": "transactional", "settled_at": sent},
        {"state": "accepted", "lane": "alerts", "settled_at": sent},
    ]
    with database.write() as db:
        for table in tables_of(db):
            its = [a_row(table, number + 1) for number in range(len(rows))]
            match table.name:
                case "deliveries":
                    its = [row | said for row, said in zip(its, rows, strict=True)]
                case "attempts":
                    its = [row | {"started_at": begun} for row in its]
                case "partners":
                    its = [row | {"company_id": 1} for row in its]
            db.execute(sa.insert(table), its)
    migrate(database)
    deliveries = metadata.tables["deliveries"].c
    with database.read() as db:
        found = db.execute(sa.select(deliveries.counts_at, deliveries.company_id).order_by(deliveries.id)).all()
    assert [tuple(one) for one in found] == [(sent, 1), (sent, 1), (begun, 1), *[(None, None)] * 4]


@pytest.mark.parametrize("revision", [one for one in older_revisions() if one >= "0007"])  # promised since
def test_processes_of_an_older_version_write_on(database: Database, revision: str) -> None:
    """What they insert and read is still there, and nothing new is asked of them: an upgrade needs no silence."""
    upgrade(database, revision)
    with database.read() as db:
        before = shape(db)
    migrate(database)
    with database.read() as db:
        after = shape(db)
    for table, columns in before.items():
        assert not set(columns) - set(after[table]), f"{table} has lost columns"
        for name, column in after[table].items():
            known = columns.get(name)
            asked = not column["nullable"] and column["default"] is None and column["autoincrement"] is not True
            assert not (asked and known is None), f"{table}.{name} is asked of those who do not know it"
            assert not (asked and known is not None and known["nullable"]), f"{table}.{name} may not be empty any more"


def shape(db: sa.Connection) -> dict[str, dict[str, Any]]:
    """By table and column, what the database says of it."""
    inspector = sa.inspect(db)
    return {
        table: {str(column["name"]): dict(column) | {"autoincrement": None} for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }


@pytest.mark.postgres
def test_large_tables_are_indexed_while_others_write_and_what_was_broken_off_is_mended(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)
    upgrade(database, "0007")
    migrate(database)
    with database.write() as db:
        db.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_deliveries_settled'::regclass"
        )
        db.exec_driver_sql("DROP INDEX ix_attempts_failed")
    migrate(database)
    with database.read() as db:
        valid = db.exec_driver_sql(
            "SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
            "WHERE c.relname IN ('ix_deliveries_settled', 'ix_attempts_failed') ORDER BY c.relname"
        ).all()
    database.close()
    assert [tuple(row) for row in valid] == [("ix_attempts_failed", True), ("ix_deliveries_settled", True)]
