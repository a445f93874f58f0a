"""Two rows that are one become one: nothing that happened is lost, and nothing counts twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from engage.domain.conditions import FactRef
from engage.domain.facts import Subject
from engage.domain.records import (
    AliasRecord,
    CompanyRecord,
    LoginRecord,
    Outcome,
    PartnerRecord,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)
from engage.domain.windows import BEGINNING
from engage.facts import Scope, audience, values
from engage.store.merging import Merged
from engage.store.tables import (
    aliases,
    companies,
    events,
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
MERGE = AliasRecord("partner", "twin", "ann")
SAME_DEAL = AliasRecord("referral", "copy", "deal")


def day(number: int) -> datetime:
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


def row_of(store: Store, table: sa.Table, name: str) -> Any:
    (row,) = store.select(sa.select(table).where(table.c.external_id == name))
    return row


def facts(store: Store, name: str, *refs: str, at: datetime = LATER) -> list[Any]:
    scope, id_ = Scope(store.program, store.program_id), row_of(store, partners, name).id
    with store.database.read() as db:
        found = values(db, scope, Subject.PARTNER, [FactRef(ref) for ref in refs], at, [id_])
    return [found[id_][FactRef(ref)] for ref in refs]


def of_referral(store: Store, name: str) -> list[tuple[str, datetime, datetime | None]]:
    v = referral_versions.c
    query = sa.select(v.status, v.valid_from, v.valid_to).join(referrals, referrals.c.id == v.referral_id)
    return [tuple(row) for row in store.select(query.where(referrals.c.external_id == name).order_by(v.valid_from))]


# -- partners ----------------------------------------------------------------------------------------------------------


def two_anns(store: Store) -> None:
    store.take(
        [PartnerRecord("ann", email="ann@example.com", first_name="Ann", joined_at=day(5), attributes={"sector": "x"})],
        [
            PartnerRecord(
                "twin",
                email="twin@example.com",
                last_name="Lee",
                region="north",
                owner="sue",
                joined_at=day(2),
                attributes={"sector": "y", "employees": 7},
            )
        ],
        [PartnerRecord("kid", recruited_by="twin")],
        [ReferralRecord("deal", "ann", submitted_at=day(10), status="won", status_at=day(20), amount=500)],
        [ReferralRecord("other", "twin", submitted_at=day(11), status="won", status_at=day(30), amount=700)],
        [RewardRecord("w", "twin", 900, referral="other", earned_at=day(31))],
        [LoginRecord("ann", day(40))],
        [LoginRecord("twin", day(50))],
        [LoginRecord("twin", day(40))],
    )


def test_a_merged_partner_gives_all_that_they_did_to_the_survivor(store: Store) -> None:
    two_anns(store)
    before = len(store.select(sa.select(events)))
    taken = store.take([MERGE], at=LATER)
    assert [row.outcome for row in taken.rows] == [Outcome.ACCEPTED]
    assert taken.merged == (Merged("partner", "twin", "ann", events=6, referrals=1, rewards=1, partners=1),)
    assert len(store.select(sa.select(events))) == before
    ann, twin = row_of(store, partners, "ann"), row_of(store, partners, "twin")
    for table in (referrals, referral_versions, rewards, events):
        assert {row.partner_id for row in store.select(sa.select(table.c.partner_id))} == {ann.id}
    assert row_of(store, partners, "kid").recruited_by_id == ann.id
    assert (twin.merged_into_id, twin.email, twin.address_id, twin.status) == (ann.id, None, None, "inactive")
    assert facts(store, "ann", "wins", "referrals", "revenue") == [2, 2, 1200]


def test_the_survivor_keeps_what_it_knows_and_learns_what_it_does_not(store: Store) -> None:
    two_anns(store)
    store.take([MERGE], at=LATER)
    ann = row_of(store, partners, "ann")
    assert (ann.email, ann.first_name, ann.last_name, ann.region) == ("ann@example.com", "Ann", "Lee", "north")
    assert ann.owner_id == row_of(store, staff, "sue").id
    assert ann.joined_at == day(2), "whoever joined twice joined when they did it first"
    assert ann.attributes == {"sector": "x", "employees": 7}


def test_facts_of_the_past_count_the_merged_history_too(store: Store) -> None:
    two_anns(store)
    store.take([MERGE], at=LATER)
    assert facts(store, "ann", "wins", at=day(25)) == [1]
    assert facts(store, "ann", "wins", "days_since_login", at=day(51)) == [2, 1]
    assert facts(store, "ann", "referrals", at=day(3)) == [0], "who had joined by then"


def test_the_merged_partner_is_in_no_audience(store: Store) -> None:
    two_anns(store)
    store.take([MERGE], at=LATER)
    with store.database.read() as db:
        found = audience(Scope(store.program, store.program_id), Subject.PARTNER, None, LATER).rows(db)
        ids = {member.partner_id for member in found}
    assert ids == {row_of(store, partners, "ann").id, row_of(store, partners, "kid").id}


def test_versions_say_what_either_knew_at_an_instant(store: Store) -> None:
    store.take([PartnerRecord("ann")], [PartnerRecord("twin", region="north", attributes={"employees": 5})])
    store.take([PartnerRecord("ann", region="south")], [PartnerRecord("twin", attributes={"employees": 6})], at=LATER)
    store.take([MERGE], at=LATER + timedelta(days=1))
    v, a = partner_versions.c, partner_attributes.c
    ann = row_of(store, partners, "ann").id
    regions = store.select(sa.select(v.partner_id, v.region, v.valid_from, v.valid_to).order_by(v.valid_from))
    assert [tuple(row) for row in regions] == [(ann, "north", BEGINNING, LATER), (ann, "south", LATER, None)]
    employees = store.select(sa.select(a.partner_id, a.text, a.valid_from, a.valid_to).order_by(a.valid_from))
    assert [tuple(row) for row in employees] == [(ann, "5", BEGINNING, LATER), (ann, "6", LATER, None)]


def test_a_merge_told_again_and_the_old_rows_told_again_are_nothing_new(store: Store) -> None:
    two_anns(store)
    store.take([MERGE], at=LATER)
    before = store.dump()
    told = store.take(
        [PartnerRecord("ann", email="ann@example.com", first_name="Ann", joined_at=day(5), attributes={"sector": "x"})],
        [PartnerRecord("twin", email="twin@example.com", region="west", joined_at=day(2), attributes={"sector": "y"})],
        [MERGE],
        [LoginRecord("twin", day(50))],
        [LoginRecord("twin", day(40))],
        [ReferralRecord("other", "twin", submitted_at=day(11), status="won", status_at=day(30), amount=700)],
        at=LATER + timedelta(days=1),
    )
    assert {row.outcome for row in told.rows} == {Outcome.UNCHANGED}
    assert store.dump() == before


def test_what_arrives_later_under_the_merged_id_is_the_survivors(store: Store) -> None:
    two_anns(store)
    store.take([MERGE], at=LATER)
    store.take(
        [LoginRecord("twin", day(60))],
        [ReferralRecord("late", "twin", submitted_at=day(61))],
        [PartnerRecord("twin", phone="+1 555 0100", zone="Europe/Berlin")],
        at=LATER + timedelta(days=1),
    )
    assert facts(store, "ann", "referrals", "days_since_login", at=day(62)) == [3, 2]
    assert row_of(store, partners, "ann").phone == "+1 555 0100"


def test_merges_in_a_row_lead_to_the_last(store: Store) -> None:
    store.take(*([PartnerRecord(name)] for name in "abc"), *([LoginRecord(name, day(1))] for name in "abc"))
    taken = store.take(
        [AliasRecord("partner", "a", "b")], [AliasRecord("partner", "b", "c")], [LoginRecord("a", day(1))]
    )
    assert [row.outcome for row in taken.rows] == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.UNCHANGED]
    assert [(one.merged, one.survivor, one.events) for one in taken.merged] == [("a", "b", 1), ("b", "c", 2)]
    last = row_of(store, partners, "c").id
    assert {row.target_id for row in store.select(sa.select(aliases))} == {last}
    assert {row.merged_into_id for row in store.select(sa.select(partners))} == {last, None}


def test_an_alias_of_one_that_is_told_of_another_makes_both_one(store: Store) -> None:
    store.take([PartnerRecord("a")], [AliasRecord("partner", "x", "a")], [PartnerRecord("b")])
    (one,) = store.take([AliasRecord("partner", "x", "b")]).merged
    assert (one.merged, one.survivor) == ("a", "b")


def test_a_duplicate_that_recruited_the_survivor_recruited_nobody(store: Store) -> None:
    store.take([PartnerRecord("twin")], [PartnerRecord("ann", recruited_by="twin")], [MERGE])
    assert row_of(store, partners, "ann").recruited_by_id is None
    (again,) = store.take([PartnerRecord("ann", recruited_by="twin")]).rows
    assert again.outcome is Outcome.UNCHANGED


# -- referrals ---------------------------------------------------------------------------------------------------------


def test_a_merged_referral_is_folded_with_the_survivor(store: Store) -> None:
    store.take(
        [PartnerRecord("ann")],
        [ReferralRecord("deal", "ann", submitted_at=day(1), method="form")],
        [ReferralRecord("copy", "ann", submitted_at=day(1), lead_company="Acme", method="card", amount=500)],
        [ReferralRecord("deal", "ann", status="opportunity", status_at=day(5))],
        [ReferralRecord("copy", "ann", status="won", status_at=day(9))],
        [RewardRecord("w", "ann", 50, referral="copy", earned_at=day(10))],
    )
    (one,) = store.take([SAME_DEAL], at=LATER).merged
    assert (one.events, one.rewards) == (3, 1), "its two changes, and that of the reward"
    assert of_referral(store, "copy") == []
    assert of_referral(store, "deal") == [
        ("submitted", day(1), day(5)),
        ("opportunity", day(5), day(9)),
        ("won", day(9), None),
    ]
    deal, copy = row_of(store, referrals, "deal"), row_of(store, referrals, "copy")
    assert (deal.status, deal.method, deal.lead_company, deal.amount) == ("won", "form", "Acme", 500)
    assert copy.merged_into_id == deal.id
    assert facts(store, "ann", "wins", "referrals") == [1, 1]
    assert row_of(store, rewards, "w").referral_id == deal.id


def test_sequences_go_on_after_the_survivors_and_the_next_change_after_them(store: Store) -> None:
    store.take(
        [PartnerRecord("ann")],
        [ReferralRecord("deal", "ann", submitted_at=day(1))],
        [ReferralRecord("copy", "ann", status="opportunity", status_at=day(5))],
        [SAME_DEAL],
        [ReferralRecord("copy", "ann", status="won", status_at=day(9))],
    )
    e = events.c
    found = store.select(
        sa.select(e.sequence, e.to_status, e.key).where(e.referral_id.is_not(None)).order_by(e.sequence)
    )
    assert [(row.sequence, row.to_status) for row in found] == [(1, "submitted"), (2, "opportunity"), (3, "won")]
    assert found[1].key.startswith("change:copy:"), "what was told of the merged one keeps its key"
    assert found[2].key.startswith("change:deal:")


def test_of_a_status_with_two_dates_the_one_told_last_is_true_whichever_id_it_was_told_under(store: Store) -> None:
    store.take([PartnerRecord("ann")], [ReferralRecord("copy", "ann", status="won", status_at=day(9))])
    store.take([ReferralRecord("deal", "ann", status="won", status_at=day(7))], at=LATER)
    store.take([SAME_DEAL], at=LATER)
    assert of_referral(store, "deal")[-1] == ("won", day(7), None)


def test_an_undated_status_of_the_merged_one_fills_the_survivors_gap_only(store: Store) -> None:
    store.take(
        [PartnerRecord("ann")],
        [ReferralRecord("deal", "ann")],
        [ReferralRecord("copy", "ann", status="won")],
        [SAME_DEAL],
    )
    assert facts(store, "ann", "wins") == [1]
    store.take([ReferralRecord("deal", "ann", status="lost")], at=LATER)
    (again,) = store.take([ReferralRecord("copy", "ann", status="won")], at=LATER).rows
    assert (again.outcome, row_of(store, referrals, "deal").status) == (Outcome.UNCHANGED, "lost")


def test_a_merged_referral_is_of_the_survivors_partner_and_stays_with_whom_it_happened_to(store: Store) -> None:
    store.take(
        *([PartnerRecord(name)] for name in ("ann", "bob")),
        [ReferralRecord("deal", "ann", submitted_at=day(1))],
        [ReferralRecord("copy", "bob", status="won", status_at=day(2))],
        [SAME_DEAL],
    )
    assert (facts(store, "ann", "wins"), facts(store, "bob", "wins", "referrals")) == ([1], [0, 0])


# -- companies and staff -----------------------------------------------------------------------------------------------


def test_merged_companies_and_staff_leave_no_row_and_no_reference(store: Store) -> None:
    store.take(
        [CompanyRecord("acme", attributes={"size": 1}), CompanyRecord("acme inc", name="Acme", attributes={"size": 2})],
        [CompanyRecord("branch", parent="acme inc"), CompanyRecord("acme", parent="acme inc")],
        [StaffRecord("sue"), StaffRecord("sue2", email="sue@example.com"), StaffRecord("tom", manager="sue2")],
        [PartnerRecord("p", company="acme inc", owner="sue2")],
        [ReferralRecord("r", "p", salesperson="sue2")],
    )
    told = store.take([AliasRecord("company", "acme inc", "acme"), AliasRecord("staff", "sue2", "sue")])
    assert [(one.kind, one.partners, one.referrals) for one in told.merged] == [("company", 1, 0), ("staff", 1, 1)]
    acme, branch = (row_of(store, companies, name) for name in ("acme", "branch"))
    assert (acme.name, acme.parent_id, acme.attributes, branch.parent_id) == ("Acme", None, {"size": 1}, acme.id)
    sue, tom = row_of(store, staff, "sue"), row_of(store, staff, "tom")
    assert (sue.email, tom.manager_id) == ("sue@example.com", sue.id)
    partner = row_of(store, partners, "p")
    assert (partner.company_id, partner.owner_id) == (acme.id, sue.id)
    assert len(store.select(sa.select(companies))) == 2
    assert len(store.select(sa.select(staff))) == 2
    assert facts(store, "p", "company", "owner") == ["acme", "sue"]
