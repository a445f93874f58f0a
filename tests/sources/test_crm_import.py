"""The real CRM export through tests/data/crm/mapping.yaml."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from engage.sources import Counts, Report, import_directory, load_mapping
from engage.store.intake import analyze
from engage.store.tables import events, referral_versions, referrals
from tests.support.intake import CRM, Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    yield made
    made.close()


def bring_in(store: Store, folder: Path, rejects: Path | None = None, batch: int = 500) -> Report:
    mapping = load_mapping(CRM / "mapping.yaml", {store.program.key: store.program})
    report = import_directory(folder, mapping, lambda rows: store.take(*rows).rows, rejects=rejects, batch=batch)
    with store.database.write() as db:
        analyze(db)
    return report


@pytest.mark.slow
def test_the_export_is_taken_once(store: Store, crm_dir: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    report = bring_in(store, crm_dir, tmp_path)
    print(f"first import on {store.database.engine.dialect.name}: {time.monotonic() - started:.1f} s")

    pipeline = report.files[-1]
    assert (pipeline.file, pipeline.counts) == ("sales_pipeline.csv", Counts(8800, 7375, 0, 1425))
    assert report.total == Counts(8920, 7495, 0, 1425)
    assert pipeline.rejects is not None
    lines = pipeline.rejects.read_text().splitlines()
    assert len(lines) == 1 + 1425
    assert lines[0].startswith("_line,_reason,opportunity_id,sales_agent")
    assert lines[1].startswith("11,\"partner is missing, and referral 'HAXMC4IX' is not known\",HAXMC4IX,James")

    # 500 are Prospecting, 337 of them without an account: they have no date, and so no event.
    assert store.select(sa.select(sa.func.count()).where(referrals.c.undated_status == "submitted")) == [(163,)]
    assert store.select(sa.select(sa.func.count(sa.distinct(events.c.referral_id)))) == [(7375 - 163,)]
    assert {row.product for row in store.select(sa.select(referral_versions.c.product).distinct())} >= {"GTX Pro"}
    assert store.select(sa.select(sa.func.count()).where(events.c.unmatched.is_not(None))) == [(0,)]

    before = store.dump()
    again = bring_in(store, crm_dir, tmp_path, batch=777)
    assert again.files[-1].counts == Counts(8800, 0, 7375, 1425)
    assert again.total.accepted == 0
    assert store.dump() == before
