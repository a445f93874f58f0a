"""`status`: what is wrong, the worst first, with the command that helps; then how the rest stands."""

import signal
from datetime import UTC, datetime

import pytest

from engage.store.database import Database
from engage.store.upkeep import AtWork, beat
from tests.commands.saying import assert_said
from tests.support.installation import Installation
from tests.support.waiting import wait_for


@pytest.fixture
def running(fresh: Installation) -> Installation:
    """A worker and a scheduler have just been heard of."""
    assert fresh.imports().code == 0
    database, now = Database(f"sqlite:///{fresh.folder}/var/engage.db"), datetime.now(UTC)
    with database.write() as db:
        beat(db, "worker@a:1", "worker", now, [AtWork("deliver", 12, now)])
        beat(db, "scheduler@a:2", "scheduler", now)
    database.close()
    return fresh


def test_it_says_first_what_is_wrong_and_what_helps(running: Installation) -> None:
    assert running.run("sending", "pause", "--why", "a wrong price").code == 0
    shown = running.run("status")
    assert shown.out.startswith("Mail does not go out. 1 thing needs somebody today.")
    assert_said(shown, 0, "today  sending: is paused since", "a wrong price", "engage sending resume --why TEXT")
    assert_said(shown, 0, "deliver of 12 for", "transactional", "monthly")


def test_scripts_read_all_of_it(running: Installation) -> None:
    found = running.run("status", "--json").json()
    assert (found["worst"], found["said"].split(".")[0]) == (None, "All is well")
    assert found["at"].endswith("Z")
    assert [one["role"] for one in found["processes"]] == ["scheduler", "worker"]
    assert found["provider"]["state"] == "goes on"
    assert {one["lane"] for one in found["queues"]} >= {"transactional", "bulk", "events", "feedback"}
    assert isinstance(found["schedules"][0]["lateness"], float)


def test_json_is_not_watched(fresh: Installation) -> None:
    assert_said(fresh.run("status", "--json", "--watch"), 2, "do not go together")


@pytest.mark.slow
def test_it_is_kept_up_to_date_until_ctrl_c(running: Installation) -> None:
    watching = running.start("status", "--watch", "--every", "0.5")
    try:
        wait_for(lambda: running.log("status").count("As of") >= 2, "a second look")
        assert running.run("sending", "pause", "--why", "a wrong price").code == 0
        wait_for(lambda: "Mail does not go out." in running.log("status"), "what has happened since")
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(20) == 0
    finally:
        watching.stop()
    assert "Traceback" not in running.log("status")
