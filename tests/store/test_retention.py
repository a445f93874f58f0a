"""What is kept for a time goes when its time is over, oldest first; what counts stays."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.pipeline.retention import keep_to_policy
from engage.store import tables as t
from engage.store.database import Database
from engage.store.retention import RULES, Kept, prune

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
KEPT = {Kept.RAW: timedelta(days=30), Kept.DETAILS: timedelta(days=730)}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    with database.write() as db:
        db.execute(sa.insert(t.programs), {"id": 1, "key": "p"})
    yield database
    database.close()


def webhook(days_ago: float, absorbed: bool = True) -> dict[str, object]:
    at = NOW - timedelta(days=days_ago)
    return {"provider": "sendgrid", "received_at": at, "body": "[]", "absorbed_at": at if absorbed else None}


def feedback(number: int, days_ago: float) -> dict[str, object]:
    at = NOW - timedelta(days=days_ago)
    about = {"natural_key": str(number), "kind": "clicked", "soft": False, "machine": False, "raw": {"email": "a@b"}}
    return about | {"occurred_at": at, "observed_at": at}


def count(database: Database, table: sa.Table) -> int:
    with database.read() as db:
        return int(db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_what_came_from_outside_goes_after_its_days_unless_it_waits(database: Database) -> None:
    with database.write() as db:
        db.execute(sa.insert(t.webhooks), [webhook(40), webhook(40, absorbed=False), webhook(31), webhook(29)])
        db.execute(sa.insert(t.feedback), [feedback(1, 40), feedback(2, 29)])
    keep_to_policy(database, KEPT, NOW)
    assert count(database, t.webhooks) == 2
    with database.read() as db:
        raw = list(db.execute(sa.select(t.feedback.c.raw).order_by(t.feedback.c.id)).scalars())
    assert raw == [{}, {"email": "a@b"}], "that somebody clicked still counts"
    keep_to_policy(database, KEPT, NOW + timedelta(days=2))
    assert count(database, t.webhooks) == 1


def test_each_batch_goes_on_where_the_last_one_ended(database: Database) -> None:
    rule = next(rule for rule in RULES if rule.table is t.feedback)
    with database.write() as db:
        db.execute(sa.insert(t.feedback), [feedback(number, 100 - number) for number in range(5)])
    for more in (True, True, False):
        with database.write() as db:
            assert prune(db, rule, NOW, limit=2) is more
    with database.read() as db:
        assert db.execute(sa.select(t.retention_marks.c.until_id)).scalar() == 5
        assert set(map(str, db.execute(sa.select(t.feedback.c.raw)).scalars())) == {"{}"}


def test_the_last_that_was_heard_of_a_feed_is_kept(database: Database) -> None:
    heard = [
        {"program_id": 1, "feed": feed, "heard_at": NOW - timedelta(days=d)}
        for feed, d in (("logins", 900), ("logins", 800), ("rewards", 790), ("logins", 1))
    ]
    with database.write() as db:
        db.execute(sa.insert(t.feed_readings), heard)
    keep_to_policy(database, KEPT, NOW)
    with database.read() as db:
        r = t.feed_readings.c
        assert list(db.execute(sa.select(r.feed).order_by(r.id)).scalars()) == ["rewards", "logins"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_can_be_carried_out(database: Database, rule: object) -> None:
    with database.write() as db:
        assert not prune(db, rule, NOW)  # type: ignore[arg-type]


def test_the_policy_is_written_down() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text().partition("\n## Retention\n")[2]
    said = dict(re.findall(r"^\| `(\w+)`[^|]*\|[^|]*\| `ENGAGE_KEEP_(\w+)` \|", text, re.MULTILINE))
    assert said == {rule.name: rule.kept.upper() for rule in RULES}
