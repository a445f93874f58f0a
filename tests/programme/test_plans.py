"""`engage lint` has nothing to say of what is shipped, and `engage plan` of each campaign runs on real quantities."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.cli.planned import plan_json, print_plan
from engage.domain.campaigns import ScheduleTrigger
from engage.domain.records import Record, Taken
from engage.pipeline.plan import Plan, plan
from engage.sources import import_directory, load_mapping
from engage.sources.sample import sample_programme
from engage.store.intake import analyze
from tests.support.command import EngageCommand
from tests.support.intake import CRM
from tests.support.programme import Programme

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
QUARTERS = [datetime(2017, month, 28, 12, tzinfo=UTC) for month in (3, 6, 9, 12)]
FOUND_IN_THE_EXPORT = {  # it knows no logins, no dates of joining, no rewards and no kinds of partners
    "monthly-newsletter",
    "near-next-tier",
    "referral-stuck",
    "referral-won",
    "story-fastest-growth",
    "story-ten-wins-in-a-month",
    "tier-period-summary",
    "tier-reached",
    "top-performers",
}


def brings_in(programme: Programme, folder: Path, mapping: Path) -> None:
    program = programme.services.library().programs[programme.program]

    def take(rows: Sequence[Sequence[Record]]) -> Sequence[Taken]:
        return programme.services.take(program.key, rows, source="test", news=False).rows

    import_directory(folder, load_mapping(mapping, {program.key: program}), take, rejects=None)
    with programme.services.database.write() as db:
        analyze(db)


def plans(programme: Programme, as_of: datetime) -> list[Plan]:
    """The plan of each campaign of each program, as `engage plan` shows it to people and to scripts."""
    library = programme.services.library()
    made = []
    for campaign in library.campaigns.values():
        with programme.services.database.read() as db:
            made.append(plan(db, library.scope_of(campaign), campaign, as_of))
        print_plan(made[-1])
        json.dumps(plan_json(made[-1]))
    return made


def test_everything_is_read_without_a_problem(programme: Programme) -> None:
    assert programme.services.library().problems == ()


@pytest.mark.slow
def test_lint_has_nothing_to_say(run_engage: EngageCommand) -> None:
    ran = run_engage.run_fresh("lint", timeout=400)
    assert ran.out.splitlines()[:1] == ["No problems found."], ran.out + ran.err
    assert ran.code == 0


def test_each_plan_runs_on_the_sample_programme_and_finds_somebody(programme: Programme, tmp_path: Path) -> None:
    programme.now = NOW
    sample_programme(NOW, tmp_path / "sample")
    brings_in(programme, tmp_path / "sample", tmp_path / "sample" / "mapping.yaml")
    own = [made for made in plans(programme, NOW) if made.campaign.program == programme.program]
    assert len(own) > 40
    waiting = [made for made in own if not isinstance(made.campaign.trigger, ScheduleTrigger)]
    assert any(made.matched for made in waiting), "events of the last day"
    assert [made.campaign.name for made in own if not made.matched and made not in waiting] == []


@pytest.mark.slow
def test_each_plan_runs_on_the_real_export(programme: Programme, crm_dir: Path) -> None:
    brings_in(programme, crm_dir, CRM / "mapping.yaml")
    found = {made.campaign.name for quarter in QUARTERS for made in plans(programme, quarter) if made.matched}
    assert found >= FOUND_IN_THE_EXPORT
