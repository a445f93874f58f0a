"""Who stands for a company: its contact, a partner, and its channel manager, of our staff."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from engage.domain.facts import Subject
from engage.domain.journeys import JourneyState
from engage.domain.keys import ONCE, key_of
from engage.domain.records import AliasRecord, CompanyRecord, Outcome, PartnerRecord, StaffRecord
from engage.domain.windows import BEGINNING
from engage.store.database import Database
from engage.store.past import Past
from engage.store.schema import require_schema
from engage.store.tables import (
    campaign_versions,
    companies,
    enrollments,
    episodes,
    occasions,
    partner_versions,
    partners,
    staff,
)
from tests.support.intake import OBSERVED, Store

_STANDING = (
    sa.select(partners.c.external_id, staff.c.external_id)
    .select_from(companies)
    .outerjoin(partners, partners.c.id == companies.c.contact_id)
    .outerjoin(staff, staff.c.id == companies.c.manager_id)
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


def standing_for(store: Store, company: str = "firm") -> tuple[str | None, str | None]:
    """The external ids of its contact and its channel manager."""
    ((contact, manager),) = store.select(_STANDING.where(companies.c.external_id == company))
    return contact, manager


def test_a_company_has_the_contact_and_the_manager_that_it_is_said_to_have(store: Store) -> None:
    store.take([PartnerRecord("ann", company="firm")], [PartnerRecord("bob", company="firm")])
    store.take([CompanyRecord("firm", contact="ann", manager="max")])
    assert standing_for(store) == ("ann", "max")
    assert store.take([CompanyRecord("firm", contact="ann", manager="max")]).rows[0].outcome is Outcome.UNCHANGED
    store.take([CompanyRecord("firm", contact="bob")])
    assert standing_for(store) == ("bob", "max")
    store.take([CompanyRecord("firm", name="Firm")])  # nothing is said of them
    assert standing_for(store) == ("bob", "max")


def test_a_contact_may_come_with_the_company_in_one_row_and_has_always_been_there(store: Store) -> None:
    taken = store.take([CompanyRecord("firm", contact="ann"), PartnerRecord("ann", company="firm", region="north")])
    assert taken.rows[0].outcome is Outcome.ACCEPTED
    assert standing_for(store) == ("ann", None)
    ((valid_from, region),) = store.select(sa.select(partner_versions.c.valid_from, partner_versions.c.region))
    assert (valid_from, region) == (BEGINNING, "north")


def test_a_contact_may_come_earlier_in_the_same_import(store: Store) -> None:
    taken = store.take([PartnerRecord("ann", company="firm")], [CompanyRecord("firm", contact="ann")])
    assert [row.outcome for row in taken.rows] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert standing_for(store) == ("ann", None)


def test_a_contact_whom_nobody_knows_is_a_mistake_of_the_row(store: Store) -> None:
    (row,) = store.take([CompanyRecord("firm", contact="zoe")]).rows
    assert row.outcome is Outcome.REJECTED
    assert row.reason.startswith("partner 'zoe' is not known; import partners before the companies")
    assert store.select(sa.select(companies)) == []


def test_a_contact_is_found_by_another_id_and_follows_a_merge(store: Store) -> None:
    store.take([PartnerRecord("ann"), AliasRecord("partner", "a-1", "ann")], [CompanyRecord("firm", contact="a-1")])
    assert standing_for(store) == ("ann", None)
    store.take([PartnerRecord("twin")], [AliasRecord("partner", "ann", "twin")])
    assert standing_for(store) == ("twin", None)


def test_a_manager_follows_a_merge_and_a_merged_company_hands_both_on(store: Store) -> None:
    store.take([PartnerRecord("ann")], [StaffRecord("max-2", name="Max")])
    store.take([CompanyRecord("firm", contact="ann", manager="max")], [AliasRecord("staff", "max", "max-2")])
    assert standing_for(store) == ("ann", "max-2")
    store.take([CompanyRecord("firm-2", name="Firm")], [AliasRecord("company", "firm", "firm-2")])
    assert standing_for(store, "firm-2") == ("ann", "max-2")


def test_a_replay_knows_who_stands_for_a_company(store: Store, empty_sqlite_url: str) -> None:
    store.take([PartnerRecord("zoe")], [StaffRecord("abe")])  # so that ids are not the same there by chance
    store.take([PartnerRecord("ann", company="firm")], [CompanyRecord("firm", contact="ann", manager="max")])
    with store.database.read() as db:
        past = Past.read(db, store.program)
    scratch = Database(empty_sqlite_url)
    require_schema(scratch)
    with scratch.write() as db:
        past.begin(db, OBSERVED)
    with scratch.read() as db:
        assert db.execute(_STANDING.where(companies.c.external_id == "firm")).all() == [("ann", "max")]
    scratch.close()


# --- what they have entered -------------------------------------------------------------------------------------------


def enters(store: Store, subject: Subject, name: str, key: str, state: str = "active", slot: str = "s1") -> int:
    """An enrollment of a company or member of staff in a campaign by a schedule's slot; returns its id."""
    table = companies if subject is Subject.COMPANY else staff
    with store.database.write() as db:
        (id_,) = db.execute(sa.select(table.c.id).where(table.c.external_id == name)).scalars()
        row = {"program_id": store.program_id, "campaign": "trial"}
        version = sa.insert(campaign_versions).values(
            **row, content_hash=f"{name}:{slot}", source="", path="", first_seen=OBSERVED
        )
        row["version_id"] = db.execute(version).inserted_primary_key[0]
        occasion = db.execute(
            sa.insert(occasions).values(**row, key=f"{name}:{slot}", occurred_at=OBSERVED)
        ).inserted_primary_key[0]
        values = {**row, "occasion_id": occasion, "key": key_of(key, subject, name), f"{subject}_id": id_}
        values |= {"entered_at": OBSERVED, "state": state, "step": "wait-1", "due_at": OBSERVED}
        db.execute(
            sa.insert(episodes).values(
                program_id=store.program_id,
                campaign="trial",
                subject=subject,
                subject_id=id_,
                opened_slot=slot,
                opened_at=OBSERVED,
            )
        )
        return int(db.execute(sa.insert(enrollments).values(**values)).inserted_primary_key[0])


