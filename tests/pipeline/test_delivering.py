"""Deliveries under faults, in one process: nothing twice, nothing lost, and what nobody can know is seen."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from engage.bootstrap import Services
from engage.domain.deliveries import DeliveryState
from engage.domain.errors import ServiceUnreachable
from engage.domain.messages import Message, Outcome, SendResult
from engage.pipeline import answers
from engage.pipeline.compose import Composer
from engage.providers.protocol import DEADLINE
from engage.providers.smtp_mime import mime
from engage.queueing import Lane
from engage.store import tables
from engage.store.deliveries import claim
from engage.store.evidence import accept_on_evidence
from engage.store.journal import Journal
from engage.store.sending import settle
from tests.support.engage import Engage, Noting

REFUSED = SendResult(Outcome.UNKNOWN, status=500, detail="500 Internal Server Error")
BUSY = SendResult(Outcome.RETRY, status=503, detail="503 Service Unavailable")


class Hooked(Noting):
    """Calls `meanwhile` after it has taken messages and before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        taken = super().send(messages, deadline)
        self.meanwhile()
        return taken


@pytest.fixture
def provider(engage: Engage) -> Hooked:
    hooked = Hooked()
    engage.provider = engage.services.provider = hooked
    return hooked


def won(engage: Engage, *names: str) -> None:
    """Each of these partners has just won a referral."""
    for name in names:
        engage.refers(engage.partner(name), f"{name}-deal")
        engage.becomes(name, f"{name}-deal", "won")


def test_a_name_that_would_break_a_header_or_turn_the_text_around_it_is_one_line(engage: Engage) -> None:
    name = {"first_name": "Ann\r\nBcc: eve@example.com", "last_name": "\u202eLee\u2028"}
    engage.refers(engage.partner("ann", **name), "deal")
    engage.becomes("ann", "deal", "won")
    (mail,) = engage.work()
    assert mail.to.name == "Ann Bcc: eve@example.com Lee"
    assert b"\r\nBcc" not in mime(mail, engage.now)


def sweeps(engage: Engage, after: timedelta = timedelta(seconds=11)) -> list[Message]:
    engage.now += after
    engage.services.sweep()
    return engage.work()


def reasons(engage: Engage) -> list[str | None]:
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(tables.deliveries.c.reason).order_by(tables.deliveries.c.id)).scalars())


def attempts(engage: Engage) -> list[tuple[int, str | None]]:
    a = tables.attempts.c
    with engage.services.database.read() as db:
        return [(number, outcome) for number, outcome in db.execute(sa.select(a.number, a.outcome).order_by(a.id))]


# --- leases -----------------------------------------------------------------------------------------------------------


@pytest.mark.guard("lease token")
def test_a_worker_that_slept_past_its_lease_cannot_write(engage: Engage, provider: Hooked) -> None:
    won(engage, "ann")

    def sleeps() -> None:
        engage.now += timedelta(minutes=3)
        engage.services.sweep()

    provider.meanwhile = sleeps
    assert len(engage.work()) == 1
    assert engage.partner_states() == {"ann": "unknown"}
    assert reasons(engage) == ["its lease ran out before an answer was stored"]
    assert sweeps(engage, timedelta(hours=1)) == []


@pytest.mark.guard("lease token")
def test_a_worker_that_slept_before_sending_sends_nothing_that_another_has_claimed(engage: Engage) -> None:
    won(engage, "ann")
    _task, ids, _lane = engage.queue.waiting.popleft()
    engage.services.match(ids)
    (_, due, lane) = engage.queue.waiting.popleft()
    composed = Composer.compose

    def slow(self: Composer, *arguments: object) -> object:
        made = composed(self, *arguments)  # type: ignore[arg-type]
        engage.services.composer.__class__.compose = composed  # type: ignore[method-assign]
        engage.now += timedelta(minutes=3)
        engage.services.sweep()
        with engage.services.database.write() as db:  # another worker, with a lease of its own
            assert len(claim(db, due, "other", engage.now, timedelta(minutes=2), suspects=True)) == 1
        return made

    Composer.compose = slow  # type: ignore[assignment, method-assign]
    try:
        engage.services.deliver(due, lane)
    finally:
        Composer.compose = composed  # type: ignore[method-assign]
    assert engage.provider.messages == []
    assert engage.partner_states() == {"ann": "claimed"}


# --- claims that lead nowhere -----------------------------------------------------------------------------------------


@pytest.fixture
def poisonous(monkeypatch: pytest.MonkeyPatch) -> str:
    """Whatever is composed for the partner called eve breaks the composer."""
    compose = Composer.compose

    def breaks(self: Composer, db: object, library: object, claimed: Sequence[object], now: object) -> object:
        if any(one.recipient == "partner:eve" for one in claimed):  # type: ignore[attr-defined]
            raise RecursionError("maximum recursion depth exceeded")
        return compose(self, db, library, claimed, now)  # type: ignore[arg-type]

    monkeypatch.setattr(Composer, "compose", breaks)
    return "eve"


