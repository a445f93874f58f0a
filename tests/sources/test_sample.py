"""The sample programme: what the demo shows, imported as any export is."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from engage.authoring import parse_programs
from engage.domain.programs import Program
from engage.domain.records import Outcome
from engage.sources import Report, import_directory, load_mapping
from engage.sources.sample import live_changes, sample_programme
from engage.store.tables import companies, events, help_requests, partners, referral_versions, referrals, rewards
from tests.support.intake import Store

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
_COUNT = sa.func.count()


@pytest.fixture(scope="module")
def program() -> Program:
    path = ROOT / "campaigns" / "program.yaml"
    (found,) = parse_programs(path.read_text(), str(path)).values()
    return found


Loaded = Callable[[datetime], tuple[Path, Report]]


@pytest.fixture(scope="module")
def loaded(program: Program, _sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The database that holds the sample programme of an instant, to be copied, and what was said when it came in."""

    @cache
    def load(now: datetime) -> tuple[Path, Report]:
        folder = tmp_path_factory.mktemp("sample")
        database = Path(shutil.copy(_sqlite_template, folder / "engage.db"))
        store = Store(f"sqlite:///{database}", program)
        sample_programme(now, folder)
        mapping = load_mapping(folder / "mapping.yaml", {program.key: program})
        report = import_directory(folder, mapping, lambda rows: store.take(*rows, at=now).rows, rejects=folder)
        store.close()
        return database, report

    return load


def copied(database: Path, program: Program, folder: Path) -> Store:
    shutil.copy(database, folder / "engage.db")
    return Store(f"sqlite:///{folder / 'engage.db'}", program)


def test_a_year_of_a_programme_is_taken_whole(loaded: Loaded, program: Program, tmp_path: Path) -> None:
    database, report = loaded(NOW)
    store = copied(database, program, tmp_path)
    assert report.total.accepted == report.total.read
    assert store.select(sa.select(_COUNT).select_from(partners)) == [(200,)]
    ((referred,),) = store.select(sa.select(_COUNT).select_from(referrals))
    assert 1_500 < referred < 2_500
    ((wins,),) = store.select(sa.select(_COUNT).where(referrals.c.status == "won"))
    assert store.select(sa.select(_COUNT).select_from(rewards)) == [(2 * wins,)], "in two parts"
    ((last,),) = store.select(sa.select(sa.func.max(events.c.occurred_at)))
    assert NOW - timedelta(hours=6) < last <= NOW
    store.close()


def test_the_same_instant_gives_the_same_sample(tmp_path: Path) -> None:
    for name in ("one", "other"):
        sample_programme(NOW, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_another_program_has_a_small_sample_of_its_own(program: Program, sqlite_url: str, tmp_path: Path) -> None:
    sample_programme(NOW, tmp_path, program.key, 40)
    mapping = load_mapping(tmp_path / "mapping.yaml", {"other": program, program.key: program})
    store = Store(sqlite_url, program)
    report = import_directory(tmp_path, mapping, lambda rows: store.take(*rows, at=NOW).rows, rejects=tmp_path)
    assert mapping.program.key == program.key
    assert report.total.accepted == report.total.read
    statuses = Counter(status for (status,) in store.select(sa.select(partners.c.status)))
    assert (sum(statuses.values()), set(statuses)) == (40, {"active", "invited", "inactive"})
    store.close()


def test_what_happens_in_parts_is_told_in_parts(loaded: Loaded, program: Program, tmp_path: Path) -> None:
    store = copied(loaded(NOW)[0], program, tmp_path)
    r = rewards.c
    promised = store.select(sa.select(_COUNT).where(r.stage == "retention", r.earned_at.is_(None), r.expected_at > NOW))
    assert promised[0][0] > 100
    assert store.select(sa.select(_COUNT).where(r.stage == "retention", r.reversed_at.is_not(None))) == [(2,)]
    assert store.select(sa.select(_COUNT).select_from(help_requests)) == [(2,)]
    ((spoken_for,),) = store.select(
        sa.select(_COUNT).where(companies.c.contact_id.is_not(None), companies.c.manager_id.is_not(None))
    )
    assert spoken_for > 50
    store.close()


@pytest.mark.parametrize("now", [NOW, datetime(2027, 1, 5, 9, tzinfo=UTC)])
def test_each_shipped_campaign_finds_some_partners(
    loaded: Loaded, program: Program, tmp_path: Path, now: datetime
) -> None:
    store = copied(loaded(now)[0], program, tmp_path)
    e, p, v = events.c, partners.c, referral_versions.c
    seen = sa.select(p.id, sa.func.max(e.occurred_at)).join(events, e.partner_id == p.id)
    seen = seen.where(p.status == "active", e.kind == "partner.logged_in").group_by(p.id)
    quiet = [id_ for id_, last in store.select(seen) if last <= now - timedelta(days=30)]
    assert 15 <= len(quiet) <= 60

    recent = now - timedelta(days=90)
    referred = Counter(
        row[0] for row in store.select(sa.select(referrals.c.partner_id).where(referrals.c.submitted_at > recent))
    )
    won = sa.select(v.partner_id, v.since).where(v.status == "won")
    winners = {partner for partner, since in store.select(won) if since > recent}
    assert 5 <= sum(1 for partner, count in referred.items() if count >= 10 and partner not in winners) <= 20

    year = datetime(now.year, 1, 1, 5, tzinfo=UTC)
    wins = Counter(partner for partner, since in store.select(won) if since >= year)
    assert program.tiers is not None
    thresholds = [tier.threshold for tier in program.tiers.steps]
    assert sum(1 for count in wins.values() if {count + 1, count + 2} & set(thresholds)) >= 3
    store.close()


@pytest.mark.parametrize("now", [NOW + timedelta(days=11 * many, hours=many) for many in (0, 3)])
def test_the_guide_to_a_first_campaign_finds_its_partners_on_any_day(
    loaded: Loaded, program: Program, tmp_path: Path, now: datetime
) -> None:
    store = copied(loaded(now)[0], program, tmp_path)
    with store.database.read() as db:
        rows = live_changes(Random(1), db, program, store.program_id, now, 200)
    store.take(*rows, at=now, news=True)
    p = partners.c
    refers = sa.exists().where(referrals.c.partner_id == p.id)
    shy = sa.select(p.external_id).where(~refers, p.joined_at.between(now - timedelta(60), now - timedelta(21)))
    assert {"p-043", "p-045"} <= {name for (name,) in store.select(shy)}
    store.close()


def test_changes_keep_coming_and_the_first_ones_hold_every_kind_of_good_news(
    loaded: Loaded, program: Program, tmp_path: Path
) -> None:
    store = copied(loaded(NOW)[0], program, tmp_path)
    chance, now = Random(1), NOW
    for count in (25, 1, 1, 1, 1, 1, 1, 1, 1):
        now += timedelta(seconds=3)
        with store.database.read() as db:
            rows = live_changes(chance, db, program, store.program_id, now, count)
        taken = store.take(*rows, at=now, news=True)
        assert [row.outcome for row in taken.rows] == [Outcome.ACCEPTED] * count
        if count > 1:
            told = {(row.kind, row.to_status) for row in store.select(sa.select(events).where(events.c.unmatched))}
            assert told >= {("referral.status_changed", status) for status in ("accepted", "opportunity", "won")}
            assert ("reward.earned", None) in told
    store.close()
