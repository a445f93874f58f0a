"""Guards that cannot be seen while all goes well: what each is for, in the moment in which only it helps."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engage.domain.deliveries import DeliveryState
from engage.domain.messages import Mailbox, Message, SendResult
from engage.pipeline.consent import UnsubscribeLink, unsubscribe
from engage.pipeline.preferences import PreferencesLink, Wish, pause, save
from engage.pipeline.recheck import recheck
from engage.pipeline.stopping_all import stop_all
from engage.providers.protocol import DEADLINE
from engage.queueing import Lane
from engage.store import tables
from engage.store.deliveries import claim, insert_deliveries
from engage.store.people import ensure_addresses, lock_recipients
from engage.store.runs import RUNNING
from engage.store.sending import begin_sending
from tests.support.engage import Engage, Noting
from tests.support.journeys import TRIAL, write_trial
from tests.support.shipped import copy_shipped
from tests.support.waiting import wait_for

LASTING = timedelta(minutes=2)


class Meanwhile(Noting):
    """A provider that does something else before it answers."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def send(self, messages: Sequence[Message], deadline: timedelta = DEADLINE) -> list[SendResult]:
        self._act()
        return super().send(messages, deadline)


def due(engage: Engage) -> list[int]:
    """Ann has won a referral, and the mail about it is due."""
    engage.refers(engage.partner(), "acme")
    engage.becomes("ann", "acme", "won")
    engage.services.match(engage.queue.waiting.popleft()[1])
    _task, ids, _lane = engage.queue.waiting.popleft()
    return ids


def rows(engage: Engage, *columns: sa.Column[object]) -> list[tuple[object, ...]]:
    with engage.services.database.read() as db:
        return [tuple(row) for row in db.execute(sa.select(*columns))]


def any_message() -> Message:
    someone = Mailbox("ann@example.com")
    return Message("x", someone, someone, "subject", "", "")


@pytest.mark.guard("unique key")
def test_one_occasion_is_one_delivery_whoever_writes_it_twice(engage: Engage) -> None:
    due(engage)
    d = tables.deliveries
    copied = [column for column in d.c if column.name not in ("id", "state", "attempts")]
    with engage.services.database.read() as db:
        row = dict(db.execute(sa.select(*copied)).mappings().one())
    with pytest.raises(sa.exc.IntegrityError), engage.services.database.write() as db:
        insert_deliveries(db, [row])
    assert engage.count(tables.deliveries) == 1


@pytest.mark.guard("unique key")
def test_a_run_that_is_carried_out_again_after_a_crash_mails_nobody_twice(engage: Engage) -> None:
    engage.partner()
    assert len(engage.runs("monthly-newsletter")) == 1
    with engage.services.database.write() as db:
        db.execute(sa.update(tables.runs).values(state=RUNNING, started_at=engage.now - timedelta(days=1)))
    (run,) = rows(engage, tables.runs.c.id)
    engage.services.run([run[0]])  # type: ignore[list-item]
    assert engage.work() == []


@pytest.mark.guard("lease token")
def test_an_answer_that_comes_late_does_not_settle_the_attempt_of_another_worker(engage: Engage) -> None:
    ids = due(engage)

    def another_sends_it() -> None:
        engage.now += timedelta(minutes=3)
        engage.services.sweep()
        with engage.services.database.write() as db:
            d = tables.deliveries
            db.execute(sa.update(d).values(state=DeliveryState.PENDING, due_at=engage.now))  # an operator resends it
            (again,) = claim(db, ids, "another", engage.now, LASTING)
            begin_sending(db, [(again, any_message())], "another", engage.now, LASTING)

    engage.services.provider = Meanwhile(another_sends_it)
    engage.services.deliver(ids, Lane.TRANSACTIONAL)
    assert rows(engage, tables.deliveries.c.state, tables.deliveries.c.lease) == [("sending", "another")]
    assert rows(engage, tables.attempts.c.number, tables.attempts.c.outcome) == [(1, None), (2, None)]


@pytest.mark.guard("commit before send")
def test_the_attempt_is_committed_before_the_provider_hears_of_the_mail(engage: Engage) -> None:
    ids = due(engage)
    seen: list[tuple[object, ...]] = []

    def look() -> None:
        (state,), (number,) = rows(engage, tables.deliveries.c.state), rows(engage, tables.attempts.c.number)
        seen.append((*state, *number))

    engage.services.provider = Meanwhile(look)
    engage.services.deliver(ids, Lane.TRANSACTIONAL)
    assert seen == [("sending", 1)]


