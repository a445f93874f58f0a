"""A burst of status changes is stored, mails nobody, and waits until an operator releases or drops it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from engage.domain.accounts import COMMAND_LINE
from engage.domain.errors import InputError
from engage.domain.records import PartnerRecord, ReferralRecord, RewardRecord
from engage.facts import Scope
from engage.pipeline.holding import HoldId, Outlook, drop, release
from engage.pipeline.library import Library
from engage.pipeline.observing import observe
from engage.signing import Signer
from engage.store import tables
from engage.store.holds import held_bursts
from tests.support.engage import START, Engage
from tests.support.intake import Store

LIMIT = 3
SIGNER = Signer(["of tests"])


@pytest.fixture
def authored(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    program = authored[0] / "program.yaml"
    program.write_text(program.read_text() + f"\n    limits: {{status_changes_per_hour: {LIMIT}}}\n")
    return authored


def told(engage: Engage, *referrals: str, status: str = "won", source: str = "crm", days_ago: float = 0) -> None:
    """In one batch, a source tells that these referrals of Ann's have reached a status."""
    at = engage.now - timedelta(days=days_ago)
    rows = [[ReferralRecord(name, "ann", lead_company=name, status=status, status_at=at)] for name in referrals]
    engage.services.take(engage.program, rows, source=source, news=True)


def released(engage: Engage, *ids: str) -> str:
    """What the operator reads when releasing."""
    return "; ".join(one.message for one in engage.services.release([HoldId.parse(id_) for id_ in ids], "meant"))


def dropped(engage: Engage, *ids: str, why: str = "not meant") -> str:
    return "; ".join(one.message for one in engage.services.drop([HoldId.parse(id_) for id_ in ids], why))


def messages(engage: Engage) -> dict[str, str]:
    return {str(hold.id): hold.message for hold in engage.services.held()}


