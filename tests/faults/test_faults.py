"""The fault harness, each scenario small. `make faults` runs them as large as is promised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engage.workers.tether import Tethered
from tests.support.command import ROOT
from tests.support.unavailable import unavailable

pytestmark = pytest.mark.slow

on_both = pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])


def holds(scenario: str, database: str, folder: Path) -> None:
    """Runs a scenario small, in a process of its own: it forks from a process that has failpoints."""
    told = folder / "told.json"
    command = [sys.executable, "-m", "tests.faults", scenario, "--small", "--database", database, "--json", told]
    with Tethered(command, cwd=ROOT, output=subprocess.PIPE) as harness:
        said = harness.process.communicate(timeout=600)[0].decode()
    assert harness.process.returncode == 0, said
    (line,) = json.loads(told.read_text())["scenarios"]
    if line["verdict"] == "NOT RUN":
        unavailable(line["counted"])
    print(said)


@on_both
def test_processes_killed_at_each_failpoint_lose_no_mail_and_send_none_twice(database: str, tmp_path: Path) -> None:
    holds("kills", database, tmp_path)


@on_both
def test_valkey_killed_or_flushed_with_mail_queued_loses_none_and_holds_it_up_for_seconds(
    database: str, tmp_path: Path
) -> None:
    holds("valkey", database, tmp_path)


@pytest.mark.postgres
def test_postgresql_that_crashes_under_load_costs_no_mail_and_is_found_again(tmp_path: Path) -> None:
    holds("restarts", "postgres", tmp_path)


@on_both
def test_a_full_disk_of_the_database_costs_no_mail_and_is_got_over_without_help(database: str, tmp_path: Path) -> None:
    holds("disk-full", database, tmp_path)


@on_both
def test_nothing_is_sent_while_the_journal_could_not_record_it(database: str, tmp_path: Path) -> None:
    holds("journal-full", database, tmp_path)


@on_both
def test_what_was_taken_while_the_database_was_away_is_accepted_though_the_worker_died(
    database: str, tmp_path: Path
) -> None:
    holds("database-away", database, tmp_path)


@on_both
def test_mails_whose_answers_were_lost_are_listed_exactly_and_settled_by_webhooks(
    database: str, tmp_path: Path
) -> None:
    holds("dropped", database, tmp_path)


@on_both
def test_nobody_gets_a_mail_whose_sending_was_committed_after_they_unsubscribed(database: str, tmp_path: Path) -> None:
    holds("unsubscribing", database, tmp_path)


@on_both
def test_contests_go_on_after_workers_were_killed_with_the_same_winners_and_none_over_a_cap(
    database: str, tmp_path: Path
) -> None:
    holds("caps", database, tmp_path)


@pytest.mark.parametrize(
    "database",
    [
        pytest.param("sqlite", marks=pytest.mark.guard("lease token")),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ],
)
def test_a_worker_that_slept_past_its_lease_changes_nothing_and_sends_nothing_again(
    database: str, tmp_path: Path
) -> None:
    holds("stopped", database, tmp_path)


def test_a_scenario_that_is_not_there_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "explosions"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no scenario explosions; there are kills, valkey" in done.stderr