@pytest.mark.guard("poison limit")
def test_a_poisonous_delivery_ends_dead_with_its_reason_and_takes_no_other_with_it(
    engage: Engage, poisonous: str
) -> None:
    won(engage, "ann", poisonous, "bob")
    engage.work()
    for _round in range(3):
        sweeps(engage, timedelta(minutes=1))
    assert engage.partner_states() == {"ann": "accepted", "eve": "dead", "bob": "accepted"}
    (reason,) = (reason for reason in reasons(engage) if reason)
    assert "3 times" in reason
    assert "RecursionError" in reason
    assert [message.to.email for message in engage.provider.messages] == ["ann@example.com", "bob@example.com"]


@pytest.mark.guard("poison limit")
def test_a_delivery_whose_workers_die_each_time_ends_dead(engage: Engage) -> None:
    won(engage, "ann")
    _task, ids, _lane = engage.queue.waiting.popleft()
    engage.services.match(ids)
    (_, due, _) = engage.queue.waiting.popleft()
    for number in range(3):
        assert engage.partner_states() == {"ann": "pending"}
        with engage.services.database.write() as db:
            claim(db, due, f"worker {number}", engage.now, timedelta(minutes=2), suspects=number > 0)
        engage.now += timedelta(minutes=3)
        engage.services.sweep()
    assert engage.partner_states() == {"ann": "dead"}
    engage.queue.waiting.clear()


def test_an_outage_of_the_database_counts_against_nobody(engage: Engage, monkeypatch: pytest.MonkeyPatch) -> None:
    won(engage, "ann")
    compose = Composer.compose

    def away(*_: object) -> object:
        raise ServiceUnreachable("the database is away")

    for _round in range(6):
        monkeypatch.setattr(Composer, "compose", away)
        with pytest.raises(ServiceUnreachable):
            engage.work()
        engage.now += timedelta(seconds=11)
        engage.services.sweep()
    monkeypatch.setattr(Composer, "compose", compose)
    assert len(engage.work()) == 1


def test_what_was_not_sent_in_time_ends_as_expired_with_the_decision(engage: Engage) -> None:
    won(engage, "ann")
    _task, ids, _lane = engage.queue.waiting.popleft()
    engage.services.match(ids)
    engage.queue.waiting.clear()
    assert sweeps(engage, timedelta(days=30)) == []
    assert engage.partner_states() == {"ann": "expired"}
    assert engage.decisions()[-1] == ("skip", "expired")


# --- being told to stop -----------------------------------------------------------------------------------------------


def test_a_worker_told_to_stop_finishes_its_batch_and_gives_the_rest_back(engage: Engage, provider: Hooked) -> None:
    names = [f"p{number}" for number in range(9)]
    won(engage, *names)
    provider.meanwhile = engage.services.stopping.set
    sent = engage.work()
    assert 0 < len(sent) < len(names)
    assert set(engage.partner_states().values()) == {"accepted", "pending"}
    provider.meanwhile = lambda: None
    engage.services.stopping.clear()
    sweeps(engage)
    assert engage.partner_states() == dict.fromkeys(names, "accepted")
    assert len(provider.messages) == len(names), "each once"


