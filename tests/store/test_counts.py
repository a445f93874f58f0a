"""Counts by the hour: what is shown of history without reading it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from engage.domain.deliveries import DeliveryState
from engage.store.counts import CREATED, by_hour, count_on, first_id, totals
from engage.store.database import Database
from engage.store.tables import deliveries, delivery_counts, runs
from tests.support.many_mails import Mails

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def mails(database_url: str) -> Iterator[Mails]:
    database = Database(database_url)
    yield Mails(database)
    database.close()


def shown(mails: Mails) -> dict[tuple[int, str], int]:
    """(hours after noon, state) -> how many."""
    with mails.database.read() as db:
        found = by_hour(db, [mails.program_id], NOON - 99 * HOUR, NOON + 99 * HOUR)
    return {((one.hour - NOON) // HOUR, one.state): one.number for one in found}


def count(mails: Mails, now: datetime) -> bool:
    with mails.database.write() as db:
        return count_on(db, now)


def test_without_any_mail_nothing_is_counted(mails: Mails) -> None:
    assert not count(mails, NOON)
    assert shown(mails) == {}


def test_mails_are_counted_as_they_go(mails: Mails) -> None:
    mails.add(3, created_at=NOON)
    mails.add(2, created_at=NOON + MINUTE, state=DeliveryState.ACCEPTED, settled_at=NOON + 2 * MINUTE)
    assert not count(mails, NOON + 5 * MINUTE)
    assert shown(mails) == {(0, CREATED): 5, (0, "accepted"): 2}
    mails.add(1, created_at=NOON + 6 * MINUTE, state=DeliveryState.DEAD, settled_at=NOON + 61 * MINUTE)
    count(mails, NOON + 62 * MINUTE)
    count(mails, NOON + 63 * MINUTE)
    assert shown(mails) == {(0, CREATED): 6, (0, "accepted"): 2, (1, "dead"): 1}


def test_what_was_committed_late_is_found_when_its_hour_is_counted_for_good(mails: Mails) -> None:
    mails.add(1, created_at=NOON)
    count(mails, NOON + 30 * MINUTE)
    mails.add(4, created_at=NOON + MINUTE, state=DeliveryState.ACCEPTED, settled_at=NOON + 3 * MINUTE)
    count(mails, NOON + 60 * MINUTE)
    assert shown(mails) == {(0, CREATED): 1}, "it came too late to be counted as it went"
    count(mails, NOON + 71 * MINUTE)
    assert shown(mails) == {(0, CREATED): 5, (0, "accepted"): 4}
    count(mails, NOON + 72 * MINUTE)
    assert shown(mails) == {(0, CREATED): 5, (0, "accepted"): 4}, "once"


def test_an_hour_is_not_over_while_a_run_that_began_in_it_is_carried_out(mails: Mails) -> None:
    with mails.database.write() as db:
        at_work = {"program_id": mails.program_id, "campaign": "news", "version_id": mails.version_id}
        db.execute(sa.insert(runs), at_work | {"slot": "2026-03-02T12:50", "as_of": NOON, "state": "running"})
    mails.add(1, created_at=NOON)
    count(mails, NOON + 75 * MINUTE)
    mails.add(9, created_at=NOON)  # of a chunk that is written now
    count(mails, NOON + 76 * MINUTE)
    assert shown(mails)[0, CREATED] == 1
    with mails.database.write() as db:
        db.execute(sa.update(runs).values(state="done"))
    count(mails, NOON + 77 * MINUTE)
    assert shown(mails)[0, CREATED] == 10


def test_history_is_counted_hour_by_hour_as_far_as_there_is_any(mails: Mails) -> None:
    for ago in (90, 50, 49, 3):
        mails.add(ago, created_at=NOON - ago * HOUR, state=DeliveryState.ACCEPTED, settled_at=NOON - ago * HOUR)
    calls = 1
    while count(mails, NOON):
        calls += 1
    assert calls <= 4, "a day at a time, and days without a mail take no time"
    assert shown(mails) == {(-ago, state): ago for ago in (90, 50, 49, 3) for state in (CREATED, "accepted")}
    with mails.database.read() as db:
        assert totals(db, mails.program_id, NOON - 50 * HOUR) == {"news": {CREATED: 102, "accepted": 102}}
        assert totals(db, mails.program_id, NOON - 50 * HOUR, ["other"]) == {}


def test_counts_stay_when_the_mails_are_gone(mails: Mails) -> None:
    mails.add(2, created_at=NOON, state=DeliveryState.ACCEPTED, settled_at=NOON)
    count(mails, NOON + 2 * HOUR)
    with mails.database.write() as db:
        db.execute(sa.delete(deliveries))
    mails.add(1, created_at=NOON + 5 * HOUR)
    count(mails, NOON + 9 * HOUR)
    assert shown(mails)[0, "accepted"] == 2


def test_ids_are_found_by_when_they_were_written(mails: Mails) -> None:
    for minute in range(50):
        mails.add(1, created_at=NOON + minute * MINUTE)
    with mails.database.write() as db:
        db.execute(sa.delete(deliveries).where(deliveries.c.id.between(10, 20)))
    with mails.database.read() as db:
        written = db.execute(sa.select(deliveries.c.id, deliveries.c.created_at).order_by(deliveries.c.id)).all()
        for id_, at in written:
            assert first_id(db, at) in range(id_ - 11, id_ + 1)
            assert first_id(db, at + timedelta(seconds=1)) > id_
        assert first_id(db, NOON - HOUR) == written[0].id
        assert first_id(db, NOON + HOUR) == written[-1].id + 1
        assert db.execute(sa.select(sa.func.count()).select_from(delivery_counts)).scalar_one() == 0
