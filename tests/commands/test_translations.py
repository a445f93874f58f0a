"""`engage translations`: which emails are not there in which of the program's locales."""

import json

from tests.commands.saying import assert_said
from tests.support.installation import Installation, email


def speaks(installation: Installation, locales: str) -> None:
    file = installation.campaigns / "program.yaml"
    file.write_text(file.read_text().replace("    locale: ", f"    locales: {locales}\n    locale: ", 1))


def test_each_email_is_named_with_the_locales_that_it_lacks_and_the_file_to_write(fresh: Installation) -> None:
    speaks(fresh, "[en_US, de_AT, fr]")
    (fresh.emails / "won.de.md").write_text(email("{{ referral.lead_company }} hat unterschrieben"))
    ran = fresh.run("translations")
    assert_said(ran, 0, "2 emails are missing in one of en_US, de_AT, fr", "tips.de.md", "tips.fr.md", "won.fr.md")
    assert_said(fresh.run("lint"), 0, "No problems found.", "2 emails are not in all of the program's locales")
    listed = json.loads(fresh.run("translations", "--json").out)
    assert [(one["email"], one["missing"], one["campaigns"]) for one in listed] == [
        ("tips", ["de_AT", "fr"], ["monthly"]),
        ("won", ["fr"], ["referral-won"]),
    ]


def test_what_is_complete_or_asked_of_nobody_is_said_so(fresh: Installation) -> None:
    assert_said(fresh.run("translations"), 0, "program.yaml names no locales; add such as locales: [en, de]")
    speaks(fresh, "[en_GB]")
    assert_said(fresh.run("translations"), 0, "no email is missing in one of en_GB")
    assert fresh.run("lint").out.strip() == "No problems found."


def test_an_email_of_an_ended_campaign_need_not_be_translated(fresh: Installation) -> None:
    speaks(fresh, "[en, de]")
    monthly = fresh.campaigns / "monthly.yaml"
    monthly.write_text(monthly.read_text().replace("state: live", "state: ended"))
    assert [one["email"] for one in json.loads(fresh.run("translations", "--json").out)] == ["won"]


def test_an_email_that_programs_share_is_to_be_translated_once(fresh: Installation) -> None:
    speaks(fresh, "[en, de]")
    file = fresh.campaigns / "program.yaml"
    file.write_text(file.read_text().rstrip() + "\n  allies:\n    inherits: maven-partners\n    name: Allies\n")
    assert_said(fresh.run("lint"), 0, "2 emails are not in all of the program's locales")
    said = fresh.run("translations").out
    assert said.count("tips.de.md") == 1
    assert "allies: 2 emails are missing" in said
