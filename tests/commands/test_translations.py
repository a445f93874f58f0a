"""`engage translations`: which emails and words are not there in which of the program's locales."""

import json
import re

from tests.commands.saying import assert_said
from tests.support.installation import Installation, email


def speaks(installation: Installation, locales: str) -> None:
    file = installation.campaigns / "program.yaml"
    file.write_text(file.read_text().replace("    locale: ", f"    locales: {locales}\n    locale: ", 1))


def test_each_email_is_named_with_the_locales_that_it_lacks_and_the_file_to_write(fresh: Installation) -> None:
    speaks(fresh, "[en_US, de_AT, fr]")
    (fresh.emails / "won.de.md").write_text(email("{{ referral.lead_company }} hat unterschrieben"))
    ran = fresh.run("translations")
    assert_said(ran, 0, "missing in one of en_US, de_AT, fr", "tips.de.md", "tips.fr.md", "won.fr.md")
    assert re.search(r"maven-partners: 2 emails and \d+ texts are missing", ran.out)
    assert_said(fresh.run("lint"), 0, "No problems found.", "2 emails and", "are not in all of the program's locales")
    listed = json.loads(fresh.run("translations", "--json").out)
    assert [(one["email"], one["missing"], one["campaigns"]) for one in listed if "email" in one] == [
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
    listed = json.loads(fresh.run("translations", "--json").out)
    assert [one["email"] for one in listed if "email" in one] == ["won"]


def test_an_email_that_programs_share_is_to_be_translated_once(fresh: Installation) -> None:
    speaks(fresh, "[en, de]")
    file = fresh.campaigns / "program.yaml"
    file.write_text(file.read_text().rstrip() + "\n  allies:\n    inherits: maven-partners\n    name: Allies\n")
    assert_said(fresh.run("lint"), 0, "2 emails and", "are not in all of the program's locales")
    said = fresh.run("translations").out
    assert said.count("tips.de.md") == said.count("Email settings") == 1
    assert "allies: 2 emails and" in said


def test_words_of_frame_program_and_pages_are_named_until_a_file_of_words_has_them(fresh: Installation) -> None:
    speaks(fresh, "[en_US, de_AT]")
    lacking = [one for one in json.loads(fresh.run("translations", "--json").out) if "text" in one]
    texts = {one["text"] for one in lacking}
    assert {"Partner portal", "{tier} at {value}", "there", "wins", "Unsubscribe from {topic}"} <= texts
    assert {(one["program"], *one["missing"]) for one in lacking} == {("maven-partners", "de_AT")}
    words = fresh.emails / "_words.de.yaml"
    words.write_text("".join(f"{json.dumps(text)}: {json.dumps(text)}\n" for text in sorted(texts - {"there"})))
    assert_said(fresh.run("translations"), 0, "2 emails and 1 text are missing", "there", "_words.de.yaml")
    (fresh.emails / "_words.de-AT.yaml").write_text("there: zusammen\n")
    assert_said(fresh.run("translations"), 0, "2 emails are missing")
    assert fresh.run("lint").out.splitlines()[0] == "No problems found."


def test_lint_names_slips_in_words_and_hints_at_what_is_left_over(fresh: Installation) -> None:
    (fresh.emails / "_words.de.yaml").write_text(
        'Partner portall: Partnerportal\n"{tier} at {value}": "{tier} ab {valu}"\nAn old text: Ein alter Text\n'
    )
    where = "email_templates/_words.de.yaml"
    assert_said(fresh.run("lint"), 1, f"{where}:2:22: unknown placeholder '{{valu}}'; did you mean '{{value}}'?")
    (fresh.emails / "_words.de.yaml").write_text("Partner portall: Partnerportal\nAn old text: Ein alter Text\n")
    ran = fresh.run("lint")
    assert_said(ran, 1, f"{where}:1:1: nothing says 'Partner portall'; did you mean 'Partner portal'?")
    assert_said(ran, 1, f"hint: {where}:2:1: 1 text stands here that nothing says, such as 'An old text'")


def test_no_words_are_called_left_over_while_a_file_cannot_be_read(fresh: Installation) -> None:
    (fresh.emails / "_words.de.yaml").write_text("An old text: Ein alter Text\n")
    (fresh.campaigns / "broken.yaml").write_text("campaign: broken\n")
    ran = fresh.run("lint")
    assert ran.code == 1
    assert "that nothing says" not in ran.out + ran.err


def test_a_program_says_nothing_instead_of_a_text_that_nobody_says(fresh: Installation) -> None:
    file = fresh.campaigns / "program.yaml"
    words = "    words: {Partner portal: Our portal, Partner portl: x, '{days} left': '{day} to go'}\n    locale: "
    file.write_text(file.read_text().replace("    locale: ", words, 1))
    ran = fresh.run("lint")
    assert_said(ran, 1, "unknown placeholder '{day}'; did you mean '{days}'?")
    file.write_text(file.read_text().replace("{day} to go", "only {days}"))
    assert_said(fresh.run("lint"), 1, "nothing says 'Partner portl'; did you mean 'Partner portal'?")
    file.write_text(file.read_text().replace(", Partner portl: x", ""))
    assert fresh.run("lint").out.splitlines()[0] == "No problems found."
