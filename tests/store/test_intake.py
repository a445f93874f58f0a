"""What is stored when sources tell something, and what is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.facts import Feed
from engage.domain.records import (
    CompanyRecord,
    LoginRecord,
    Outcome,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)
from engage.domain.windows import BEGINNING
from engage.store.intake import analyze, hear
from engage.store.tables import (
    addresses,
    companies,
    events,
    feed_readings,
    partner_attributes,
    partner_versions,
    partners,
    referral_versions,
    referrals,
    rewards,
    staff,
)
from tests.support.intake import OBSERVED, Store

LATER = OBSERVED + timedelta(days=1)


def day(number: int) -> datetime:
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


def only(store: Store, table: sa.Table) -> Any:
    (row,) = store.select(sa.select(table))
    return row


def reason(store: Store, *row: Record) -> str:
    before = store.content()
    (taken,) = store.take(row).rows
    assert taken.outcome is Outcome.REJECTED
    assert store.content() == before
    return taken.reason


# -- upserts -----------------------------------------------------------------------------------------------------------


@pytest.mark.guard("event dedupe")
def test_told_twice_is_stored_once_and_said_to_be_unchanged(store: Store) -> None:
    row = [
        CompanyRecord("acme", name="Acme", parent="holding", attributes={"employees": 12}),
        StaffRecord("sue", name="Sue", email="sue@example.com", manager="max"),
        PartnerRecord("p", email="Ann@Example.COM", company="acme", owner="sue", joined_at=day(0)),
    ]
    referral = [ReferralRecord("r", "p", submitted_at=day(1), status="won", status_at=day(2), salesperson="tom")]
    reward = [RewardRecord("w", "p", amount=500, referral="r", earned_at=day(3))]
    login = [LoginRecord("p", day(4))]
    first = store.take(row, referral, reward, login, login)
    assert [taken.outcome for taken in first.rows] == [Outcome.ACCEPTED] * 4 + [Outcome.UNCHANGED]
    before = store.dump()
    second = store.take(row, referral, reward, login, at=LATER)
    assert {taken.outcome for taken in second.rows} == {Outcome.UNCHANGED}
    assert store.dump() == before


def test_a_field_that_is_not_known_leaves_what_is_known(store: Store) -> None:
    store.take([PartnerRecord("p", first_name="Ann", region="north", attributes={"sector": "steel", "employees": 5})])
    store.take([PartnerRecord("p", last_name="Lee", attributes={"employees": 7})])
    partner = only(store, partners)
    assert (partner.first_name, partner.last_name, partner.region) == ("Ann", "Lee", "north")
    assert partner.attributes == {"sector": "steel", "employees": 7}


def test_companies_and_staff_that_are_named_are_made(store: Store) -> None:
    store.take([PartnerRecord("p", company="acme", owner="sue")], [StaffRecord("tom", manager="max")])
    assert {row.external_id for row in store.select(sa.select(staff))} == {"sue", "tom", "max"}
    assert only(store, companies).external_id == "acme"
    store.take([CompanyRecord("acme", name="Acme")])
    assert only(store, companies).name == "Acme"


def test_an_address_is_kept_as_written_and_known_in_lower_case(store: Store) -> None:
    store.take([PartnerRecord("p", email="  Ann.Lee@EXAMPLE.com ")], [PartnerRecord("q", email="ann.lee@example.com")])
    ann, same = store.select(sa.select(partners).order_by(partners.c.external_id))
    assert ann.email == "Ann.Lee@example.com"
    assert only(store, addresses).email == "ann.lee@example.com"
    assert ann.address_id == same.address_id
    store.take([PartnerRecord("p", email="new@example.com")])
    assert store.select(sa.select(partners.c.address_id).distinct().order_by(partners.c.address_id)) != []
    assert len(store.select(sa.select(addresses))) == 2


def test_a_partner_may_be_recruited_by_one_of_the_rows_before(store: Store) -> None:
    store.take([PartnerRecord("old")], [PartnerRecord("new", recruited_by="old")])
    old, new = (store.select(sa.select(partners).where(partners.c.external_id == name))[0] for name in ("old", "new"))
    assert new.recruited_by_id == old.id


# -- versions of partners ----------------------------------------------------------------------------------------------


def test_the_first_version_has_always_held_and_a_change_opens_the_next(store: Store) -> None:
    store.take([PartnerRecord("p", region="north", attributes={"employees": 5, "sector": "steel"})])
    store.take([PartnerRecord("p", region="south", attributes={"employees": 7})], at=LATER)
    query = sa.select(partner_versions).order_by(partner_versions.c.valid_from)
    north, south = store.select(query)
    assert (north.region, north.valid_from, north.valid_to) == ("north", BEGINNING, LATER)
    assert (south.region, south.valid_from, south.valid_to) == ("south", LATER, None)
    c = partner_attributes.c
    values = store.select(sa.select(c.name, c.text, c.number, c.valid_from, c.valid_to).order_by(c.name, c.valid_from))
    assert [tuple(row) for row in values] == [
        ("employees", "5", 5.0, BEGINNING, LATER),
        ("employees", "7", 7.0, LATER, None),
        ("sector", "steel", None, BEGINNING, None),
    ]


def test_of_two_changes_at_one_instant_the_later_replaces_and_a_change_back_leaves_no_trace(store: Store) -> None:
    store.take([PartnerRecord("p", region="north")])
    store.take([PartnerRecord("p", region="south")], [PartnerRecord("p", region="west")], at=LATER)
    query = sa.select(partner_versions.c.region).order_by(partner_versions.c.valid_from)
    assert [row.region for row in store.select(query)] == ["north", "west"]
    store.take([PartnerRecord("p", region="north")], at=LATER)
    assert [row.region for row in store.select(query)] == ["north"]
    assert only(store, partner_versions).valid_to is None


# -- status changes ----------------------------------------------------------------------------------------------------


def changes(store: Store) -> list[tuple[Any, ...]]:
    e = events.c
    query = sa.select(e.sequence, e.from_status, e.to_status, e.occurred_at, e.unmatched)
    return [tuple(row) for row in store.select(query.where(e.sequence.is_not(None)).order_by(e.sequence))]


def test_a_dated_status_is_an_event_and_so_is_the_submission(store: Store) -> None:
    store.take([PartnerRecord("p")])
    taken = store.take(
        [ReferralRecord("r", "p", submitted_at=day(1), status="opportunity", status_at=day(2))], news=True
    )
    assert changes(store) == [
        (1, None, "submitted", day(1), True),
        (2, "submitted", "opportunity", day(2), True),
    ]
    assert taken.event_ids == tuple(row.id for row in store.select(sa.select(events).order_by(events.c.sequence)))
    assert only(store, referrals).status == "opportunity"


def test_sequences_are_the_order_of_arrival_and_never_renumbered(store: Store) -> None:
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p", status="won", status_at=day(9))])
    store.take([ReferralRecord("r", "p", status="opportunity", status_at=day(5))], at=LATER)
    assert [row[:4] for row in changes(store)] == [(1, None, "won", day(9)), (2, None, "opportunity", day(5))]
    v = referral_versions.c
    assert [tuple(row) for row in store.select(sa.select(v.status, v.since).order_by(v.valid_from))] == [
        ("opportunity", day(5)),
        ("won", day(9)),
    ]


def test_history_and_corrected_dates_are_no_news(store: Store) -> None:
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p", status="won", status_at=day(9))])
    assert changes(store)[0][4] is None
    for date in (8, 10):
        taken = store.take([ReferralRecord("r", "p", status="won", status_at=day(date))], at=LATER, news=True)
        assert taken.rows[0].outcome is Outcome.ACCEPTED
        assert taken.event_ids == ()
    assert store.select(sa.select(referral_versions.c.since)) == [(day(10),)]


def test_an_undated_status_makes_no_event(store: Store) -> None:
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p", status="opportunity")])
    assert changes(store) == []
    always = only(store, referral_versions)
    assert (always.status, always.valid_from, always.since) == ("opportunity", BEGINNING, None)
    store.take([ReferralRecord("r", "p", status="lost")], at=LATER)
    v = referral_versions.c
    versions = store.select(sa.select(v.status, v.valid_from, v.since).order_by(v.valid_from))
    assert [tuple(row) for row in versions] == [("submitted", BEGINNING, None), ("lost", LATER, None)]
    assert only(store, referrals).status == "lost"


def test_the_amount_of_today_stands_in_every_version(store: Store) -> None:
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p", submitted_at=day(1), status="won", status_at=day(2))])
    store.take([ReferralRecord("r", "p", amount=900)], at=LATER)
    assert store.select(sa.select(referral_versions.c.amount)) == [(900,), (900,)]


def doubts(store: Store) -> list[tuple[str, datetime, bool]]:
    v = referral_versions.c
    rows = store.select(sa.select(v.status, v.valid_from, v.valid_to, v.in_doubt).order_by(v.valid_from))
    assert [row.valid_to for row in rows] == [*(row.valid_from for row in rows[1:]), None]
    return [(row.status, row.valid_from, row.in_doubt) for row in rows]


def test_a_win_is_in_doubt_from_when_its_reversal_was_told_to_be_pending_until_it_is_told_not_to_be(
    store: Store,
) -> None:
    won = ReferralRecord("r", "p", submitted_at=day(1), status="won", status_at=day(2))
    store.take([PartnerRecord("p")], [won])
    store.take([replace(won, reversal_pending=False)], at=LATER - timedelta(days=1))
    store.take([replace(won, reversal_pending=True)], at=LATER)
    (same,) = store.take([replace(won, reversal_pending=True)], at=LATER + timedelta(hours=1)).rows
    assert same.outcome is Outcome.UNCHANGED
    before = [("submitted", day(1), False), ("won", day(2), False)]
    assert doubts(store) == [*before, ("won", LATER, True)]

    store.take([ReferralRecord("r", "p", lead_company="Acme")], at=LATER + timedelta(hours=2))
    assert doubts(store) == [*before, ("won", LATER, True)]

    over = LATER + timedelta(days=3)
    store.take([replace(won, reversal_pending=False)], at=over)
    assert doubts(store) == [*before, ("won", LATER, True), ("won", over, False)]


def test_a_reversal_that_is_pending_at_first_sight_has_always_been(store: Store) -> None:
    store.take(
        [PartnerRecord("p")],
        [ReferralRecord("r", "p", submitted_at=day(1), status="won", status_at=day(2), reversal_pending=True)],
    )
    assert doubts(store) == [("submitted", day(1), True), ("won", day(2), True)]


def test_a_win_that_was_taken_back_in_the_end_has_been_in_doubt_before(store: Store) -> None:
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p", status="won", status_at=day(2))])
    store.take([ReferralRecord("r", "p", reversal_pending=True)], at=LATER)
    store.take([ReferralRecord("r", "p", status="lost", status_at=LATER + timedelta(days=5))], at=LATER)
    assert doubts(store) == [
        ("won", day(2), False),
        ("won", LATER, True),
        ("lost", LATER + timedelta(days=5), True),
    ]


def test_a_referral_that_is_known_needs_no_partner(store: Store) -> None:
    store.take([PartnerRecord("p")], [ReferralRecord("r", "p")])
    (taken,) = store.take([ReferralRecord("r", None, status="won", status_at=day(3))]).rows
    assert taken.outcome is Outcome.ACCEPTED
    assert only(store, events).partner_id == only(store, partners).id


# -- rewards, feeds ----------------------------------------------------------------------------------------------------


def test_each_known_instant_of_a_reward_is_one_event(store: Store) -> None:
    store.take([PartnerRecord("p")], [RewardRecord("w", "p", amount=500)])
    assert store.select(sa.select(events)) == []
    told = RewardRecord("w", "p", amount=500, earned_at=day(1), paid_at=day(30))
    taken = store.take([told], [told], at=LATER, news=True)
    assert [row.outcome for row in taken.rows] == [Outcome.ACCEPTED, Outcome.UNCHANGED]
    e = events.c
    assert [tuple(row) for row in store.select(sa.select(e.kind, e.key, e.occurred_at).order_by(e.id))] == [
        ("reward.earned", "reward:w:earned", day(1)),
        ("reward.paid", "reward:w:paid", day(30)),
    ]
    assert only(store, rewards).paid_at == day(30)
    assert len(taken.event_ids) == 2


def test_a_feed_that_was_read_is_noted(store: Store) -> None:
    with store.database.write() as db:
        hear(db, store.program_id, Feed.LOGINS, OBSERVED)
        analyze(db)
    assert only(store, feed_readings).heard_at == OBSERVED


# -- rejections --------------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_taken_say_why_and_leave_nothing_behind(store: Store) -> None:
    store.take([PartnerRecord("p")])
    assert reason(store, ReferralRecord("r", "x")) == (
        "partner 'x' is not known; import partners first, or in the same file before it"
    )
    assert reason(store, ReferralRecord("r", None)) == "partner is missing, and referral 'r' is not known"
    assert reason(store, LoginRecord(" ", day(1))) == "partner is missing"
    assert reason(store, PartnerRecord("")) == "partner has no external id"
    assert "referral 'x' is not known" in reason(store, RewardRecord("w", "p", amount=1, referral="x"))
    assert "email 'nobody' is not valid" in reason(store, PartnerRecord("q", email="nobody"))
    assert reason(store, PartnerRecord("q", zone="Mars/Base")) == (
        "zone 'Mars/Base' is not an IANA zone such as Europe/Berlin"
    )
    assert "locale 'xx' is not known" in reason(store, PartnerRecord("q", locale="xx"))
    assert reason(store, PartnerRecord("q", status="gone")) == (
        "status 'gone' is not a partner's status; known are invited, active, inactive"
    )
    assert reason(store, ReferralRecord("r", "p", status="Won")) == (
        "status 'Won' is not on the ladder of program 'maven-partners'; known are submitted, opportunity, won, lost"
    )
    assert "method 'fax' is not a referral method" in reason(store, ReferralRecord("r", "p", method="fax"))
    assert "longer than 200 characters" in reason(store, CompanyRecord("c" * 201))
    assert "cannot be stored" in reason(store, CompanyRecord("c", name="a\0b"))
    assert "cannot be stored" in reason(store, CompanyRecord("c", attributes={"x": "\ud800"}))
    assert "too large" in reason(store, ReferralRecord("r", "p", amount=10**15 + 1)), "thousands must add up in 64 bits"


def test_nothing_of_a_rejected_row_is_taken_and_the_others_are(store: Store) -> None:
    taken = store.take(
        [CompanyRecord("acme"), PartnerRecord("p", email="nobody")],
        [CompanyRecord("beta"), PartnerRecord("q", email="q@example.com", company="beta")],
    )
    assert [row.outcome for row in taken.rows] == [Outcome.REJECTED, Outcome.ACCEPTED]
    assert only(store, companies).external_id == "beta"


def test_a_batch_costs_the_same_statements_whatever_its_size(store: Store) -> None:
    def statements(rows: list[list[Record]]) -> int:
        seen = []
        listener = lambda *_: seen.append(1)  # noqa: E731
        sa.event.listen(store.database.engine, "before_execute", listener)
        store.take(*rows)
        sa.event.remove(store.database.engine, "before_execute", listener)
        return len(seen)

    def rows(start: int, count: int) -> list[list[Record]]:
        return [
            [
                PartnerRecord(f"p{n}", email=f"p{n}@example.com", company=f"c{n}", attributes={"employees": n}),
                ReferralRecord(f"r{n}", f"p{n}", submitted_at=day(1), status="won", status_at=day(2)),
            ]
            for n in range(start, start + count)
        ]

    assert statements(rows(0, 5)) == statements(rows(100, 400))


def test_programs_do_not_see_one_another(database_url: str, store: Store) -> None:
    other = Store(database_url, replace(store.program, key="other"))
    store.take([PartnerRecord("p", first_name="Ann")])
    other.take([PartnerRecord("p", first_name="Bob")])
    assert {row.first_name for row in store.select(sa.select(partners))} == {"Ann", "Bob"}
    other.close()


def test_intakes_at_once_do_not_disturb_one_another(postgres_url: str) -> None:
    """Sequences stay gapless, though four connections tell changes of the same referrals at once."""
    store = Store(postgres_url)
    store.take([PartnerRecord("p")])

    def tell(number: int) -> None:
        own = Store(postgres_url)
        rows = [[ReferralRecord(f"r{n}", "p", status="won", status_at=day(number))] for n in range(20)]
        own.take(*rows)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(8)))
    e = events.c
    for sequences in range(20):
        query = sa.select(e.sequence).join(referrals).where(referrals.c.external_id == f"r{sequences}")
        assert sorted(row.sequence for row in store.select(query)) == list(range(1, 9))
    store.close()
