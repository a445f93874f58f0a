"""`alias`: two ids that name one thing, told by hand."""

import pytest

from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import Installation


@pytest.fixture
def told(run_engage: EngageCommand) -> Installation:
    """Ann with a referral, and her twin Anne with another and a mail that waits for each of both."""
    made = Installation(run_engage)
    made.partners("ann", "anne", "bob")
    made.deals("acme", partner="anne")
    assert made.imports().code == 0
    assert made.run("run", "monthly").code == 0
    return made


def test_a_changed_id_becomes_an_alias_and_names_the_partner_everywhere(told: Installation) -> None:
    assert told.run("alias", "partner", "ann-2", "--of", "ann").out == "'ann-2' is now an alias of partner 'ann'.\n"
    assert told.run("alias", "partner", "ann-2", "--of", "ann").out == "'ann-2' is an alias of partner 'ann' already.\n"
    other = told.run("alias", "partner", "ann-2", "--of", "bob")
    assert_said(other, 1, "'ann-2' is an alias of partner 'ann' already", "engage alias partner ann --of bob")
    assert_said(told.run("alias", "partner", "a\x1b[31m", "--of", "bob"), 1, "holds a character that cannot be shown")
    assert told.run("explain", "ann-2", "monthly", "--json").json()["partner"] == "ann"
    assert "To: Ann" in told.run("preview", "monthly", "ann-2").out


def test_a_merge_is_said_before_it_is_done_and_done_as_it_was_said(told: Installation) -> None:
    before = told.run("alias", "partner", "anne", "--of", "ann", "--dry-run")
    assert (before.code, before.out) == (
        0,
        "partner 'anne' would be merged into 'ann': 1 referral, 2 events would move."
        " 1 waiting message would be cancelled: the same goes to 'ann'.\n",
    )
    assert told.run("alias", "list").out == "There are no aliases.\n"
    done = told.run("alias", "partner", "anne", "--of", "ann")
    assert done.out == (
        "partner 'anne' is merged into 'ann': 1 referral, 2 events moved."
        " 1 waiting message cancelled: the same goes to 'ann'.\n"
    )
    assert "merged into ann" in told.run("alias", "list").out
    plan = told.run("plan", "monthly", "--json").json()
    assert {one["partner"] for one in plan["decisions"]} <= {"ann", "bob"}
    assert told.imports("--json").json()["total"]["accepted"] == 0, "the CRM may go on telling of both"


def test_scripts_get_json(told: Installation) -> None:
    merged = told.run("alias", "partner", "anne", "--of", "ann", "--json").json()
    assert merged == {
        "kind": "partner",
        "external_id": "ann",
        "alias": "anne",
        "outcome": "accepted",
        "merged": {
            "kind": "partner",
            "merged": "anne",
            "survivor": "ann",
            "events": 2,
            "referrals": 1,
            "rewards": 0,
            "partners": 0,
            "cancelled": 1,
        },
        "dry_run": False,
    }
    (listed,) = told.run("alias", "list", "--json").json()
    since = listed.pop("since")
    assert since.endswith("Z")
    assert listed == {
        "kind": "partner",
        "external_id": "anne",
        "of": "ann",
        "merged": True,
        "source": "engage alias",
    }


def test_what_cannot_be_an_alias_is_said_with_what_was_probably_meant(told: Installation) -> None:
    unknown = told.run("alias", "partner", "ann-2", "--of", "annn")
    assert_said(unknown, 1, "neither partner 'ann-2' nor 'annn' is known", "did you mean 'ann'?")
    assert_said(told.run("alias", "partner", "ann", "--of", "ann"), 1, "'ann' cannot be an alias of itself")
    assert_said(told.run("alias", "referral", "x", "--of", "y"), 1, "neither referral 'x' nor 'y'", "import one")
    assert_said(told.run("alias", "deal", "x", "--of", "y"), 2, "No such command 'deal'")
