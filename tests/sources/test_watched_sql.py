"""Watching a CRM's database: what is taken, once, and what is news."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.sources.polling import Turn
from engage.sources.watched import Overtaken, SourceChanged, SourceDown
from engage.store import tables
from engage.store.intake import Intake
from tests.support.crm import SOURCES, Watching, standing
from tests.support.engage import START

MINUTE = timedelta(minutes=1)

on_postgres = pytest.mark.parametrize("watching", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)


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


@on_postgres  # SQLite has one writer at a time
def test_what_is_committed_late_is_found_within_the_overlap(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("late", "New", START - timedelta(hours=1))
    with watching.crm.engine.connect() as slow:
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
    watching.crm.deal("acme", "Won", watching.engage.now)
    services = watching.engage.services
    source, scope = services.sources().find("crm-deals"), services.library().scope(1)
    assert scope is not None
    turn = Turn(source, watching.state(), services.clock)  # this poller has claimed the source, and is slow
    assert watching.polls("crm-deals")[0].accepted == 1

    with pytest.raises(Overtaken):
        services.watcher.poller.poll(source, scope, turn)  # type: ignore[arg-type]
    assert watching.changes() == [("acme", "won")]
    assert watching.engage.count(tables.source_rows) == 2


def test_a_source_that_was_polled_in_the_meantime_is_not_polled_again(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.polls()
    services = watching.engage.services
    services.poll_due()
    assert [(task, len(ids)) for task, ids, _ in watching.engage.queue.waiting] == [("poll", 2)]
    services.poll_due()
    watching.engage.work()
    assert watching.state().version == 4, "a claim and an end, for each of two polls"


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_databases_are_read_for_the_first_time_in_the_order_of_the_file(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "Won", START)
    assert standing(watching) == {"crm-partners": "new", "crm-deals": "waiting"}
    for _ in range(2):
        watching.engage.services.poll_due()
        watching.engage.work()
    assert standing(watching) == {"crm-partners": "ok", "crm-deals": "ok"}
    assert watching.rejects() == []


def test_a_source_that_is_down_is_tried_again_and_goes_on_when_it_is_back(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.crm.contact("ann", START)
    watching.polls()
    heard = watching.engage.count(tables.feed_readings)
    watching.crm.deal("acme", "Won", watching.engage.now)
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql://reader:secret@127.0.0.1:1/crm")
    for failures in (1, 2):
        watching.engage.now += 16 * MINUTE
        with pytest.raises(SourceDown, match="Connection refused") as caught:
            watching.polls("crm-deals")
        assert "secret" not in str(caught.value)
        assert (watching.state().failures, watching.state().held) == (failures, False)
    assert watching.state().next_poll_at <= watching.engage.now + 15 * MINUTE
    assert standing(watching)["crm-deals"] == "failing"
    assert watching.engage.count(tables.feed_readings) == heard, "nobody heard of the feed"

    monkeypatch.setenv("CRM_DATABASE_URL", watching.crm.url)
    watching.polls("crm-deals")
    assert watching.statuses() == {"acme": "won"}
    assert (watching.state().failures, watching.state().error) == (0, None)


def test_an_outage_is_logged_once(
    watching: Watching, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watching.crm.contact("ann", START)
    watching.polls()
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql://reader:secret@127.0.0.1:1/crm")
    for _ in range(3):
        with pytest.raises(SourceDown):
            watching.polls("crm-deals")
    said = capsys.readouterr()
    assert (said.out + said.err).count("source_down") == 1
    assert "secret" not in said.out + said.err


def test_a_changed_shape_holds_that_source_alone_until_it_is_mended(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "New", START)
    watching.polls()
    watching.crm.execute("ALTER TABLE deals RENAME COLUMN stage TO phase")
    with pytest.raises(SourceChanged, match=r"no column 'stage'; known are id, contact, phase, updated_at"):
        watching.polls("crm-deals")
    assert watching.state().held
    assert watching.polls("crm-partners")[0].read == 1
    assert standing(watching) == {"crm-partners": "ok", "crm-deals": "held"}

    watching.crm.execute("ALTER TABLE deals RENAME COLUMN phase TO stage")
    watching.crm.deal("acme", "Won", watching.engage.now)
    watching.polls("crm-deals")
    assert watching.statuses() == {"acme": "won"}
    assert not watching.state().held


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("SELECT * FROM deals", "SELECT * FROM dials", "the query failed: .*dials"),
        ("SELECT * FROM deals", "SELECT id, FROM deals", "the query failed: .*syntax error"),
        ("SELECT * FROM deals\n    cursor: updated_at", "SELECT * FROM deals\n    cursor: changed_at", "'changed_at'"),
        (
            "SELECT * FROM deals\n    cursor: updated_at",
            "SELECT * FROM deals\n    cursor: id",
            "'acme', .* not an instant",
        ),
        ("SELECT * FROM deals", "SELECT * FROM deals\n    overlap: 100", "holds instants, and overlap is a number"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(watching: Watching, old: str, new: str, said: str) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "New", START)
    watching.says(SOURCES.replace(old, new))
    with pytest.raises(SourceChanged, match=said):
        watching.polls()


@on_postgres  # SQLite has no users
def test_what_the_user_may_not_read_is_to_be_granted(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = "&" if "?" in watching.crm.url else "?"
    monkeypatch.setenv("CRM_DATABASE_URL", f"{watching.crm.url}{mark}options=-crole%3Dpg_monitor")
    with pytest.raises(SourceChanged, match=r"permission denied for table contacts; let .* read it, with GRANT SELECT"):
        watching.polls("crm-partners")


@pytest.mark.parametrize("password", ["pa@ss/w", "p@", "a?b@c"])
def test_a_password_that_would_be_taken_for_a_host_is_refused_and_not_shown(
    watching: Watching, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("CRM_DATABASE_URL", f"postgresql://reader:{password}@127.0.0.1:1/crm")
    with pytest.raises(SourceChanged, match=r"CRM_DATABASE_URL has a second @; .* written %40 %3A %2F %25") as caught:
        watching.polls("crm-partners")
    assert password not in str(caught.value)


def test_what_was_tried_and_when_it_will_be_again_is_known(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_DATABASE_URL")
    with pytest.raises(SourceChanged):
        watching.polls("crm-partners")
    partners, deals = watching.engage.services.standings()
    assert partners.tried_at == START
    assert partners.next_at is not None
    assert START <= partners.next_at <= START + MINUTE
    assert (deals.after, deals.waits) == (
        "crm-partners",
        ("waits until crm-partners has been read for the first time",),
    )


def test_a_row_without_a_cursor_value_is_said(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.execute("INSERT INTO deals VALUES ('acme', 'ann', 'New', NULL)")
    with pytest.raises(SourceChanged, match=r"rows without updated_at.*coalesce"):
        watching.polls()


def test_a_database_that_is_not_there_is_not_made(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = watching.path.with_name("missing.db")
    monkeypatch.setenv("CRM_DATABASE_URL", f"sqlite:///{missing}")
    with pytest.raises(SourceDown, match="unable to open"):
        watching.polls()
    assert not missing.exists()
    monkeypatch.delenv("CRM_DATABASE_URL")
    with pytest.raises(SourceChanged, match="CRM_DATABASE_URL is not set"):
        watching.polls()


def test_a_feed_is_heard_with_each_poll_and_noted_now_and_then(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    for _ in range(7):
        watching.polls()
    assert watching.engage.count(tables.feed_readings) == 2


def test_a_query_may_hold_colons_and_percents_and_comments(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.crm.deal("acme", "New", START)
    query = "|\n      -- all of them\n      SELECT * FROM deals WHERE id <> ':x' AND id NOT LIKE '50%' -- but one"
    watching.says(SOURCES.replace("SELECT * FROM deals", query))
    watching.polls()
    assert watching.statuses() == {"acme": "submitted"}


def test_a_fault_of_engage_is_noted_where_operators_look_and_loses_nothing(watching: Watching) -> None:
    watching.crm.contact("ann", START)
    watching.polls()
    watching.crm.deal("acme", "Won", START)
    watcher = watching.engage.services.watcher
    sound = watcher.poller

    def faulty(*_: object, **__: object) -> Intake:
        raise TypeError("a fault")

    watcher.poller = replace(sound, observe=faulty)
    with pytest.raises(TypeError):
        watching.polls()
    assert any(
        "a fault in engage: TypeError('a fault')" in (one.error or "") for one in watching.engage.services.standings()
    )
    watcher.poller = sound
    watching.polls()
    assert watching.statuses() == {"acme": "won"}
