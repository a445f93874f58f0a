"""A chunk of journeys takes as many statements as it has kinds of steps, however many walk."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.records import PartnerRecord, Record, ReferralRecord
from engage.store.database import Database
from engage.store.journeys import due_journeys
from engage.store.people import ensure_addresses
from engage.store.tables import deliveries
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, standings, write_trial

STEPS = """{wait: 1d},
  {branch: {if: [{referrals: {at_least: 1}}], then: [{send: b}], else: [{alert: {to: owner, say: z}}]}},
  {send: a}, {wait: 1d}"""


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(database.engine, "before_cursor_execute", note)


@pytest.mark.postgres
def test_ten_and_five_hundred_go_on_with_the_same_statements(
    postgres_url: str, tmp_path: Path, authored: tuple[Path, Path]
) -> None:
    """On SQLite rows are updated one by one, by one prepared statement."""
    engage = Engage(postgres_url, tmp_path, *authored)
    write_trial(engage, STEPS, stop_when="[{wins: {at_least: 1}}]", goal="referral within 60d")
    owner = engage.salesperson()
    rows: list[list[Record]] = []
    for number in range(510):
        name = f"p{number}"
        rows.append([PartnerRecord(name, f"{name}@example.com", owner=owner, status="active")])
        if number % 5 == 0:
            rows.append([ReferralRecord(f"r{number}", name, submitted_at=engage.now - timedelta(days=6))])
    engage.services.take(engage.program, rows, source="test", news=False)
    with engage.services.database.write() as db:
        ensure_addresses(db, ["sam@example.com", "partner-desk@example.com"])  # which a first chunk would store
    engage.services.run_now(engage.services.library().find(TRIAL))
    engage.now += timedelta(days=1)
    engage.services.library()  # which looks now and then whether files have changed or campaigns were paused
    with engage.services.database.read() as db:
        ids = due_journeys(db, engage.now, 1000)
    assert len(ids) == 510
    taken = []
    for chunk in (ids[:10], ids[10:]):
        with counted(engage.services.database) as statements:
            engage.services.advance(chunk)
        taken.append(statements)
    assert {step for _, step, _ in standings(engage)} == {"wait-2"}
    assert engage.count(deliveries) == 2 * 510
    assert len(taken[0]) == len(taken[1])
    engage.services.close()