# --- the database away after the provider's answer --------------------------------------------------------------------


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The database is away when an answer is to be stored, as often as the list has entries."""
    outages: list[bool] = []

    def perhaps(*arguments: object) -> set[int]:
        if outages and outages.pop():
            raise ServiceUnreachable("the database is away")
        return settle(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(answers, "settle", perhaps)
    monkeypatch.setattr(answers, "_LOOK_AGAIN_SECONDS", 0.001)
    return outages


def test_an_answer_is_stored_when_the_database_is_back_within_the_lease(engage: Engage, away: list[bool]) -> None:
    won(engage, "ann")
    away += [True] * 3
    engage.work()
    assert engage.partner_states() == {"ann": "accepted"}
    assert engage.services.journal.entries() == []


def test_an_answer_that_could_not_be_stored_is_replayed_at_the_next_start(
    engage: Engage, provider: Hooked, away: list[bool]
) -> None:
    won(engage, "ann", "bob")
    away += [True] * 10_000
    provider.meanwhile = engage.services.stopping.set  # the process is told to stop while the database is away
    with pytest.raises(ServiceUnreachable):
        engage.work()
    assert engage.services.journal._file is not None
    os.close(engage.services.journal._file)  # the process is gone without a word
    engage.services.journal._file = None
    away.clear()
    engage.now += timedelta(minutes=3)
    engage.services.sweep()
    assert set(engage.partner_states().values()) <= {"unknown", "pending"}

    following = Services(engage.services.settings, engage.queue, clock=lambda: engage.now)
    following.replay_journal()
    following.replay_journal()
    sent = [mail.to.email.partition("@")[0] for mail in provider.messages]
    assert {name for name, state in engage.partner_states().items() if state == "accepted"} == set(sent) != set()
    assert (1, "accepted") in attempts(engage)
    following.close()


def test_nothing_is_sent_that_could_not_be_journalled(engage: Engage, monkeypatch: pytest.MonkeyPatch) -> None:
    won(engage, "ann")

    def full(_: Journal) -> None:
        raise ServiceUnreachable("the journal cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "make_room", full)
        with pytest.raises(ServiceUnreachable):
            engage.work()
    assert (engage.provider.messages, engage.partner_states()) == ([], {"ann": "pending"})
    assert len(sweeps(engage)) == 1


# --- proof ------------------------------------------------------------------------------------------------------------


def test_proof_settles_an_unknown_and_one_that_was_to_be_sent_again(engage: Engage) -> None:
    for name in ("ann", "bob"):
        engage.provider.answers[f"{name}@example.com"] = REFUSED
    won(engage, "ann", "bob")
    engage.work()
    d = tables.deliveries.c
    with engage.services.database.write() as db:
        again = {"state": DeliveryState.PENDING, "due_at": engage.now}
        db.execute(sa.update(tables.deliveries).where(d.recipient == "partner:bob").values(again))
        ids = dict.fromkeys(db.execute(sa.select(d.id)).scalars(), "x-1")
        assert accept_on_evidence(db, ids, engage.now) == set(ids)
        assert accept_on_evidence(db, ids, engage.now) == set()
    assert engage.partner_states() == {"ann": "accepted", "bob": "accepted"}
    assert attempts(engage) == [(1, "accepted"), (1, "accepted")]
    assert sweeps(engage) == []


# --- the gate ---------------------------------------------------------------------------------------------------------


def test_an_outage_of_the_provider_burns_no_attempts_and_one_mail_is_tried_first(engage: Engage) -> None:
    names = [f"p{number}" for number in range(20)]
    for name in names:
        engage.provider.answers[f"{name}@example.com"] = BUSY
    won(engage, *names)
    engage.work()
    tried = len(engage.provider.messages)
    assert 5 <= tried < 20, "the breaker opened while the rest waited"
    assert sweeps(engage, timedelta(seconds=1)) == []
    assert len(sweeps(engage, timedelta(minutes=1))) == 1, "one is tried"
    engage.provider.answers.clear()
    for _round in range(4):
        sweeps(engage, timedelta(minutes=16))
    assert engage.partner_states() == dict.fromkeys(names, "accepted")
    assert sum(number == 1 for number, _ in attempts(engage)) == len(names)
    assert len(attempts(engage)) == len(names) + tried + 1


def test_refused_credentials_pause_everything_raise_one_alarm_and_an_operator_resumes(engage: Engage) -> None:
    names = [f"p{number}" for number in range(6)]
    for name in names:
        engage.provider.answers[f"{name}@example.com"] = SendResult(
            Outcome.RETRY, status=401, detail="401 bad key", auth_failed=True
        )
    won(engage, *names)
    engage.work()
    tried = len(engage.provider.messages)
    assert tried < len(names)
    assert engage.count(tables.alarms) == 1
    engage.provider.answers.clear()
    assert sweeps(engage, timedelta(hours=2)) == []
    with engage.services.database.write() as db:
        assert engage.services.gate.resume(db, "a new key", engage.now)
    sweeps(engage)
    assert engage.partner_states() == dict.fromkeys(names, "accepted")


def test_the_sweeper_hands_nothing_out_while_the_gate_is_shut(engage: Engage) -> None:
    won(engage, "ann")
    engage.queue.waiting.clear()
    with engage.services.database.write() as db:
        engage.services.gate.pause(db, "by hand", engage.now)
    engage.now += timedelta(seconds=11)
    engage.services.sweep()
    assert [task for task, _, _ in engage.queue.waiting if task == "deliver"] == []
    with engage.services.database.read() as db:
        ids = list(db.execute(sa.select(tables.deliveries.c.id)).scalars())
    engage.services.deliver(ids, Lane.TRANSACTIONAL)
    assert engage.provider.messages == []


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_whose_worker_is_told_to_stop_is_taken_up_where_it_was_left(
    engage: Engage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engage.pipeline.runs.BATCH", 2)
    for number in range(5):
        engage.partner(f"p{number}")
    looks = iter([False, True])
    stop = engage.services.stopping
    monkeypatch.setattr(stop, "is_set", lambda: next(looks, False))
    engage.services.run_now(engage.services.library().find("monthly-newsletter"))
    assert len(engage.states()) == 2
    sweeps(engage)
    sweeps(engage)
    assert engage.partner_states() == dict.fromkeys([f"p{number}" for number in range(5)], "accepted")
