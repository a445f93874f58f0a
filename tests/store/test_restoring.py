"""A database that is brought back from a backup sends nothing a second time."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.domain.deliveries import DeliveryState
from engage.domain.records import ReferralRecord
from engage.store import tables as t
from engage.store.restoring import calm_down
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped


@pytest.fixture
def engage(database_url: str, tmp_path: Path) -> Iterator[Engage]:
    running = Engage(database_url, tmp_path, *copy_shipped(tmp_path))
    yield running
    running.services.close()


def dump(engage: Engage) -> dict[sa.Table, list[dict[str, object]]]:
    with engage.services.database.read() as db:
        return {
            table: [dict(row) for row in db.execute(sa.select(table)).mappings()] for table in t.metadata.sorted_tables
        }


def restore(engage: Engage, backup: dict[sa.Table, list[dict[str, object]]]) -> None:
    """Brings every row back as it was."""
    with engage.services.database.write() as db:
        if db.dialect.name == "sqlite":
            db.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        else:
            db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in reversed(t.metadata.sorted_tables):
            db.execute(sa.delete(table))
        for table, rows in backup.items():
            if rows:
                db.execute(sa.insert(table), rows)
        if db.dialect.name != "sqlite":
            for table in t.metadata.sorted_tables:
                if "id" in table.c:
                    where = f"pg_get_serial_sequence('{table.name}', 'id'), coalesce(max(id), 0) + 1, false"
                    db.exec_driver_sql(f"SELECT setval({where}) FROM {table.name}")


def lives(engage: Engage) -> None:
    """What happens and is sent after the backup: of news, of a schedule, of what was due."""
    engage.becomes("bob", "r-2", "won")
    engage.work()
    engage.now += timedelta(days=7)
    engage.services.open_runs()
    engage.sweeps()


def test_nothing_that_went_out_since_the_backup_goes_out_again(engage: Engage) -> None:
    for name, referral in (("ann", "r-1"), ("bob", "r-2")):
        engage.partner(name)
        engage.logs_in(name)
        engage.refers(name, referral)
    engage.services.open_runs()
    engage.becomes("ann", "r-1", "won")
    engage.services.match(engage.queue.waiting.popleft()[1])  # is due when the backup is made
    backup, made_at = dump(engage), engage.now
    engage.now += timedelta(minutes=1)
    engage.work()
    lives(engage)
    sent = [(mail.to.email, mail.subject) for mail in engage.provider.messages]
    assert len(sent) >= 2

    engage.queue.waiting.clear()
    restore(engage, backup)
    with engage.services.database.write() as db:
        found = calm_down(db, made_at, engage.now)
    assert found.mails >= 1
    lost = engage.now
    engage.services.open_runs()
    assert engage.sweeps() == []
    at = made_at + timedelta(minutes=1)
    engage.takes(ReferralRecord("r-2", "bob", status="won", status_at=at))  # the source tells of it once more
    assert engage.sweeps() == []
    d = t.deliveries.c
    with engage.services.database.read() as db:
        states = set(db.execute(sa.select(d.state).where(d.due_at <= lost)).scalars())
    assert states <= {DeliveryState.UNKNOWN, *map(str, DeliveryState)} - {DeliveryState.PENDING, DeliveryState.ACCEPTED}

    engage.now += timedelta(hours=1)
    engage.refers("bob", "r-3")
    engage.becomes("bob", "r-3", "won")
    assert [mail.to.email for mail in engage.work()] == ["bob@example.com"], "what happens from now on is news"
