"""Refusals from elsewhere: taken once in any order, followed by partners to their next address, on both databases."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.consent import Refusal, SuppressionReason
from engage.domain.records import Outcome, PartnerRecord
from engage.pipeline.consent import foresee, heed
from engage.store.consent import change_subscription
from engage.store.intake.checks import normal_email
from engage.store.people import PartnerStanding, partner_standings
from engage.store.refusals import address_key
from engage.store.tables import (
    address_refusals,
    addresses,
    consent_changes,
    partners,
    subscriptions,
    suppressions,
)
from tests.support.intake import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LONG_AGO = datetime(2024, 5, 1, tzinfo=UTC)
A, ACCEPTED, UNCHANGED = "a@example.com", Outcome.ACCEPTED, Outcome.UNCHANGED


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


def taken(store: Store, *refusals: Refusal, now: datetime = NOW) -> tuple[Outcome, ...]:
    with store.database.write() as db:
        return heed(db, store.program_id, refusals, now, "import").outcomes


def standing(store: Store, name: str, as_of: datetime | None = None) -> PartnerStanding:
    with store.database.read() as db:
        id_ = db.execute(sa.select(partners.c.id).where(partners.c.external_id == name)).scalar_one()
        return partner_standings(db, [id_], as_of)[id_]


def lives_at(store: Store, name: str, email: str, at: datetime = NOW) -> None:
    store.take([PartnerRecord(name, email=email)], at=at)


def stop(email: str, reason: SuppressionReason = SuppressionReason.STOP_ALL, at: datetime | None = None) -> Refusal:
    return Refusal(email, reason, None, at, "test")


def no(email: str, topic: str = "news", at: datetime | None = LONG_AGO) -> Refusal:
    return Refusal(email, None, topic, at, "test")


def test_the_same_again_changes_nothing_dated_or_not(store: Store) -> None:
    told = [stop(A), no(A), no(A, "tips", None), stop(A, SuppressionReason.BOUNCE, LONG_AGO)]
    assert taken(store, *told) == (ACCEPTED,) * 4
    before = store.dump()
    assert taken(store, *told, now=NOW + timedelta(days=1)) == (UNCHANGED,) * 4
    assert store.dump() == before


def test_what_has_no_date_or_one_to_come_was_said_when_it_was_told(store: Store) -> None:
    lives_at(store, "ann", A, LONG_AGO)
    taken(store, no(A, "news", None), no(A, "tips", NOW + timedelta(days=9)))
    assert standing(store, "ann", NOW - timedelta(seconds=1)).refused == frozenset()
    assert standing(store, "ann", NOW).refused == {"news", "tips"}


def test_every_change_is_recorded_with_when_how_and_where_from(store: Store) -> None:
    taken(store, no(A), stop(A, SuppressionReason.COMPLAINT, LONG_AGO), no(A))
    c = consent_changes.c
    rows = store.select(sa.select(c.partner_id, c.topic, c.subscribed, c.changed_at, c.how, c.source).order_by(c.id))
    assert [tuple(row) for row in rows] == [
        (None, "news", False, LONG_AGO, "import: unsubscribe", "test"),
        (None, None, False, LONG_AGO, "import: complaint", "test"),
    ]


def test_it_holds_for_whoever_gets_the_address(store: Store) -> None:
    taken(store, no(A), stop("b@example.com"))
    lives_at(store, "ann", "A@Example.com")
    lives_at(store, "bob", "b@example.com")
    assert (standing(store, "ann").refused, standing(store, "ann").suppressed) == ({"news"}, False)
    assert standing(store, "bob").suppressed


def test_an_old_no_told_late_does_not_undo_a_later_yes(store: Store) -> None:
    lives_at(store, "ann", A)
    partner = standing(store, "ann")
    assert partner.address_id is not None
    with store.database.write() as db:
        change_subscription(
            db,
            store.program_id,
            partner.partner_id,
            partner.address_id,
            "news",
            subscribed=True,
            now=NOW,
            how="",
            source="",
        )
    taken(store, no(A), now=NOW + timedelta(days=1))
    assert standing(store, "ann").refused == frozenset()
    taken(store, no(A, at=NOW + timedelta(days=2)), now=NOW + timedelta(days=3))
    assert standing(store, "ann").refused == {"news"}


_EMAILS = st.sampled_from([A, "b@example.com"])
_AT = st.integers(0, 4).map(lambda days: LONG_AGO + timedelta(days=days))
_REFUSALS = st.lists(
    st.one_of(
        st.builds(stop, _EMAILS, st.sampled_from([SuppressionReason.STOP_ALL, SuppressionReason.BOUNCE]), _AT),
        st.builds(no, _EMAILS, st.sampled_from(["news", "tips"]), _AT),
    ),
    max_size=8,
)


def empty(store: Store) -> None:
    with store.database.write() as db:
        for table in (suppressions, address_refusals, consent_changes):
            db.execute(sa.delete(table))


def held(store: Store) -> list[object]:
    s, r, a = suppressions.c, address_refusals.c, addresses.c
    suppressed = sa.select(a.email, s.reason, s.created_at).join(addresses, a.id == s.address_id)
    refused = sa.select(a.email, r.topic, r.refused_at).join(addresses, a.id == r.address_id)
    return sorted([tuple(row) for query in (suppressed, refused) for row in store.select(query)])


def test_any_order_in_any_batches_holds_the_same_and_is_foreseen(store: Store) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(refusals=_REFUSALS, other=st.randoms(use_true_random=False), cut=st.integers(0, 8))
    def run(refusals: list[Refusal], other: Random, cut: int) -> None:
        empty(store)
        foreseen: dict[object, object] = {}
        with store.database.read() as db:
            expected = [
                outcome
                for lot in (refusals[:cut], refusals[cut:])
                for outcome in foresee(db, store.program_id, lot, NOW, foreseen).outcomes  # type: ignore[arg-type]
            ]
        assert list(taken(store, *refusals)) == expected
        whole = held(store)
        empty(store)
        shuffled: Sequence[Refusal] = other.sample(refusals, len(refusals))
        taken(store, *shuffled[:cut])
        taken(store, *shuffled[cut:])
        assert held(store) == whole
        assert whole == sorted(
            {(one.email, one.reason or one.topic): (one.email, str(one.reason or one.topic), at(refusals, one))
             for one in refusals}.values()
        )  # fmt: skip

    def at(refusals: Sequence[Refusal], one: Refusal) -> datetime | None:
        same = [x.at for x in refusals if (x.email, x.reason, x.topic) == (one.email, one.reason, one.topic) and x.at]
        return max(same) if one.topic else min(same)

    run()


@given(text=st.from_regex(r"[A-Za-z0-9_.+-]{1,8}@[a-z0-9.-]{1,8}\.[a-z]{2,5}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_an_address_has_the_form_in_which_intake_stores_it(text: str) -> None:
    with suppress(ValueError):  # what intake would refuse is never mailed
        assert address_key(text) == normal_email(text).lower()


# -- addresses change --------------------------------------------------------------------------------------------------


def test_a_refused_topic_follows_the_person_and_stays_at_the_old_address(store: Store) -> None:
    taken(store, no("old@example.com"))
    lives_at(store, "ann", "old@example.com")
    lives_at(store, "bob", "new@example.com")
    lives_at(store, "ann", "new@example.com")
    lives_at(store, "cat", "old@example.com")
    assert standing(store, "ann").refused == {"news"}
    assert standing(store, "cat").refused == {"news"}
    assert standing(store, "bob").refused == frozenset(), "it is ann's word, not his"
    lives_at(store, "ann", "third@example.com")
    assert standing(store, "ann").refused == {"news"}
    assert standing(store, "ann", LONG_AGO).refused == {"news"}, "and was said long ago"


def test_a_wish_to_get_nothing_and_a_complaint_follow_the_person(store: Store) -> None:
    for name, reason in (("ann", SuppressionReason.STOP_ALL), ("bob", SuppressionReason.COMPLAINT)):
        taken(store, stop(f"{name}@example.com", reason, LONG_AGO))
        lives_at(store, name, f"{name}@example.com", LONG_AGO)
        lives_at(store, name, f"{name}2@example.com")
        lives_at(store, "next", f"{name}@example.com")
        assert standing(store, name).suppressed
        assert standing(store, name, LONG_AGO).suppressed, "and always was"
        assert standing(store, "next").suppressed, "the old address keeps it"


@pytest.mark.parametrize("reason", [SuppressionReason.BOUNCE, SuppressionReason.INVALID])
def test_what_was_wrong_with_the_old_address_stays_there(store: Store, reason: SuppressionReason) -> None:
    taken(store, stop("old@example.com", reason))
    lives_at(store, "ann", "old@example.com")
    assert standing(store, "ann").suppressed
    lives_at(store, "ann", "new@example.com")
    lives_at(store, "bob", "old@example.com")
    assert not standing(store, "ann").suppressed
    assert standing(store, "bob").suppressed


def test_what_follows_is_recorded_once_and_telling_the_address_again_adds_nothing(store: Store) -> None:
    taken(store, no("old@example.com"), stop("old@example.com"))
    lives_at(store, "ann", "old@example.com")
    lives_at(store, "ann", "new@example.com")
    c = consent_changes.c
    hows = [row.how for row in store.select(sa.select(c.how).where(c.partner_id.is_not(None)).order_by(c.id))]
    assert hows == ["address change: stop_all", "address change: unsubscribe"]
    before = store.dump()
    lives_at(store, "ann", "NEW@example.com".lower())
    assert store.dump() == before
    lives_at(store, "ann", "old@example.com")
    lives_at(store, "ann", "new@example.com")
    assert len(store.select(sa.select(subscriptions))) == 1
    assert len(store.select(sa.select(consent_changes))) == len(before["consent_changes"])


def test_two_partners_who_swap_addresses_in_one_file_take_what_was_theirs(store: Store) -> None:
    lives_at(store, "ann", "x@example.com")
    lives_at(store, "bob", "y@example.com")
    taken(store, stop("x@example.com"), no("y@example.com"))
    store.take([PartnerRecord("ann", email="y@example.com")], [PartnerRecord("bob", email="x@example.com")], at=NOW)
    assert standing(store, "ann").suppressed
    assert standing(store, "bob").suppressed, "at an address where somebody wants nothing"
    assert standing(store, "bob").refused == {"news"}


def test_a_yes_at_the_old_address_that_is_later_than_the_no_lets_nothing_follow(store: Store) -> None:
    lives_at(store, "ann", A)
    taken(store, no(A))
    partner = standing(store, "ann")
    assert partner.address_id is not None
    with store.database.write() as db:
        change_subscription(
            db,
            store.program_id,
            partner.partner_id,
            partner.address_id,
            "news",
            subscribed=True,
            now=NOW,
            how="",
            source="",
        )
    lives_at(store, "ann", "new@example.com")
    assert standing(store, "ann").refused == frozenset()
