"""Campaigns and emails judged together: each mistake is reported once, where it is."""

import shutil
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from engage.pipeline.judging import judge, lint_file
from tests.support.engage import Engage
from tests.support.topics import GATHER, say


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
    (authored[1] / "status_updates" / "wonn.md").write_text("---\nsubject: x\n---\nx\n")
    (problem,) = judge(*authored).problems
    assert problem.hint == "write email_templates/status_updates/won.md; did you mean 'status_updates/wonn'?"


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


def test_values_that_advertise_are_no_part_of_it_either(authored: tuple[Path, Path]) -> None:
    won = authored[1] / "status_updates" / "won.md"
    won.write_text(won.read_text() + "\n{% for one in leaders %}\n- {{ one.label }}\n{% endfor %}\n")
    assert said(authored) == [
        "email_templates/status_updates/won.md: "
        "'leaders' advertises, and 'referral-won' is transactional: partners cannot refuse it"
    ]


def test_the_daily_mail_shows_its_updates(authored: tuple[Path, Path]) -> None:
    say(authored, GATHER)
    assert said(authored) == []
    (authored[1] / "status_updates" / "daily.md").write_text("---\nsubject: News\n---\nThere is news.\n")
    assert said(authored) == [
        "email_templates/status_updates/daily.md: the daily mail of a topic does not show its updates"
    ]


def test_what_advertises_is_no_part_of_mail_that_cannot_be_refused(authored: tuple[Path, Path]) -> None:
    won = authored[1] / "status_updates" / "won.md"
    won.write_text(won.read_text() + '\n{{ blocks.tip("Refer another one") }}\n\n{{ blocks.leaderboard(leaders) }}\n')
    first = len(won.read_text().split("\n")) - 3
    problems = judge(*authored).problems
    assert [(problem.file, problem.line, problem.column) for problem in problems] == [
        ("email_templates/status_updates/won.md", first, 11),
        ("email_templates/status_updates/won.md", first + 2, 11),
    ]
    assert problems[0].message == ("'tip' advertises, and 'referral-won' is transactional: partners cannot refuse it")
    assert problems[0].hint == "take it out, or give 'referral-won' a marketing topic"


def test_the_daily_mail_of_a_topic_is_a_campaign_whose_name_no_file_may_take(authored: tuple[Path, Path]) -> None:
    say(authored, GATHER)
    assert judge(*authored).problems == ()
    won = authored[0] / "status_updates" / "won.yaml"
    won.write_text(won.read_text().replace("campaign: referral-won", "campaign: referral-status-daily"))
    assert (
        "campaigns/status_updates/won.yaml: 'referral-status-daily' is the daily mail of topic 'referral-status'"
        in (said(authored))
    )


def test_a_daily_mail_without_its_email_is_reported_where_it_is_named(authored: tuple[Path, Path]) -> None:
    say(authored, GATHER)
    (authored[1] / "status_updates" / "daily.md").unlink()
    judged = judge(*authored)
    (problem,) = judged.problems
    line = (authored[0] / "program.yaml").read_text().split("\n")[problem.line - 1]
    assert (problem.file, line.strip()) == ("campaigns/program.yaml", GATHER)
    assert problem.message == "there is no email 'status_updates/daily'"
    assert judged.programs["northwind-partners"].topics["referral-status"].gather is None


def test_updates_are_known_to_daily_mails_only(authored: tuple[Path, Path]) -> None:
    won = authored[1] / "status_updates" / "won.md"
    won.write_text(won.read_text() + "\n{{ blocks.updates(updates) }}\n")
    assert said(authored) == ["email_templates/status_updates/won.md: unknown name 'updates'"]


HARBOR = """\
program: northwind-harbor
inherits: northwind-partners
name: Northwind and Harbor
brand: {from: harbor@example.com}
"""


def test_the_file_of_a_further_program_that_breaks_is_stood_in_for_like_any_other(authored: tuple[Path, Path]) -> None:
    file = authored[0] / "programs" / "northwind-harbor.yaml"
    file.parent.mkdir()
    file.write_text(HARBOR)
    before = judge(*authored)
    assert before.problems == ()
    assert before.sources["campaigns/programs/northwind-harbor.yaml"] == HARBOR
    assert ("northwind-harbor", "referral-won") in before.campaigns

    for broken in (file, authored[0] / "program.yaml"):
        right = broken.read_text()
        broken.write_text(right + "zone: Berlin\n")
        after = judge(*authored, before.sources)
        assert {problem.file for problem in after.problems} == {f"campaigns/{broken.relative_to(authored[0])}"}
        assert (after.programs, after.campaigns) == (before.programs, before.campaigns)
        left = {path for path in before.sources if path not in after.sources}
        assert left <= {f"campaigns/{broken.relative_to(authored[0])}"}, "nothing else is forgotten"
        broken.write_text(right)

    file.unlink()
    assert list(judge(*authored, before.sources).programs) == ["northwind-partners"]


def test_a_daily_mail_that_a_further_program_names_is_missed_in_its_file(authored: tuple[Path, Path]) -> None:
    file = authored[0] / "programs" / "northwind-harbor.yaml"
    file.parent.mkdir()
    file.write_text(HARBOR + 'topics: {referral-status: {gather: {at: "17:00", send: harbor/daily}}}\n')
    assert said(authored) == ["campaigns/programs/northwind-harbor.yaml: there is no email 'harbor/daily'"]