def test_a_burst_mails_nobody_until_it_is_released(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    assert engage.work() == []
    assert engage.count(tables.enrollments) == 0
    said = released(engage, "changes-1")
    assert (
        said == "changes-1 is released: of 4 status changes from 'crm', 4 may send mail and 0 are too old to send any"
    )
    assert len(engage.work()) == 4
    assert engage.services.held() == []


def test_what_is_held_says_what_came_and_from_where_and_keeps_current(engage: Engage) -> None:
    engage.partner()
    engage.partner("bob")
    told(engage, "a", "b")
    engage.work()
    engage.takes(ReferralRecord("z", "bob", status="won", status_at=engage.now))  # of another source
    told(engage, "c", "d", status="lost")
    came = "4 status changes came from 'crm' within an hour (limit 3)"
    assert messages(engage) == {"changes-1": f"{came}; now held: 2 (2 to lost) of 2 referrals and 1 partner"}
    engage.now += timedelta(hours=30)
    told(engage, "e", "c", "d")
    (hold,) = engage.services.held()
    assert hold.message == f"{came}; now held: 5 (3 to won, 2 to lost) of 3 referrals and 1 partner"
    assert (hold.of, hold.since) == ("crm", START)
    assert hold.outlook == Outlook(may_send=3, too_old=0)  # nothing is mailed about a loss


def test_what_the_source_told_of_just_before_waits_as_long_as_no_campaign_has_heard_of_it(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b")
    told(engage, "y", source="portal")
    told(engage, "c", "d")
    assert len(engage.work()) == 1  # the portal's
    assert "now held: 4 (4 to won)" in messages(engage)["changes-1"]
    released(engage, "changes-1")
    told(engage, "e", "f", "g", "h")  # another burst, which does not take back what was released
    assert len(engage.work()) == 4
    assert "now held: 4 (4 to won)" in messages(engage)["changes-2"]


def test_facts_know_at_once_what_is_held(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    v = tables.referral_versions.c
    with engage.services.database.read() as db:
        assert db.execute(sa.select(sa.func.count()).where(v.kind == "won")).scalar_one() == 4


def test_up_to_the_limit_within_an_hour_all_goes_through(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c")
    engage.now += timedelta(hours=1)
    told(engage, "d", "e", "f")
    assert len(engage.work()) == 6
    engage.now += timedelta(minutes=59)
    told(engage, "g")
    assert engage.work() == []
    assert list(messages(engage)) == ["changes-1"]


def test_what_was_counted_long_ago_is_forgotten(engage: Engage) -> None:
    engage.partner()
    for hour in range(6):
        told(engage, f"r{hour}")
        engage.now += timedelta(hours=1)
    assert engage.count(tables.source_changes) <= 3


def test_other_sources_and_other_events_go_on(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    rows = [
        [ReferralRecord("e", "ann", status="won", status_at=engage.now)],
        [RewardRecord("r1", "ann", 125_000, earned_at=engage.now)],
    ]
    engage.services.take(engage.program, rows, source="crm", news=True)
    told(engage, "f", source="portal")
    assert sorted(mail.category for mail in engage.work()) == ["referral-won", "reward-earned"]


def test_history_is_no_burst(engage: Engage) -> None:
    engage.partner()
    at = engage.now
    engage.takes(*(ReferralRecord(f"r{n}", "ann", status="won", status_at=at) for n in range(9)), news=False)
    told(engage, "a", "b", "c")
    assert len(engage.work()) == 3


def test_a_source_may_have_a_limit_of_its_own(engage: Engage) -> None:
    engage.partner()
    rows = [[ReferralRecord(f"r{n}", "ann", status="won", status_at=engage.now)] for n in range(9)]
    engage.services.take(engage.program, rows, source="busy", news=True, limit=9)
    assert len(engage.work()) == 9


def test_what_is_released_late_is_as_old_as_it_is_by_then(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", days_ago=2)
    assert len(engage.work()) == 2
    told(engage, "c", "d")
    engage.now += timedelta(days=2)
    told(engage, "e", status="lost")
    assert "4 status changes came" in messages(engage)["changes-1"]
    assert engage.work() == []
    engage.now += timedelta(days=2)
    told(engage, "f")
    said = released(engage, "changes-1")
    assert said.endswith("of 4 status changes from 'crm', 1 may send mail and 2 are too old to send any")
    assert len(engage.work()) == 1
    assert engage.decisions()[-3:] == [("skip", "too_old"), ("skip", "too_old"), ("send", None)]


def test_what_is_dropped_stays_history_and_never_sends(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    assert dropped(engage, "changes-1", why="the CRM was cleaned up") == (
        "changes-1 is dropped: 4 status changes from 'crm' stay in the history and send nothing"
    )
    told(engage, "a", "b", "c", "d")  # told again is nothing new
    engage.now += timedelta(days=1)
    engage.services.sweep()
    assert engage.work() == []
    assert engage.services.held() == []
    h = tables.held_changes.c
    with engage.services.database.read() as db:
        assert db.execute(sa.select(h.state, h.why, h.decided_at)).one() == (
            "dropped",
            "the CRM was cleaned up",
            START,
        )


def test_once_decided_a_source_begins_to_count_anew(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    dropped(engage, "changes-1")
    told(engage, "e", "f", "g")
    assert len(engage.work()) == 3
    told(engage, "h")
    assert list(messages(engage)) == ["changes-2"]


def test_what_is_decided_twice_is_said_and_changes_nothing(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    released(engage, "changes-1")
    told(engage, "e", "f", "g", "h")
    with pytest.raises(InputError, match=r"changes-1 was released already, at 2026-03-02 15:00 UTC"):
        dropped(engage, "changes-1", "changes-2")
    assert list(messages(engage)) == ["changes-2"]
    with pytest.raises(InputError, match=r"there is no changes-9"):
        released(engage, "changes-9")
    with pytest.raises(InputError, match=r"'burst-1' is not the id of something held"):
        released(engage, "burst-1")


def test_released_changes_are_found_by_the_sweeper_when_redis_has_lost_them(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    engage.now += timedelta(minutes=1)
    released(engage, "changes-1")
    engage.queue.waiting.clear()
    engage.services.sweep()
    assert len(engage.work()) == 4


def test_the_log_says_once_that_a_source_is_held(engage: Engage) -> None:
    engage.partner()
    with capture_logs() as log:
        told(engage, "a", "b", "c", "d")
        told(engage, "e")
    (entry,) = [entry for entry in log if entry["event"] == "status_changes_held"]
    assert entry["log_level"] == "warning"
    assert (entry["id"], entry["reason"]) == (
        "changes-1",
        "4 status changes came from 'crm' within an hour (limit 3)",
    )


# -- at once -----------------------------------------------------------------------------------------------------------


def test_two_batches_at_once_cannot_both_slip_under_the_limit(database_url: str) -> None:
    store = Store(database_url)
    store.take([PartnerRecord("ann")])
    scope, ready = Scope(store.program, store.program_id), Barrier(4)

    def take(number: int) -> int:
        rows = [[ReferralRecord(f"r{number}-{n}", "ann", status="won", status_at=START)] for n in range(2)]
        ready.wait(30)
        with store.database.write() as db:
            return len(
                observe(db, scope, rows, signer=SIGNER, source="crm", news=True, now=START, limit=LIMIT).event_ids
            )

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(take, range(4))) == [0, 0, 0, 2]
    with store.database.read() as db:
        assert len(held_bursts(db)) == 1
    store.close()


def test_of_two_operators_at_once_one_decides(engage: Engage) -> None:
    engage.partner()
    told(engage, "a", "b", "c", "d")
    ready = Barrier(4)

    def decide(number: int) -> bool:
        ready.wait(30)
        try:
            (released if number % 2 else dropped)(engage, "changes-1")
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(decide, range(4))) == [False, False, False, True]
    assert len(engage.work()) in (0, 4)


# -- whatever happens --------------------------------------------------------------------------------------------------

_TOLD = st.tuples(st.just("told"), st.integers(1, 5), st.sampled_from([0, 5, 20, 60]))
_DECIDED = st.tuples(st.sampled_from(["release", "drop"]), st.just(0), st.sampled_from([0, 20]))
_numbers = count()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(_TOLD, _TOLD, _DECIDED), min_size=1, max_size=8))
def test_each_change_is_matched_held_or_dropped_exactly_once(
    database_url: str, steps: list[tuple[str, int, int]]
) -> None:
    store = Store(database_url)
    store.take([PartnerRecord("ann")])
    scope, source, now = Scope(store.program, store.program_id), f"crm-{next(_numbers)}", START
    library = Library({scope.program.key: scope.program}, {scope.program.key: scope.program_id}, {}, {}, None)  # type: ignore[arg-type]
    fresh, released_ids = list[int](), list[int]()
    let_through: list[tuple[datetime, int]] = []
    for what, changes, minutes in steps:
        now += timedelta(minutes=minutes)
        with store.database.write() as db:
            waiting = [HoldId.parse(f"changes-{burst.id}") for burst in held_bursts(db) if burst.source == source]
            if what == "told":
                rows = [
                    [ReferralRecord(f"r{next(_numbers)}", "ann", status="won", status_at=now)] for _ in range(changes)
                ]
                taken = observe(
                    db, scope, rows, signer=SIGNER, source=source, news=True, now=now, limit=LIMIT
                ).event_ids
                assert not (waiting and taken), "while a burst is held all join it"
                let_through.append((now, len(taken)))
                fresh = [*fresh, *taken] if taken else []  # a burst takes along what no campaign has heard of
            elif waiting:
                who = COMMAND_LINE
                if what == "release":
                    decided = release(db, library, waiting, "why", who, now)
                else:
                    decided = drop(db, waiting, "why", who, now)
                released_ids += [id_ for one in decided for id_ in one.event_ids]
                let_through.clear()  # counting begins anew
        assert sum(many for at, many in let_through if at > now - timedelta(hours=1)) <= LIMIT
    e, h = tables.events.c, tables.held_changes.c
    joined = tables.events.outerjoin(tables.held_changes, h.id == e.held_id)
    query = sa.select(e.id, e.unmatched, h.state).select_from(joined).where(e.source == source).order_by(e.id)
    events = store.select(query)
    assert sorted(fresh + released_ids) == [id_ for id_, unmatched, _ in events if unmatched]
    assert all(
        state in (None, "released") if unmatched else state in ("held", "dropped") for _, unmatched, state in events
    )
    store.close()