@pytest.mark.parametrize(("subject", "record"), [(Subject.COMPANY, CompanyRecord), (Subject.STAFF, StaffRecord)])
def test_what_a_duplicate_has_entered_is_the_survivors(store: Store, subject: Subject, record: type) -> None:
    store.take([record("old_%", name="Old")], [record("new", name="New")])
    alone = enters(store, subject, "old_%", ONCE)
    store.take([AliasRecord(subject, "old_%", "new")])
    e = enrollments.c
    found = store.select(sa.select(e.id, e.key, e.state, e[f"{subject}_id"]))
    table = companies if subject is Subject.COMPANY else staff
    ((new,),) = store.select(sa.select(table.c.id).where(table.c.external_id == "new"))
    assert found == [(alone, f"once|{subject}:new", "active", new)]
    assert store.select(sa.select(episodes.c.subject_id, episodes.c.closed_at)) == [(new, None)]


@pytest.mark.parametrize(("subject", "record"), [(Subject.COMPANY, CompanyRecord), (Subject.STAFF, StaffRecord)])
def test_where_both_are_on_one_way_the_survivor_goes_on(store: Store, subject: Subject, record: type) -> None:
    store.take([record("old")], [record("new")])
    theirs, own = enters(store, subject, "old", "s1"), enters(store, subject, "new", "s1", slot="s2")
    store.take([AliasRecord(subject, "old", "new")])
    e = enrollments.c
    found = {row.id: (row.state, row.key) for row in store.select(sa.select(e.id, e.state, e.key))}
    assert found == {
        theirs: (JourneyState.STOPPED, f"s1|{subject}:old"),
        own: (JourneyState.ACTIVE, f"s1|{subject}:new"),
    }
    still = store.select(sa.select(episodes.c.opened_slot).where(episodes.c.closed_at.is_(None)))
    assert still == [("s2",)]
