"""`engage lint`: every error at once, where it is and what to write instead."""

import json

from tests.commands.saying import assert_said
from tests.support.installation import MONTHLY, Installation, email


def spoil(installation: Installation) -> None:
    monthly = MONTHLY.replace("steps:", "where:\n  - refferals: {at_least: 1}\nsteps:").replace(
        "1st 09:00", "1st 25:00"
    )
    (installation.campaigns / "monthly.yaml").write_text(monthly)
    (installation.campaigns / "broken.yaml").write_text("campaign: [broken\n")
    (installation.emails / "won.md").write_text(
        email("{{ referral.lead_company }}", "{{ partner.frist_name }} {{ nope }}")
    )


def test_every_error_is_printed_at_once_with_its_place_and_the_way_out(fresh: Installation) -> None:
    assert_said(fresh.run("lint"), 0, "No problems found.")
    spoil(fresh)
    ran = fresh.run("lint")
    assert_said(
        ran,
        1,
        "campaigns/broken.yaml:2:1: this is not YAML",
        "campaigns/monthly.yaml:6:15: ",
        "campaigns/monthly.yaml:9:5: unknown fact 'refferals'; did you mean 'referrals'?",
        "email_templates/won.md:9:12: unknown field 'frist_name' of 'partner'; did you mean 'first_name'?",
        "email_templates/won.md:9:29: unknown name 'nope'; known are ",
    )
    assert len(ran.out.splitlines()) == 5
    listed = fresh.run("lint", "--json")
    assert listed.code == 1
    problems = json.loads(listed.out)
    assert len(problems) == 5
    assert problems[0].keys() == {"level", "file", "line", "column", "message", "hint"}
    one = fresh.run("lint", fresh.campaigns / "monthly.yaml")
    assert (one.code, len(one.out.splitlines())) == (1, 2)


def test_a_broken_program_file_is_one_problem_and_not_one_for_each_email(fresh: Installation) -> None:
    (fresh.emails / "tips.md").write_text(email("x").replace("from: program", "from: program\nfacts: {won: wins}"))
    (fresh.campaigns / "program.yaml").write_text("programs: [\n")
    ran = fresh.run("lint")
    assert_said(ran, 1, "campaigns/program.yaml:2:1: this is not YAML")
    assert len(ran.out.splitlines()) == 1
    assert_said(fresh.run("plan", "monthly"), 1, "campaigns/program.yaml:2:1: this is not YAML")


def test_a_path_that_is_not_there_is_said(fresh: Installation) -> None:
    assert_said(fresh.run("lint", "nowhere"), 1, "nowhere does not exist", "name a file or a folder")


def test_hints_are_told_apart_and_break_nothing(fresh: Installation) -> None:
    monthly = MONTHLY.replace("steps:", "holdout: 10%\nsteps:")
    (fresh.campaigns / "monthly.yaml").write_text(monthly)
    ran = fresh.run("lint")
    assert_said(ran, 0, "hint: campaigns/monthly.yaml:8:1: partners are held out", "No problems found.")
    (listed,) = fresh.run("lint", "--json").json()
    assert (listed["level"], listed["line"]) == ("hint", 8)


def test_schemas_that_are_older_than_the_program_are_said(fresh: Installation) -> None:
    assert fresh.run("schema", "--write").code == 0
    assert "hint:" not in fresh.run("lint").out
    program = fresh.campaigns / "program.yaml"
    program.write_text(
        program.read_text().replace("      tips:", "      tricks: {kind: marketing, label: T}\n      tips:")
    )
    ran = fresh.run("lint")
    assert_said(ran, 0, "hint: campaigns/_schema/campaign.json:1:1: this is older than program.yaml")
    assert "; engage schema --write" in ran.out
    assert "_schema/program.json" not in ran.out
