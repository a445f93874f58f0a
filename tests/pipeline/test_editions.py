"""Editions: each month's slot sends the email of that month, and waits for one that is not there."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engage.pipeline.editions import current_and_next
from engage.pipeline.hints import hints_of
from engage.pipeline.holding import Hold
from engage.pipeline.judging import judge
from engage.pipeline.previewing import preview
from engage.store.alarms import last_alarms
from tests.support.engage import Engage
from tests.support.telling import MONTHLY

EDITION = """\
---
subject: "News of {month}"
---
Hello {{{{ partner.greeting_name }}}}, this is {month}.
"""
MISSING = """\
---
subject: "{{ edition.email }} is not written yet"
---
Hello {{ staff.first_name }}, write **{{ edition.file }}**: {{ edition.campaign }} sends it on {{ edition.at | date }}.
"""
CAMPAIGN = Path("newsletter", "monthly.yaml")


def write(templates: Path, month: str, folder: str = "newsletter") -> None:
    (templates / folder).mkdir(parents=True, exist_ok=True)
    (templates / folder / f"{month}.md").write_text(EDITION.format(month=month))


@pytest.fixture
def folders(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    """Campaigns and emails with a monthly newsletter whose edition of March is there."""
    campaigns, templates = authored
    shutil.rmtree(templates / "newsletter")
    (campaigns / CAMPAIGN).write_text(MONTHLY)
    (templates / "alerts" / "edition_missing.md").write_text(MISSING)
    write(templates, "2026-03")
    return authored


@pytest.fixture
def monthly(folders: tuple[Path, Path], start: Callable[[str], Engage]) -> Engage:  # noqa: ARG001
    """Late in March, in New York."""
    engage = start("")
    engage.now = datetime(2026, 3, 20, 13, 0, 30, tzinfo=UTC)
    engage.partner("ann")
    engage.services.open_runs()
    return engage


def passes(engage: Engage, until: datetime) -> list[str]:
    """The subjects of what went out while the scheduler looked every two hours."""
    got = []
    while engage.now < until:
        engage.now += timedelta(hours=2)
        engage.services.open_runs()
        engage.services.look_after_editions()
        got += [f"{mail.to.email}: {mail.subject}" for mail in (*engage.work(), *engage.sweeps())]
    return got


def held_newsletters(engage: Engage) -> list[Hold]:
    return [one for one in engage.services.held() if one.of == "monthly-newsletter"]


def at(day: int, hour: int = 14, month: int = 4) -> datetime:
    return datetime(2026, month, day, hour, 0, 30, tzinfo=UTC)


def test_a_slot_sends_the_edition_of_its_month(monthly: Engage, folders: tuple[Path, Path]) -> None:
    write(folders[1], "2026-04")
    write(folders[1], "2026-05")
    assert passes(monthly, at(2)) == ["ann@example.com: News of 2026-04"]
    assert passes(monthly, at(2, month=5)) == ["ann@example.com: News of 2026-05"]


def test_marketing_is_told_once_three_days_ahead(monthly: Engage) -> None:
    assert passes(monthly, at(29, 10, 3)) == []
    told = passes(monthly, at(1, 10))
    assert told == ["partner-desk@example.com: newsletter/2026-04 is not written yet"]
    (mail,) = monthly.provider.messages
    assert "email_templates/newsletter/2026-04.md: monthly-newsletter sends it on April 1, 2026" in mail.text
    with monthly.services.database.read() as db:
        (alarm,) = [one for one in last_alarms(db, 10) if one.kind == "edition_missing"]
    assert alarm.said == (
        "The edition newsletter/2026-04.md of 'monthly-newsletter' is not there, "
        "and is to go out from 2026-04-01 13:00 UTC on."
    )


def test_nobody_is_told_of_an_edition_that_is_there(monthly: Engage, folders: tuple[Path, Path]) -> None:
    write(folders[1], "2026-04")
    assert passes(monthly, at(1, 10)) == []


def test_a_run_whose_edition_is_missing_goes_on_by_itself_once_it_is_there(
    monthly: Engage, folders: tuple[Path, Path]
) -> None:
    assert [line for line in passes(monthly, at(3)) if "ann" in line] == []
    (held,) = held_newsletters(monthly)
    assert (held.slot, held.message) == (
        "2026-04-01T09:00",
        "edition_missing: its email is not there yet; the run goes on by itself once it is: "
        "email_templates/newsletter/2026-04.md",
    )
    write(folders[1], "2026-04")
    assert passes(monthly, at(4)) == ["ann@example.com: News of 2026-04"]
    assert held_newsletters(monthly) == []


def test_an_edition_that_comes_too_late_is_not_sent(monthly: Engage, folders: tuple[Path, Path]) -> None:
    passes(monthly, at(6, 14))
    assert held_newsletters(monthly) == []
    write(folders[1], "2026-04")
    assert passes(monthly, at(8)) == []


def test_lint_takes_a_step_whose_coming_edition_is_not_there(folders: tuple[Path, Path]) -> None:
    assert judge(*folders).problems == ()


def test_a_folder_without_any_edition_is_hinted_at(folders: tuple[Path, Path]) -> None:
    file = folders[0] / CAMPAIGN
    file.write_text(MONTHLY.replace("edition: newsletter", "edition: newsleter"))
    found = [str(hint) for hint in hints_of(judge(*folders), at(1)) if "edition" in hint.message]
    assert found == [
        "campaigns/newsletter/monthly.yaml:8:1: there is no edition in email_templates/newsleter/ yet; "
        "write one for each month, such as newsleter/2026-12.md"
    ]


def test_each_edition_is_linted_and_a_wrong_one_does_not_keep_the_others(folders: tuple[Path, Path]) -> None:
    wrong = folders[1] / "newsletter" / "2026-05.md"
    wrong.write_text(EDITION.format(month="2026-05").replace("partner.greeting_name", "referral.amount"))
    judged = judge(*folders)
    assert [problem.file for problem in judged.problems] == ["email_templates/newsletter/2026-05.md"]
    assert ("northwind-partners", "monthly-newsletter") in judged.campaigns
    assert "newsletter/2026-03" in judged.templates
    assert "newsletter/2026-05" not in judged.templates


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'when: {every: "1st 09:00"}\nagain: each slot\n',
            "when: {event: partner.logged_in}\n",
            "an edition belongs to a schedule: its date says which month's it is",
        ),
        (
            "  - send:",
            "  - wait: 2d\n  - send:",
            "an edition goes out when the schedule comes, and here something is waited for",
        ),
        (
            "{edition: newsletter}",
            "{edition: newsletter, rotate: [a, b]}",
            "'send' names an email, or one of rotate, variants and edition",
        ),
    ],
)
def test_an_edition_stands_where_its_month_is_known(folders: tuple[Path, Path], old: str, new: str, said: str) -> None:
    (folders[0] / CAMPAIGN).write_text(MONTHLY.replace(old, new))
    assert said in [problem.message for problem in judge(*folders).problems]


def test_plan_and_preview_say_which_edition(monthly: Engage) -> None:
    library = monthly.services.library()
    campaign = library.find("monthly-newsletter")
    found = [(one.slot, one.email, one.there) for one in current_and_next(library, campaign, monthly.now)]
    assert found == [
        ("2026-03-01T09:00", "newsletter/2026-03", True),
        ("2026-04-01T09:00", "newsletter/2026-04", False),
    ]
    with monthly.services.database.read() as db:
        (shown,) = preview(db, library, campaign, "ann", "https://example.com", monthly.now)
    assert (shown.email, shown.message.subject) == ("newsletter/2026-03", "News of 2026-03")


def test_a_program_may_have_an_edition_of_its_own(folders: tuple[Path, Path]) -> None:
    write(folders[1], "2026-04", "northwind-partners/newsletter")
    judged = judge(*folders)
    assert judged.problems == ()
    (text,) = judged.campaigns["northwind-partners", "monthly-newsletter"].steps[0].texts  # type: ignore[union-attr]
    emails = judged.templates.emails(text, ["northwind-partners"])
    assert emails == ("newsletter/2026-03", "northwind-partners/newsletter/2026-04")
