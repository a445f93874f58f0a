"""Takes records into a test's database, and shows all that it holds, whatever the ids."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engage.authoring import parse_programs
from engage.domain.programs import Program
from engage.domain.records import Record
from engage.store.database import Database
from engage.store.intake import Intake, take
from engage.store.programs import ensure_programs
from engage.store.tables import aliases, metadata

CRM = Path(__file__).parents[1] / "data" / "crm"
OBSERVED = datetime(2018, 1, 1, tzinfo=UTC)
_ALIASED = {"partner": "partners", "referral": "referrals", "company": "companies", "staff": "staff"}


def crm_program() -> Program:
    """The programme of tests/data/crm/program.yaml: submitted, opportunity, won, lost."""
    path = CRM / "program.yaml"
    (program,) = parse_programs(path.read_text(), str(path)).values()
    return program


class Store:
    """A database with one programme, to take rows into."""

    def __init__(self, url: str, program: Program | None = None) -> None:
        self.program = program or crm_program()
        self.database = Database(url)
        with self.database.write() as db:
            self.program_id = ensure_programs(db, [self.program.key])[self.program.key]

    def take(self, *rows: Sequence[Record], at: datetime = OBSERVED, news: bool = False) -> Intake:
        with self.database.write() as db:
            return take(db, self.program, self.program_id, rows, observed_at=at, source="test", news=news)

    def select(self, query: "sa.Select[Any]") -> list[Any]:
        with self.database.read() as db:
            return list(db.execute(query).all())

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, exactly."""
        with self.database.read() as db:
            return {
                table.name: sorted(map(tuple, db.execute(sa.select(table)).all()), key=repr)
                for table in metadata.sorted_tables
            }

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, with what an id names in place of the id."""
        with self.database.read() as db:
            names: dict[str, dict[int, str]] = {}
            content = {}
            for table in sorted(metadata.sorted_tables, key=lambda table: table is aliases):
                rows = [dict(row) for row in db.execute(sa.select(table)).mappings()]
                names[table.name] = {row["id"]: _name(row) for row in rows if "id" in row}
                for row in rows:
                    for key in table.foreign_keys:
                        if key.parent.name in row and row[key.parent.name] is not None:
                            row[key.parent.name] = names[key.column.table.name][row[key.parent.name]]
                    if row.get("merged_into_id") is not None:
                        row["merged_into_id"] = names[table.name][row["merged_into_id"]]
                    if table is aliases:
                        row["target_id"] = names[_ALIASED[row["kind"]]][row["target_id"]]
                    row.pop("id", None)
                    for name, value in row.items():
                        if isinstance(value, dict):  # PostgreSQL keeps keys in an order of its own
                            row[name] = json.dumps(value, sort_keys=True)
                content[table.name] = sorted((tuple(sorted(row.items())) for row in rows), key=repr)
        return content

    def close(self) -> None:
        self.database.close()


def _name(row: dict[str, Any]) -> str:
    return str(row.get("external_id") or row.get("email") or row.get("key") or "")