@pytest.mark.guard("commit before send")
def test_a_mail_whose_attempt_cannot_be_committed_does_not_go_out(engage: Engage) -> None:
    ids = due(engage)
    with engage.services.database.write() as db:
        (claimed,) = claim(db, ids, "another", engage.now, LASTING)
        begin_sending(db, [(claimed, any_message())], "another", engage.now, LASTING)
    engage.services.deliver(ids, Lane.TRANSACTIONAL)
    assert engage.provider.messages == []


@pytest.mark.guard("recipient lock")
def test_an_unsubscribe_waits_for_the_mail_that_is_being_decided(postgres_url: str, tmp_path: Path) -> None:
    engage = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    engage.partner()
    ids = made(engage, "monthly-newsletter")
    (link,) = (
        UnsubscribeLink(*found)  # type: ignore[arg-type]
        for found in rows(engage, *(tables.deliveries.c[name] for name in UnsubscribeLink.__dataclass_fields__))
    )
    assert waits_for(engage, ids, lambda db: unsubscribe(db, link, engage.now, "link", "")), (
        "it was decided with a consent that is gone when it is sent"
    )


@pytest.mark.guard("recipient lock")
@pytest.mark.parametrize(
    "choose",
    [
        lambda *at: save(*at[:3], Wish({"newsletter": False}, {}), *at[3:]),
        lambda *at: pause(*at[:3], 30, *at[3:]),
        stop_all,
    ],
    ids=["save", "pause", "stop all"],
)
def test_what_a_partner_chooses_waits_for_the_mail_that_is_being_decided(
    postgres_url: str, tmp_path: Path, choose: Callable[..., object]
) -> None:
    engage = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    engage.partner()
    ids = made(engage, "monthly-newsletter")
    d, library = tables.deliveries.c, engage.services.library()
    (link,) = (PreferencesLink(*found) for found in rows(engage, d.program_id, d.partner_id, d.address_id))  # type: ignore[arg-type]
    assert waits_for(engage, ids, lambda db: choose(db, library, link, engage.now, "")), (
        "it was decided with a wish that is gone when it is sent"
    )


@pytest.mark.guard("address lock")
def test_two_mails_to_one_address_are_decided_one_after_the_other(postgres_url: str, tmp_path: Path) -> None:
    engage = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    engage.partner("ann", email="desk@example.com")
    anns = made(engage, "monthly-newsletter")
    engage.refers(engage.partner("bob", email="desk@example.com"), "acme")
    engage.becomes("bob", "acme", "won")
    engage.services.match(engage.queue.waiting.pop()[1])
    with engage.services.database.write() as db:
        (bobs,) = claim(db, engage.queue.waiting.pop()[1], "another", engage.now, LASTING)
    assert waits_for(engage, anns, lambda db: recheck(db, engage.services.library(), [bobs], engage.now)), (
        "both have been counted at the address before either was sent"
    )


def test_what_stands_against_the_new_address_of_staff_waits_for_the_alert_that_is_being_decided(
    postgres_url: str, tmp_path: Path
) -> None:
    engage = Engage(postgres_url, tmp_path, *copy_shipped(tmp_path))
    write_trial(engage, "{alert: {to: owner, say: z}}", emails=())
    engage.partner(owner=engage.salesperson())
    ids = made(engage, TRIAL)
    engage.salesperson(email="new@example.com")
    with engage.services.database.write() as db:
        (new,) = ensure_addresses(db, ["new@example.com"]).values()
    assert waits_for(engage, ids, lambda db: lock_recipients(db, (), [new]))


def made(engage: Engage, campaign: str) -> list[int]:
    """The deliveries that a run of the campaign leads to."""
    engage.services.run_now(engage.services.library().find(campaign))
    return next(ids for task, ids, _lane in engage.queue.waiting if task == "deliver")


def waits_for(engage: Engage, ids: Sequence[int], act: Callable[[Connection], object]) -> bool:
    """Whether `act`, in a transaction of its own, waits until whoever decides on these deliveries has ended theirs."""
    done = threading.Event()

    def acts() -> None:
        with engage.services.database.write() as db:
            act(db)
        done.set()

    acting = threading.Thread(target=acts)
    with engage.services.database.write() as db:  # by itself, as in a worker: a claimed row would be a lock too
        claimed = claim(db, ids, "mine", engage.now, LASTING)
    with engage.services.database.write() as db:
        assert recheck(db, engage.services.library(), claimed, engage.now)
        acting.start()
        wait_for(lambda: done.is_set() or somebody_waits(engage), "the other to wait or to be done")
        waited = not done.is_set()
    acting.join()
    assert done.is_set()
    engage.services.close()
    return waited


def somebody_waits(engage: Engage) -> bool:
    with engage.services.database.read() as db:
        return bool(db.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())
