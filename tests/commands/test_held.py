"""`held`: what waits for an operator, who releases or drops it."""

import pytest

from tests.commands.saying import assert_said
from tests.support.installation import MONTHLY, Installation

DEALS = [f"deal-{number}" for number in range(4)]
WHY = ("--why", "looked at")


@pytest.fixture
def busy(fresh: Installation) -> Installation:
    """A run that two partners would enter where one may, and four status changes where three may come in an hour."""
    program = fresh.campaigns / "program.yaml"
    program.write_text(program.read_text() + "    limits: {status_changes_per_hour: 3}\n")
    (fresh.campaigns / "monthly.yaml").write_text(MONTHLY + "max_audience: 1\n")
    fresh.deals()
    assert fresh.imports().code == 0
    fresh.deals(*DEALS)
    mapping = fresh.folder / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("      submitted_at: created\n", ""))  # a win is one change each
    return fresh


def test_nothing_is_held_at_first(fresh: Installation) -> None:
    assert fresh.run("held", "list").out == "Nothing is held.\n"


def test_what_is_held_is_said_wherever_somebody_may_look(busy: Installation) -> None:
    assert "2 would enter; max_audience is 1: the run would be held" in busy.run("plan", "monthly").out
    plan = busy.run("plan", "monthly", "--json").json()
    assert (plan["matched"], plan["entering"], plan["max_audience"], plan["held"]) == (2, 2, 1, True)
    ran = busy.run("run", "monthly")
    assert_said(ran, 1, "2 partners would enter, and max_audience is 1", "engage held release run-1")
    assert ran.err.count("would enter") == 1
    assert "4 status changes came from 'import export'" in busy.imports("--live").err
    listed = busy.run("held", "list")
    assert listed.code == 0
    for part in (
        "run-1  monthly, slot ",
        "2 partners would enter, and max_audience is 1; it is the campaign's first run",
        "changes-1  status changes from 'import export', held since ",
        "4 status changes came from 'import export' within an hour (limit 3); "
        "now held: 4 (4 to won) of 4 referrals and 1 partner",
        "Released now, 4 may send mail; 0 are too old to send any.",
    ):
        assert part in listed.out
    run, changes = busy.run("held", "list", "--json").json()
    assert (run["id"], run["kind"], run["campaign"]) == ("run-1", "run", "monthly")
    assert {key: changes[key] for key in ("id", "source", "changes", "statuses", "may_send", "too_old")} == {
        "id": "changes-1",
        "source": "import export",
        "changes": 4,
        "statuses": {"won": 4},
        "may_send": 4,
        "too_old": 0,
    }
    findings = {finding["what"]: finding for finding in busy.run("doctor", "--json").json()}
    assert findings["held"]["said"] == "1 run and 1 burst of status changes"
    assert "engage held list" in findings["held"]["advice"]


def test_what_is_released_goes_on(busy: Installation) -> None:
    busy.run("run", "monthly")
    busy.imports("--live")
    assert_said(
        busy.run("held", "release", "run-1", "changes-7", *WHY), 1, "there is no changes-7", "nothing was decided"
    )
    assert_said(busy.run("held", "release", "burst", *WHY), 1, "'burst' is not the id of something held", "changes-3")
    released = busy.run("held", "release", "changes-1", "run-1", "--why", "the quarter was closed")
    assert released.code == 0
    assert "run-1 is released: 2 partners may enter monthly" in released.out
    assert "changes-1 is released: of 4 status changes from 'import export', 4 may send mail" in released.out
    assert busy.run("held", "list").out == "Nothing is held.\n"
    assert_said(busy.run("held", "drop", "changes-1", *WHY), 1, "changes-1 was released already")


def test_what_is_dropped_is_over(busy: Installation) -> None:
    busy.run("run", "monthly")
    busy.imports("--live")
    dropped = busy.run("held", "drop", "run-1", "changes-1", *WHY, "--json").json()
    assert [(one["id"], one["state"]) for one in dropped] == [("changes-1", "dropped"), ("run-1", "dropped")]
    assert_said(busy.run("run", "monthly"), 1, "was dropped", "the next slot comes as ever")
