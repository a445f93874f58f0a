"""Moments that are rare and were each seen to lose, double or hide a mail once."""

import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.domain.errors import ServiceUnreachable
from engage.domain.facts import Feed
from engage.domain.messages import Outcome, SendResult
from engage.pipeline import answers as answering
from engage.pipeline import deliver as delivering
from engage.providers.addresses import without_personal_data
from engage.providers.sendgrid_wire import read_answer
from engage.queueing import Lane
from engage.store import tables
from engage.store.database import Database
from engage.store.journal import Journal
from engage.workers.heart import start_heart
from tests.pipeline.test_delivering import Hooked, reasons, sweeps, won
from tests.pipeline.test_merged_partners import NEWSLETTER, merges, starts_run
from tests.support.engage import START, Engage
from tests.support.journeys import rereads
from tests.support.waiting import wait_for


@pytest.fixture
def provider(engage: Engage) -> Hooked:
    hooked = Hooked()
    engage.provider = engage.services.provider = hooked
    return hooked


def due_ids(engage: Engage) -> list[tuple[list[int], Lane]]:
    """Matches what waits; the deliveries that come of it, in order of arrival."""
    found = []
    while engage.queue.waiting:
        task, ids, lane = engage.queue.waiting.popleft()
        if task == "match":
            engage.services.match(ids)
        else:
            found.append((ids, lane))
    return found


@pytest.mark.parametrize(
    "answer",
    [
        SendResult(Outcome.DEAD, status=550, detail=without_personal_data("550 Empf\udce4nger unbekannt")),
        read_answer(503, {}, b"\x00\x1b[31m busy", START),
    ],
    ids=["half a character", "NUL"],
)
def test_whatever_bytes_a_server_says_the_answers_of_its_batch_are_stored(
    engage: Engage, provider: Hooked, answer: SendResult
) -> None:
    provider.answers["bo@example.com"] = answer
    won(engage, "ann", "bo", "cy")
    engage.work()
    assert engage.partner_states() == {"ann": "accepted", "bo": answer.outcome.value, "cy": "accepted"}


