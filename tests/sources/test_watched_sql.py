"""Watching a CRM's database: what is taken, once, and what is news."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.errors import EngageError
from engage.sources.watched import SourceChanged, SourceDown
from engage.store import tables
from tests.support.crm import SOURCES, Watching, standing
from tests.support.engage import START

MINUTE = timedelta(minutes=1)


def test_the_first_reading_is_silent_and_what_comes_after_it_is_news(watching: Watching) -> None:
    watching.crm.contact("ann", START - timedelta(days=9))
    watching.crm.deal("acme", "Won", START - timedelta(hours=1))
    watching.polls()
    assert watching.changes() == [("acme", "won")]
    assert watching.news() == []

    watching.crm.deal("brix", "Won", watching.engage.now)
    watching.polls()
    assert watching.changes() == [("acme", "won"), ("brix", "won")]
    (mail,) = watching.engage.work()
    assert mail.to.email == "ann@example.com"


def test_a_row_is_taken_once_however_often_it_is_read(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "Offer", START)
    _, first = watching.polls()
    assert (first.read, first.accepted) == (1, 1)
    _, second = watching.polls()
    assert (second.read, second.known, second.accepted) == (1, 1, 0)


def test_equal_cursor_values_are_all_taken_whenever_they_come(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "Offer", START)
    watching.polls()
    for name in ("brix", "calm"):
        watching.crm.deal(name, "Offer", START)
    watching.polls()
    assert sorted(watching.statuses()) == ["acme", "brix", "calm"]


def test_what_is_committed_late_is_found_within_the_overlap(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("late", "New", START - timedelta(hours=1))
    with watching.crm.engine.connect() as slow:
        if slow.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer at a time")
        slow.execute(sa.text("UPDATE deals SET stage = 'Won', updated_at = :at"), {"at": START})
        watching.polls()
        watching.crm.deal("brix", "Won", START + 3 * MINUTE)
        watching.polls()
        slow.commit()
    watching.polls()
    assert watching.statuses() == {"late": "won", "brix": "won"}


def test_a_row_from_before_the_overlap_is_not_read_again_and_its_hash_is_forgotten(watching: Watching) -> None:
    watching.crm.contact("ann", START - timedelta(days=3))
    watching.crm.deal("old", "Offer", START - timedelta(days=2))
    watching.crm.deal("new", "Offer", START)
    watching.polls()
    _, again = watching.polls()
    assert again.read == 1
    assert watching.engage.count(tables.source_rows) == 2  # one contact, one deal


def test_a_row_that_is_dated_in_the_future_hides_nothing(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("mistyped", "Offer", START + timedelta(days=4000))
    watching.polls()
    watching.crm.deal("brix", "Offer", watching.engage.now)
    watching.polls()
    watching.polls()
    assert sorted(watching.statuses()) == ["brix", "mistyped"]
    assert len(watching.changes()) == 2


def test_many_rows_are_taken_in_batches_in_the_order_of_the_cursor(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    rows = [{"id": f"d{n}", "at": watching.crm.instant(START - n * MINUTE)} for n in range(1201)]
    with watching.crm.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO deals VALUES (:id, 'ann', 'New', :at)"), rows)
    _, polled = watching.polls()
    assert polled.accepted == 1201
    assert watching.changes()[0] == ("d1200", "submitted")
    assert watching.changes()[-1] == ("d0", "submitted")


def test_numbers_are_cursors_too(watching: Watching) -> None:
    watching.crm.execute("CREATE TABLE history (seq bigint, deal text, stage text, at text)")
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "New", START - timedelta(days=1))
    history = """
  - source: history
    url: {env: CRM_DATABASE_URL}
    query: SELECT * FROM history
    cursor: seq
    overlap: 2
    status: {referral: deal, status: {column: stage, map: {Won: won, Lost: lost}}, at: at}
"""
    watching.says(SOURCES + history)
    add = "INSERT INTO history VALUES (:seq, 'acme', :stage, :at)"
    for seq in (5, 9, 10):
        watching.crm.execute(add, seq=seq, stage="Lost", at=(START + seq * MINUTE).isoformat())
    watching.polls()
    watching.crm.execute(add, seq=8, stage="Won", at=(START + timedelta(hours=1)).isoformat())
    watching.crm.execute(add, seq=7, stage="Won", at=(START + timedelta(hours=2)).isoformat())
    polled = watching.polls("history")[0]
    assert (polled.read, polled.known, polled.accepted) == (3, 2, 1), "from 8 on; 7 is beyond the overlap"
    assert watching.statuses() == {"acme": "won"}


# -- rejected rows -----------------------------------------------------------------------------------------------------


def test_a_referral_whose_partner_comes_a_poll_later_is_not_lost(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.polls()
    watching.crm.deal("acme", "Won", watching.engage.now, contact="bob")
    watching.polls()
    assert [key for key, _ in watching.rejects()] == ["acme"]
    assert "partner 'bob' is not known" in watching.rejects()[0][1]

    watching.crm.contact("bob", watching.engage.now)
    _, polled = watching.polls()
    assert polled.retried == 1
    assert watching.rejects() == []
    assert [mail.to.email for mail in watching.engage.work()] == ["bob@example.com"]


def test_what_was_rejected_in_the_silent_reading_is_no_news_when_it_is_taken(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "Won", START, contact="bob")
    watching.polls()
    watching.crm.contact("bob", watching.engage.now)
    watching.polls()
    watching.polls()
    assert watching.statuses() == {"acme": "won"}
    assert watching.engage.work() == []


def test_a_newer_version_of_a_rejected_row_takes_its_place(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "Maybe", START)
    watching.polls()
    assert watching.rejects() == [("acme", "status: 'Maybe' is not in the map; it has New, Offer, Won, Lost")]
    watching.crm.deal("acme", "Perhaps", watching.engage.now)
    watching.polls()
    assert [reason[:17] for _, reason in watching.rejects()] == ["status: 'Perhaps'"]
    watching.crm.deal("acme", "Offer", watching.engage.now)
    watching.polls()
    assert watching.rejects() == []
    assert watching.statuses() == {"acme": "opportunity"}


# -- several pollers ---------------------------------------------------------------------------------------------------


def test_a_poller_that_was_overtaken_writes_nothing_and_stops(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.polls()
    for name in ("acme", "brix"):
        watching.crm.deal(name, "Won", watching.engage.now)
    services = watching.engage.services
    source = services.sources().find("crm-deals")
    observe = services.watcher._poller.observe
    tries = []

    def slow(*args: object, **more: object) -> object:
        """While the first poller takes its batch, its time runs out and a second one does all the work."""
        tries.append(1)
        return observe(*args, **more)  # type: ignore[arg-type]

    class Interrupted(Exception):
        pass

    sources = services.watcher.running(services.library().programs)
    states = services.watcher._states([source], services.library().program_ids)
    assert watching.polls("crm-deals")[0].accepted == 2
    # a hint with what was true before: the claim finds that the version has moved
    assert services.watcher._poll(source, services.library().scopes()[source.program.key], states["crm-deals"]) is None
    assert len(watching.changes()) == 2
    assert sources.find("crm-deals").name == "crm-deals"
