"""The real export, imported and planned by the command: the counts and the table of its README, on both databases."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.command import EngageCommand
from tests.support.installation import Installation
from tests.support.intake import CRM

CAMPAIGN = """\
campaign: {name}
why: One column of the table.
state: live
topic: tips
for: partner
when: {{every: "monday 09:00"}}
again: each slot
where:
{where}
steps:
  - send: tips
"""
CONDITIONS = {
    "never-won": "  - referrals: {at_least: 5}\n  - wins: {is: 0}",
    "near-fifty": "  - wins: {between: [40, 49]}",
    "gone-quiet": "  - days_since_referral: {at_least: 30}",
    "many-and-few": "  - referrals: {last: 90d, at_least: 10}\n  - wins: {last: 90d, at_most: 3}",
}
TABLE = {
    "2017-03-31": (1, 0, 0, 14),
    "2017-06-30": (0, 3, 0, 1),
    "2017-09-30": (0, 16, 0, 0),
    "2017-12-31": (0, 18, 29, 0),
}


@pytest.mark.slow
def test_the_real_export_is_taken_once_and_its_table_comes_out_exactly(
    run_engage: EngageCommand, database_url: str, crm_dir: Path
) -> None:
    maven = Installation(run_engage, database_url)
    for name, where in CONDITIONS.items():
        (maven.campaigns / f"{name}.yaml").write_text(CAMPAIGN.format(name=name, where=where))
    command = ("import", crm_dir, "--mapping", CRM / "mapping.yaml", "--json")

    first = maven.run(*command, "--rejects", maven.folder / "rejects")
    assert first.code == 0, first.err
    report = first.json()
    pipeline = {"file": "sales_pipeline.csv", "read": 8800, "accepted": 7375, "unchanged": 0, "rejected": 1425}
    assert report["files"][-1] == pipeline
    assert report["total"] == {"read": 8920, "accepted": 7495, "unchanged": 0, "rejected": 1425}
    with (maven.folder / "rejects" / "sales_pipeline.csv.rejects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1425
    assert all(row["_reason"] and int(row["_line"]) > 1 for row in rows)

    again = maven.run(*command, "--strict")
    assert again.code == 1, "rows are still rejected"
    assert again.json()["total"] == {"read": 8920, "accepted": 0, "unchanged": 7495, "rejected": 1425}

    def matched(name: str, day: str) -> int:
        plan = maven.run("plan", name, "--as-of", f"{day}T00:00:00Z", "--json").json()
        assert (plan["campaign"], plan["as_of"]) == (name, f"{day}T00:00:00Z")
        assert len({one["partner"] for one in plan["decisions"]}) == plan["matched"]
        return int(plan["matched"])

    cells = [(name, day) for day in TABLE for name in CONDITIONS]
    with ThreadPoolExecutor(2) as pool:  # most of the time is the start of processes
        found = iter(pool.map(matched, *zip(*cells, strict=True)))
    assert {day: tuple(next(found) for _ in CONDITIONS) for day in TABLE} == TABLE
