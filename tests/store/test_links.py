"""Where links lead is stored once, whoever stores it first."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from engage.store import tables
from engage.store.links import keep_links, link_ids
from tests.support.engage import Engage
from tests.support.shipped import copy_shipped

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORKERS = 4


def test_workers_who_store_the_same_links_at_once_find_the_same_ids(database_url: str, tmp_path: Path) -> None:
    engage = Engage(database_url, tmp_path, *copy_shipped(tmp_path))
    database, program_id = engage.services.database, engage.services.library().program_ids[engage.program]
    wanted = [(program_id, f"https://example.com/{number}?é=ü") for number in range(1500)]

    def store(number: int) -> dict[tuple[int, str], int]:
        with database.write() as db:
            return keep_links(db, wanted[number:] + wanted[:number], NOW)

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(store, range(WORKERS)))
    assert all(one == found[0] for one in found)
    assert len(set(found[0].values())) == len(wanted)
    assert engage.count(tables.links) == len(wanted)
    with database.read() as db:
        assert link_ids(db, [*wanted[:2], (program_id + 1, wanted[0][1])]) == {one: found[0][one] for one in wanted[:2]}
        hashes = db.execute(sa.select(sa.func.count(tables.links.c.hash.distinct()))).scalar_one()
    assert hashes == len(wanted)
    engage.services.close()
