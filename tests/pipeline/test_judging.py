"""Campaigns and emails judged together: each mistake is reported once, where it is."""

import shutil
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from engage.pipeline.judging import judge, lint_file
from tests.support.engage import Engage


def said(authored: tuple[Path, Path]) -> list[str]:
    return [f"{problem.file}: {problem.message}" for problem in judge(*authored).problems]


def test_a_broken_email_is_not_also_missed_by_its_campaign(authored: tuple[Path, Path]) -> None:
    won = authored[1] / "status_updates" / "won.md"
    won.write_text(won.read_text() + "{{ x | uper }}")
    assert said(authored) == ["email_templates/status_updates/won.md: unknown filter 'uper'"]
    assert "referral-won" not in judge(*authored).campaigns
    campaign = next(path for path in authored[0].rglob("*.yaml") if "send: status_updates/won" in path.read_text())
    shutil.copy(campaign, authored[0].parent / "mine.yaml")
    assert lint_file(authored[0].parent / "mine.yaml", *authored) == ()


def test_an_email_that_nobody_wrote_is_missed_by_its_campaign(authored: tuple[Path, Path]) -> None:
    (authored[1] / "status_updates" / "won.md").unlink()
    (problem,) = judge(*authored).problems
    assert problem.message == "there is no email 'status_updates/won'"


def test_without_the_folder_of_emails_what_was_good_goes_on(authored: tuple[Path, Path]) -> None:
    before = judge(*authored)
    shutil.rmtree(authored[1])
    assert said(authored) == [f"email_templates: there is no folder '{authored[1]}'"]
    assert judge(*authored).campaigns == {}
    after = judge(*authored, before.sources)
    assert (after.campaigns, after.templates.names) == (before.campaigns, before.templates.names)
    assert after.sources == before.sources


def test_a_process_says_when_all_files_are_right_again(engage: Engage, authored: tuple[Path, Path]) -> None:
    won = authored[1] / "status_updates" / "won.md"
    right = won.read_text()
    shelf = engage.services.shelf
    with capture_logs() as logs:
        for hour, text in enumerate((right, right + "{{ x | uper }}", right)):
            won.write_text(text)
            shelf.library(engage.now + timedelta(hours=hour))
    assert [entry["event"] for entry in logs] == ["lint", "lint_ok"]
