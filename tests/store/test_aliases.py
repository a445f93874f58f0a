"""One thing under several external ids is one row, whichever id it is told under, and when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.records import (
    AliasRecord,
    CompanyRecord,
    LoginRecord,
    Outcome,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)
from engage.store.tables import aliases, companies, events, partners, referrals, rewards, staff
from tests.support.intake import OBSERVED, Store

ACCEPTED, UNCHANGED, REJECTED = Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.REJECTED


def day(number: int) -> datetime:
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


def names(store: Store, table: sa.Table = partners) -> list[str]:
    return [row.external_id for row in store.select(sa.select(table.c.external_id).order_by(table.c.external_id))]


def only(store: Store, table: sa.Table) -> Any:
    (row,) = store.select(sa.select(table))
    return row


def outcomes(store: Store, *rows: list[Record]) -> list[Outcome]:
    return [taken.outcome for taken in store.take(*rows).rows]


def test_records_under_the_old_and_the_new_id_reach_the_one_row(store: Store) -> None:
    store.take([PartnerRecord("old", first_name="Ann")], [ReferralRecord("r", "old", submitted_at=day(1))])
    assert outcomes(store, [AliasRecord("partner", "new", "old")]) == [ACCEPTED]
    store.take(
        [PartnerRecord("new", last_name="Lee")],
        [ReferralRecord("s", "new", submitted_at=day(2))],
        [RewardRecord("w", "new", 5, referral="s", earned_at=day(3))],
        [LoginRecord("new", day(4))],
        [PartnerRecord("kid", recruited_by="new")],
    )
    ann, kid = store.select(sa.select(partners).order_by(partners.c.id))
    assert (ann.external_id, ann.first_name, ann.last_name) == ("old", "Ann", "Lee")
    assert kid.recruited_by_id == ann.id
    assert {row.partner_id for row in store.select(sa.select(referrals))} == {ann.id}
    assert only(store, rewards).partner_id == ann.id
    assert {row.partner_id for row in store.select(sa.select(events.c.partner_id))} == {ann.id}


def test_the_same_observation_under_two_names_is_one_event(store: Store) -> None:
    store.take([PartnerRecord("old", joined_at=day(0))], [LoginRecord("old", day(1))])
    store.take([AliasRecord("partner", "new", "old")])
    again = outcomes(store, [PartnerRecord("new", joined_at=day(0))], [LoginRecord("new", day(1))])
    assert again == [UNCHANGED, UNCHANGED]
    assert len(store.select(sa.select(events))) == 2


def test_the_same_observation_in_the_batch_that_brings_the_alias_is_one_event_too(store: Store) -> None:
    store.take([PartnerRecord("old")], [LoginRecord("old", day(1))])
    told = [[LoginRecord("old", day(1))], [AliasRecord("partner", "new", "old")], [LoginRecord("new", day(1))]]
    assert outcomes(store, *told) == [UNCHANGED, ACCEPTED, UNCHANGED]
    assert len(store.select(sa.select(events))) == 1


def test_an_alias_told_again_or_the_other_way_round_is_nothing_new(store: Store) -> None:
    store.take([PartnerRecord("old")], [AliasRecord("partner", "new", "old")])
    before = store.dump()
    again = [[AliasRecord("partner", "new", "old")], [AliasRecord("partner", "old", "new")]]
    assert outcomes(store, *again) == [UNCHANGED, UNCHANGED]
    assert store.dump() == before


def test_where_only_the_changed_id_is_known_the_other_becomes_the_alias(store: Store) -> None:
    store.take([PartnerRecord("new")], [AliasRecord("partner", "new", "old")], [LoginRecord("old", day(1))])
    assert names(store) == ["new"]
    assert only(store, events).partner_id == only(store, partners).id


def test_chains_lead_to_the_end_in_any_order(store: Store) -> None:
    store.take([PartnerRecord("a")], [AliasRecord("partner", "b", "a")], [AliasRecord("partner", "c", "b")])
    store.take([AliasRecord("partner", "c", "d")], [LoginRecord("d", day(1))])
    assert names(store) == ["a"]
    assert {row.target_id for row in store.select(sa.select(aliases))} == {only(store, partners).id}
    assert names(store, aliases) == ["b", "c", "d"]


def test_a_circle_says_nothing_that_is_not_known(store: Store) -> None:
    store.take([PartnerRecord("a")], [AliasRecord("partner", "b", "a")], [AliasRecord("partner", "c", "b")])
    assert outcomes(store, [AliasRecord("partner", "a", "c")]) == [UNCHANGED]
    assert names(store) == ["a"]


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        (AliasRecord("partner", "a", "a"), "'a' cannot be an alias of itself"),
        (AliasRecord("partner", "x", "y"), "neither partner 'x' nor 'y' is known; import one of them before the alias"),
        (
            AliasRecord("reward", "a", "b"),
            "kind 'reward' is not a kind that has aliases; known are partner, referral, company, staff",
        ),
        (AliasRecord("partner", " ", "a"), "alias has no external id"),
        (AliasRecord("partner", "x", " "), "alias does not say of whom: give kind and of"),
    ],
)
def test_what_cannot_be_an_alias_is_rejected_with_the_whole_row(store: Store, alias: AliasRecord, reason: str) -> None:
    store.take([PartnerRecord("a")])
    before = store.dump()
    (taken,) = store.take([LoginRecord("a", day(1)), alias]).rows
    assert (taken.outcome, taken.reason) == (REJECTED, reason)
    assert store.dump() == before


def test_a_row_that_is_rejected_for_another_reason_leaves_no_alias(store: Store) -> None:
    store.take([PartnerRecord("a")], [AliasRecord("partner", "b", "a"), LoginRecord("nobody", day(1))])
    assert store.select(sa.select(aliases)) == []


def test_a_row_may_make_what_its_alias_names(store: Store) -> None:
    told = [
        [PartnerRecord("b", first_name="Ann"), AliasRecord("partner", "b", "a")],
        [PartnerRecord("a", last_name="Lee")],
        [PartnerRecord("d"), AliasRecord("partner", "e", "d"), AliasRecord("partner", "f", "e")],
        [PartnerRecord("g"), PartnerRecord("h"), AliasRecord("partner", "g", "h"), LoginRecord("g", day(1))],
        [PartnerRecord("j"), AliasRecord("partner", "j", "g")],
    ]
    assert outcomes(store, *told) == [ACCEPTED] * 5
    assert outcomes(store, *told) == [UNCHANGED] * 5
    assert names(store) == ["b", "d", "h"]
    assert names(store, aliases) == ["a", "e", "f", "g", "j"]


def test_companies_and_staff_have_aliases_too(store: Store) -> None:
    store.take(
        [CompanyRecord("acme", name="Acme"), StaffRecord("sue", name="Sue")],
        [AliasRecord("company", "acme-2", "acme"), AliasRecord("staff", "sue-2", "sue")],
        [PartnerRecord("p", company="acme-2", owner="sue-2")],
        [CompanyRecord("acme-2", attributes={"employees": 5}), StaffRecord("max", manager="sue-2")],
    )
    assert only(store, companies).attributes == {"employees": 5}
    assert names(store, staff) == ["max", "sue"]
    assert only(store, partners).company_id == only(store, companies).id


def test_ids_of_different_kinds_do_not_meet(store: Store) -> None:
    store.take([PartnerRecord("p"), CompanyRecord("p"), StaffRecord("x")], [AliasRecord("company", "x", "p")])
    store.take([CompanyRecord("x", name="Acme")], [PartnerRecord("x")])
    assert names(store) == ["p", "x"]
    assert only(store, companies).name == "Acme"


def test_an_alias_remembers_when_and_from_where_it_was_told(store: Store) -> None:
    store.take([PartnerRecord("a")], [AliasRecord("partner", "b", "a")])
    alias = only(store, aliases)
    assert (alias.kind, alias.external_id, alias.created_at, alias.source) == ("partner", "b", OBSERVED, "test")


def test_a_program_without_aliases_pays_one_statement_a_batch(store: Store) -> None:
    store.take([PartnerRecord("p")])
    counted: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    store.take([LoginRecord("p", day(1))])
    assert sum("FROM aliases" in statement for statement in counted) == 1
