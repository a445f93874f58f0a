"""How rows are split into batches, and how often batches are told, changes nothing about what is stored."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.records import (
    AliasRecord,
    CompanyRecord,
    LoginRecord,
    PartnerRecord,
    Record,
    ReferralRecord,
    RewardRecord,
    StaffRecord,
)
from engage.store.tables import metadata
from tests.support.intake import Store

_DAYS = st.integers(0, 5).map(lambda number: datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number))
_MAYBE_DAY = st.one_of(st.none(), _DAYS)
_PARTNER = st.sampled_from(["p", "q", "unknown"])
_MAYBE_STAFF = st.sampled_from([None, "sue", "tom"])
_COMPANY = st.sampled_from(["acme", "beta"])
_STATUS = st.sampled_from(["submitted", "opportunity", "won", "lost", "not a rung"])

_companies = st.builds(CompanyRecord, _COMPANY, st.sampled_from([None, "A", "B"]), st.one_of(st.none(), _COMPANY))
_staff = st.builds(
    StaffRecord, st.sampled_from(["sue", "max"]), region=st.sampled_from([None, "n"]), manager=_MAYBE_STAFF
)
_partners = st.builds(
    PartnerRecord,
    _PARTNER.filter(lambda name: name != "unknown"),
    email=st.sampled_from([None, "a@example.com", "A@example.com", "not an address"]),
    company=st.one_of(st.none(), _COMPANY),
    owner=_MAYBE_STAFF,
    region=st.sampled_from([None, "north", "south"]),
    joined_at=_MAYBE_DAY,
    recruited_by=st.one_of(st.none(), _PARTNER),
    attributes=st.dictionaries(st.sampled_from(["sector", "size"]), st.sampled_from(["x", 1, True]), max_size=2),
)
_aliases = st.one_of(
    st.builds(AliasRecord, st.just("partner"), st.sampled_from(["p", "q", "x"]), _PARTNER),
    st.builds(AliasRecord, st.just("referral"), st.sampled_from(["r", "s", "x"]), st.sampled_from(["r", "s"])),
    st.builds(AliasRecord, st.just("company"), _COMPANY, st.sampled_from(["acme", "x"])),
    st.builds(AliasRecord, st.just("staff"), st.sampled_from(["sue", "x"]), st.sampled_from(["tom", "max"])),
)
_logins = st.builds(LoginRecord, _PARTNER, _DAYS)
_rewards = st.builds(
    RewardRecord, st.sampled_from(["w", "v"]), _PARTNER, st.integers(1, 2), earned_at=_MAYBE_DAY, paid_at=_MAYBE_DAY
)


def _referrals(status_at: "st.SearchStrategy[datetime | None]") -> "st.SearchStrategy[ReferralRecord]":
    return st.builds(
        ReferralRecord,
        st.sampled_from(["r", "s"]),
        _PARTNER,
        amount=st.one_of(st.none(), st.integers(1, 2)),
        salesperson=_MAYBE_STAFF,
        submitted_at=_MAYBE_DAY,
        status=_STATUS,
        status_at=status_at,
    )


def _rows(*kinds: "st.SearchStrategy[Record]") -> "st.SearchStrategy[list[list[Record]]]":
    row = st.lists(st.one_of(_companies, _staff, _partners, _logins, _rewards, *kinds), min_size=1, max_size=2)
    return st.lists(row, min_size=1, max_size=8)


_SETTINGS = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.usefixtures("sqlite_url")
@_SETTINGS
@given(rows=_rows(_referrals(_MAYBE_DAY), _aliases), cuts=st.sets(st.integers(1, 7)))
def test_any_split_into_batches_gives_the_same(tmp_path: Path, rows: list[list[Record]], cuts: set[int]) -> None:
    whole, split = _fresh(tmp_path, "whole"), _fresh(tmp_path, "split")
    outcomes = whole.take(*rows).rows
    assert tuple(taken for batch in _batches(rows, cuts) for taken in split.take(*batch).rows) == outcomes
    _same(whole, split)


# Partners come first: a row that was rejected for a partner who is not known yet is taken when it is told again.
# Undated statuses are left out: of one referral told an undated status *between* dated ones, nobody can say the second
# time whether it went back to it or is only told again. Told first, as below, or last they are idempotent too.
@pytest.mark.usefixtures("sqlite_url")
@_SETTINGS
@given(rows=_rows(_referrals(_DAYS)), cuts=st.sets(st.integers(1, 7)), undated=st.sampled_from(["opportunity", "lost"]))
def test_any_repetition_of_batches_gives_the_same(
    tmp_path: Path, rows: list[list[Record]], cuts: set[int], undated: str
) -> None:
    first: list[list[Record]] = [[PartnerRecord("p")], [PartnerRecord("q")], [ReferralRecord("r", "p", status=undated)]]
    once, often = _fresh(tmp_path, "once"), _fresh(tmp_path, "often")
    once.take(*first, *rows)
    told = []
    for batch in _batches([*first, *rows], cuts):
        told.append(batch)
        for again in told:
            often.take(*again)
    _same(once, often)


@pytest.mark.usefixtures("sqlite_url")
def test_postgresql_and_sqlite_hold_the_same(tmp_path: Path, postgres_url: str) -> None:
    """On PostgreSQL, emptied each time, what SQLite holds, and the same when split."""

    @_SETTINGS
    @given(rows=_rows(_referrals(_MAYBE_DAY), _aliases), cuts=st.sets(st.integers(1, 7)))
    def run(rows: list[list[Record]], cuts: set[int]) -> None:
        postgres = Store(postgres_url)
        with postgres.database.write() as db:
            db.exec_driver_sql(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)} CASCADE")
        postgres.close()
        postgres, sqlite = Store(postgres_url), _fresh(tmp_path, "sqlite")
        sqlite.take(*rows)
        for batch in _batches(rows, cuts):
            postgres.take(*batch)
        _same(sqlite, postgres)

    run()


def _fresh(folder: Path, name: str) -> Store:
    """A copy of the empty database of the fixture `sqlite_url`."""
    for left in folder.glob(f"{name}.db*"):
        left.unlink()
    shutil.copy(folder / "engage.db", folder / f"{name}.db")
    return Store(f"sqlite:///{folder / name}.db")


def _batches(rows: Sequence[list[Record]], cuts: set[int]) -> list[Sequence[list[Record]]]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    return [rows[start:end] for start, end in pairwise(edges)]


def _same(one: Store, other: Store) -> None:
    try:
        assert one.content() == other.content()
    finally:
        one.close()
        other.close()
