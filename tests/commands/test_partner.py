"""`engage partner`: all that is held of one is handed out, or erased."""

from tests.commands.saying import assert_said
from tests.support.installation import Installation


def test_what_is_held_is_printed_as_json(known: Installation) -> None:
    told = known.run("partner", "export", "ann").json()
    assert told["partner"] == "ann"
    assert told["held"]["partners"][0]["email"] == "ann@example.com"
    assert told["held"]["referrals"]
    assert "bob@example.com" not in str(told)
    assert_said(known.run("partner", "export", "zoe"), 1, "no partner", "is known as 'zoe'")


def test_whoever_is_forgotten_stays_forgotten_when_they_are_imported_again(fresh: Installation) -> None:
    fresh.imports()
    assert_said(fresh.run("partner", "forget", "ann"), 2, "--why")
    assert_said(fresh.run("partner", "forget", "ann", "--why", "asked us"), 1)
    done = fresh.run("partner", "forget", "ann", "--why", "asked us", "--yes", "--json").json()
    assert done["left_as"].startswith("forgotten:")
    assert done["addresses"] == 1
    assert_said(fresh.run("partner", "forget", "ann", "--why", "x", "--yes"), 1, "was forgotten on")
    fresh.imports()
    assert_said(fresh.run("partner", "export", "ann@example.com"), 1, "is known as 'ann@example.com'")
    assert_said(fresh.run("partner", "export", "ann"), 1, "is known as 'ann'")
    decisions = fresh.run("plan", "monthly", "--json").json()["decisions"]
    assert [one["partner"] for one in decisions if one["decision"] == "send"] == ["bob"]
