"""`engage preview --sample`: an email as somebody made up would read it, without a database."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from tests.commands.saying import assert_said
from tests.support.command import ROOT
from tests.support.installation import Installation, email


@pytest.fixture
def sampled(fresh: Installation) -> Installation:
    copytree(ROOT / "email_templates" / "_samples", fresh.emails / "_samples")
    return fresh


def test_an_email_is_shown_and_written_without_any_data(sampled: Installation, tmp_path: Path) -> None:
    page = tmp_path / "won.html"
    ran = sampled.run("preview", "--sample", "usual", "won", "--out", page)
    assert_said(ran, 0, "To: Dana Whitfield <dana.whitfield@example.com>", "Harborline Logistics", "HTML written to")
    assert "Harborline Logistics" in page.read_text()
    (mail,) = json.loads(sampled.run("preview", "won", "--sample", "right_to_left", "--json").out)
    assert "شركة النور للتجارة" in mail["subject"]


def test_it_is_shown_in_the_language_that_is_asked_for(sampled: Installation) -> None:
    (sampled.emails / "won.de.md").write_text(email("{{ referral.lead_company }} hat unterschrieben"))
    ran = sampled.run("preview", "--sample", "usual", "won", "--locale", "de")
    assert_said(ran, 0, "Subject: Harborline Logistics hat unterschrieben")
    assert "(it is not written in" not in ran.out
    other = sampled.run("preview", "--sample", "usual", "won", "--locale", "fr")
    assert_said(other, 0, "(it is not written in fr, and is shown in en", "From: ")


def test_what_cannot_be_shown_is_said_with_what_to_do(sampled: Installation) -> None:
    said = "there is no email 'wonn'", "did you mean 'won'?"
    assert_said(sampled.run("preview", "--sample", "usual", "wonn"), 1, *said)
    assert_said(sampled.run("preview", "--sample", "usul", "won"), 1, "there is no sample 'usul'", "'usual'")
    (sampled.emails / "other.md").write_text(email("Hello"))
    assert_said(sampled.run("preview", "--sample", "usual", "other"), 1, "no campaign sends the email 'other'")
    (sampled.emails / "won.md").write_text(email("{{ referral.lead_compny }}"))
    assert_said(sampled.run("preview", "--sample", "usual", "won"), 1, "unknown field 'lead_compny'")


def test_a_preview_is_of_a_partner_or_of_a_sample(sampled: Installation) -> None:
    assert_said(sampled.run("preview", "won"), 2, "a preview is for a partner, or of a sample")
    assert_said(sampled.run("preview", "won", "p-1", "--sample", "usual"), 2, "a preview is for a partner")
    assert_said(sampled.run("preview", "referral-won", "p-1", "--locale", "de"), 2, "--locale goes with --sample")