def test_a_commit_of_sending_whose_answer_is_lost_leaves_no_unknown(
    engage: Engage, provider: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = engage.services.database.engine.dialect
    commit, begin, begun = dialect.do_commit, delivering.begin_sending, list[int]()

    def begins(*arguments: object) -> object:
        begun.append(len(provider.messages))
        return begin(*arguments)  # type: ignore[arg-type]

    def commits(connection: object) -> None:
        commit(connection)  # type: ignore[arg-type]
        if len(begun) == 1:
            begun.append(0)
            raise dialect.dbapi.OperationalError("server closed the connection unexpectedly")  # type: ignore[union-attr]

    monkeypatch.setattr(delivering, "begin_sending", begins)
    monkeypatch.setattr(dialect, "do_commit", commits)
    won(engage, "ann", "bo")
    with pytest.raises(ServiceUnreachable):
        engage.work()
    for _round in range(3):
        sweeps(engage, timedelta(minutes=3))
    assert engage.partner_states() == {"ann": "accepted", "bo": "accepted"}
    assert len(provider.messages) == 2, "each once"


def test_a_worker_that_slept_after_its_commit_sends_nothing(
    engage: Engage, provider: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    won(engage, "ann")

    def sleeps(name: str) -> None:
        if name == "sending-committed":
            engage.now += timedelta(minutes=3)
            engage.services.sweep()

    monkeypatch.setattr(delivering, "failpoint", sleeps)
    engage.work()
    assert (provider.messages, engage.partner_states()) == ([], {"ann": "unknown"})


def test_a_worker_that_is_to_end_while_it_waits_for_places_begins_nothing(engage: Engage, provider: Hooked) -> None:
    won(engage, "ann")
    working = threading.Thread(target=engage.work)
    with engage.services.places.take(32):
        working.start()
        wait_for(lambda: engage.partner_states() == {"ann": "claimed"}, "the delivery to be claimed")
        engage.services.stopping.set()
    working.join()
    assert (provider.messages, engage.partner_states()) == ([], {"ann": "pending"})


@pytest.fixture
def stumbles(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Storing answers fails once, with this error."""

    def once(error: Exception) -> None:
        settle, errors = answering.settle, [error]

        def stumbling(*arguments: object) -> set[int]:
            if errors:
                raise errors.pop()
            return settle(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(answering, "settle", stumbling)
        monkeypatch.setattr(answering, "_LOOK_AGAIN_SECONDS", 0)

    return once


def test_a_deadlock_while_a_worker_ends_leaves_no_unknown(
    engage: Engage, provider: Hooked, stumbles: Callable[[Exception], None]
) -> None:
    stumbles(sa.exc.OperationalError("UPDATE", {}, Exception("deadlock detected")))
    provider.answers["ann@example.com"] = SendResult(Outcome.RETRY, status=503, detail="503")
    provider.meanwhile = engage.services.stopping.set
    won(engage, "ann")
    engage.work()
    assert engage.partner_states() == {"ann": "retry"}


def test_what_a_bug_keeps_from_being_stored_is_replayed_from_the_journal(
    engage: Engage, stumbles: Callable[[Exception], None]
) -> None:
    stumbles(KeyError("overlooked"))
    won(engage, "ann")
    engage.work()
    engage.services.replay_journal()
    assert engage.partner_states() == {"ann": "accepted"}


def test_a_journal_that_cannot_be_emptied_is_nobodys_fault(
    engage: Engage, stumbles: Callable[[Exception], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    names = [f"p{number}" for number in range(10)]
    won(engage, *names)
    ids = [id_ for ids, _ in due_ids(engage) for id_ in ids]
    stumbles(sa.exc.OperationalError("UPDATE", {}, Exception("gone")))
    engage.services.journal.make_room()
    monkeypatch.setattr(os, "fdatasync", broken)
    engage.services.deliver(ids, Lane.TRANSACTIONAL)
    assert engage.partner_states() == dict.fromkeys(names, "accepted")
    assert not any(reasons(engage))


def test_an_import_ends_in_the_moment_in_which_a_file_has_changed(engage: Engage) -> None:
    rereads(engage)  # what is read is stored, in a transaction of its own
    engage.services.imported(engage.program, [Feed.LOGINS])
    assert engage.count(tables.feed_readings)


def test_the_heart_beats_on_whatever_fails(engage: Engage, monkeypatch: pytest.MonkeyPatch) -> None:
    replays = []

    def broken() -> None:
        replays.append(1)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("engage.workers.heart.HEARTBEAT", timedelta(milliseconds=1))
    monkeypatch.setattr(engage.services, "replay_journal", broken)
    with start_heart(engage.services, "worker"):
        wait_for(lambda: len(replays) > 2, "the heart to beat on")


def test_a_journal_left_on_a_disk_that_is_read_only_is_replayed_all_the_same(
    engage: Engage, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Journal(engage.services.settings.data_dir / "journal")
    left.make_room()
    assert left._file is not None
    os.close(left._file)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", read_only)
    engage.services.replay_journal()
    assert list(left.left_behind()) == []


def test_what_the_merged_partner_has_got_is_not_sent_to_the_survivor(engage: Engage, provider: Hooked) -> None:
    engage.partner("ann")
    engage.partner("twin")
    starts_run(engage, NEWSLETTER)
    d = tables.deliveries.c
    with engage.services.database.read() as db:
        ids = {name: id_ for id_, name in db.execute(sa.select(d.id, d.recipient))}
    engage.queue.waiting.clear()
    engage.services.deliver([ids["partner:twin"]], Lane.BULK)
    merges(engage)
    engage.services.deliver([ids["partner:ann"]], Lane.BULK)
    assert [mail.to.email for mail in provider.messages] == ["twin@example.com"]


def test_one_change_told_of_two_referrals_that_turn_out_to_be_one_is_one_mail(engage: Engage, provider: Hooked) -> None:
    engage.partner("ann")
    for referral in ("deal", "copy"):
        engage.refers("ann", referral)
        engage.becomes("ann", referral, "won")
    (of_deal, lane), (of_copy, _) = due_ids(engage)
    engage.services.deliver(of_copy, lane)
    merges(engage, "copy", "deal", "referral")
    engage.services.deliver(of_deal, lane)
    assert len(provider.messages) == 1


def test_what_is_not_to_be_let_out_is_held_although_its_lease_was_lost_once(
    start: Callable[[str], Engage], monkeypatch: pytest.MonkeyPatch
) -> None:
    engage = start("nobody")
    won(engage, "ann")
    recheck, sleeps = delivering.recheck, [True]

    def slow(*arguments: object) -> object:
        if sleeps and sleeps.pop():
            db = arguments[0]
            d = tables.deliveries
            db.execute(sa.update(d).values(state="pending", lease=None, lease_until=None))  # type: ignore[attr-defined]
        return recheck(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(delivering, "recheck", slow)
    engage.work()
    for _round in range(4):
        sweeps(engage, timedelta(minutes=3))
    assert engage.partner_states() == {"ann": "held"}


def test_an_error_of_the_database_carries_no_mail_into_the_log(engage: Engage) -> None:
    wrong = sa.text("SELECT * FROM nowhere WHERE html = :html")
    with engage.services.database.engine.connect() as db, pytest.raises(sa.exc.DBAPIError) as error:
        db.execute(wrong, {"html": "Dear Ann"})
    assert "Dear Ann" not in str(error.value)


def test_a_database_that_has_become_read_only_is_away(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(ServiceUnreachable, match="read-only"), database.write() as db:  # noqa: PT012 - first comes the state
        db.execute(sa.text("SET TRANSACTION READ ONLY"))
        db.execute(sa.delete(tables.heartbeats))
    database.close()
