"""A partner and a referral told under two ids are what they would be had all been told under one."""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.conditions import FactRef
from engage.domain.facts import Subject
from engage.domain.records import AliasRecord, LoginRecord, PartnerRecord, Record, ReferralRecord, RewardRecord
from engage.facts import Scope, values
from engage.store.tables import events, metadata, partners, referral_versions, referrals
from tests.support.intake import OBSERVED, Store

Told = Callable[[str, str], Record]
"""A record, once it is said which of the partner's ids and which of the referral's it is told under."""

_FACTS = [FactRef(name) for name in ("wins", "referrals", "open", "revenue", "rewards", "days_since_login")]
_MERGES = (AliasRecord("partner", "twin", "ann"), AliasRecord("referral", "copy", "deal"))


def _day(number: int) -> datetime:
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number)


_days = st.integers(0, 6).map(_day)
_statuses = st.sampled_from(["opportunity", "won", "lost"])
_told: "st.SearchStrategy[Told]" = st.one_of(
    st.builds(lambda at: lambda ann, _: LoginRecord(ann, at), _days),
    st.builds(lambda at: lambda ann, _: PartnerRecord(ann, joined_at=_day(-9), phone=str(at)), _days),
    st.builds(lambda s, at: lambda ann, deal: ReferralRecord(deal, ann, status=s, status_at=at), _statuses, _days),
    st.builds(lambda n: lambda ann, deal: ReferralRecord(deal, ann, submitted_at=_day(-3), amount=n), st.just(5)),
    st.builds(lambda s, at: lambda ann, _: ReferralRecord("more", ann, status=s, status_at=at), _statuses, _days),
    st.builds(lambda at: lambda ann, _: RewardRecord("w", ann, 3, earned_at=at), st.just(_day(2))),
)
_histories = st.lists(st.tuples(_told, st.booleans(), st.booleans()), min_size=1, max_size=10)
_points = st.tuples(st.integers(0, 10), st.integers(0, 10))
_SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.usefixtures("sqlite_url")
@_SETTINGS
@given(history=_histories, points=_points)
def test_two_ids_give_what_one_gives(
    tmp_path: Path, history: list[tuple[Told, bool, bool]], points: tuple[int, int]
) -> None:
    _check(_fresh(tmp_path, "one"), _fresh(tmp_path, "two"), history, points)


def test_two_ids_give_what_one_gives_on_postgresql(postgres_url: str) -> None:
    @settings(_SETTINGS, max_examples=8)
    @given(history=_histories, points=_points)
    def run(history: list[tuple[Told, bool, bool]], points: tuple[int, int]) -> None:
        found = []
        for told in (_under_one(history), _under_two(history, points)):
            empty = Store(postgres_url)
            with empty.database.write() as db:
                db.exec_driver_sql(f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)} CASCADE")
            empty.close()
            store = Store(postgres_url)
            _tell(store, told)
            found.append(_what_is_known(store))
            store.close()
        assert found[0] == found[1]

    run()


def _check(one: Store, two: Store, history: list[tuple[Told, bool, bool]], points: tuple[int, int]) -> None:
    try:
        _tell(one, _under_one(history))
        _tell(two, _under_two(history, points))
        assert _what_is_known(one) == _what_is_known(two)
    finally:
        one.close()
        two.close()


def _under_one(history: Sequence[tuple[Told, bool, bool]]) -> list[tuple[int, Record]]:
    """(when it is told, the record): both partners are one from the start."""
    told = [(-1, PartnerRecord("ann")), (-1, PartnerRecord("ann"))]
    return [*told, *((place, record("ann", "deal")) for place, (record, _, _) in enumerate(history))]


def _under_two(history: Sequence[tuple[Told, bool, bool]], points: tuple[int, int]) -> list[tuple[int, Record]]:
    """The same with a second id for each; that they are one is told somewhere among it, and at the end."""
    told: list[tuple[int, Record]] = [(-1, PartnerRecord("ann")), (-1, PartnerRecord("twin"))]
    for place, (record, as_twin, as_copy) in enumerate(history):
        told += [(place, merge) for merge, point in zip(_MERGES, points, strict=True) if point == place]
        told.append((place, record("twin" if as_twin else "ann", "copy" if as_copy else "deal")))
    return [*told, *((len(history), merge) for merge in _MERGES)]


def _tell(store: Store, told: Sequence[tuple[int, Record]]) -> None:
    """Each on its own, an hour after the other: of two dates of a status the one told last is true."""
    for place, record in told:
        store.take([record], at=OBSERVED + timedelta(hours=place))


def _what_is_known(store: Store) -> dict[str, Any]:
    with store.database.read() as db:
        (id_,) = db.execute(sa.select(partners.c.id).where(partners.c.merged_into_id.is_(None))).scalars()
        scope = Scope(store.program, store.program_id)
        known: dict[str, Any] = {
            str(number): values(db, scope, Subject.PARTNER, _FACTS, _day(number), [id_])[id_]
            for number in (1, 3, 5, 99)
        }
        v, e = referral_versions.c, events.c
        columns = (v.status, v.valid_from, v.valid_to, v.since, v.qualified_at, v.submitted_at, v.amount)
        known["versions"] = sorted(map(repr, db.execute(sa.select(*columns)).all()))
        known["events"] = {
            tuple(row) for row in db.execute(sa.select(e.kind, e.to_status, e.occurred_at, e.partner_id))
        }
        known["events"] = {(kind, status, at) for kind, status, at, partner in known["events"] if partner == id_}
        rows = sa.select(sa.func.count()).where(referrals.c.merged_into_id.is_(None), referrals.c.partner_id == id_)
        known["referrals"] = db.execute(rows).scalar_one()
    return known


def _fresh(folder: Path, name: str) -> Store:
    """A copy of the empty database of the fixture `sqlite_url`."""
    for left in folder.glob(f"{name}.db*"):
        left.unlink()
    shutil.copy(folder / "engage.db", folder / f"{name}.db")
    return Store(f"sqlite:///{folder / name}.db")
