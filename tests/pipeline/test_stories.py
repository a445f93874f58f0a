"""Emails that tell a success story: lint stops one to which somebody does not agree, and no mail ever shows it."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from engage.pipeline.judging import judge
from engage.pipeline.telling import story_states
from tests.support.engage import Engage
from tests.support.telling import STORY

MAIL = """\
---
subject: "News"
story: payroll
---
Hello {{ partner.greeting_name }}.

{% if story %}
## A story

{{ blocks.success_story(story) }}
{% endif %}
"""
EMAIL = "newsletter/monthly.md"
CUSTOMER = "  customer: {given: 2026-01-15, until: 2026-04-15}\n"
MARCH = date(2026, 3, 1)


@pytest.fixture
def folders(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    templates = authored[1]
    (templates / "stories").mkdir()
    (templates / "stories" / "payroll.md").write_text(STORY)
    (templates / EMAIL).write_text(MAIL)
    return authored


def change(folders: tuple[Path, Path], path: str, old: str, new: str) -> None:
    file = folders[1] / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def problems(folders: tuple[Path, Path], today: date | None = MARCH) -> list[str]:
    return [str(problem) for problem in judge(*folders, today=today).problems]


def test_an_email_may_tell_a_story_that_both_agreed_to(folders: tuple[Path, Path]) -> None:
    assert problems(folders) == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (CUSTOMER, "", "the customer has not agreed to it"),
        ("  partner: {given: 2026-01-01, until: 2027-09-01}\n", "", "the partner has not agreed to it"),
        ("until: 2026-04-15", "until: 2026-02-15", "the customer's consent ended on 2026-02-15"),
        ("approved: {by: Dana Reed, on: 2026-02-01}\n", "", "nobody has approved it"),
    ],
)
def test_lint_stops_a_story_at_the_line_of_the_email_that_tells_it(
    folders: tuple[Path, Path], old: str, new: str, why: str
) -> None:
    change(folders, "stories/payroll.md", old, new)
    (found,) = problems(folders)
    assert found == (
        f"email_templates/{EMAIL}:3:8: the story 'payroll' may not be told: {why}; "
        "ask them, and write it in email_templates/stories/payroll.md; or take the story out"
    )


def test_lint_knows_no_story_that_is_not_there(folders: tuple[Path, Path]) -> None:
    change(folders, EMAIL, "story: payroll", "story: payrol")
    (found,) = problems(folders)
    assert found == (
        f"email_templates/{EMAIL}:3:8: there is no story 'payrol'; "
        "write email_templates/stories/payrol.md; did you mean 'payroll'?"
    )


def test_lint_asks_for_the_question_whether_the_story_may_be_told(folders: tuple[Path, Path]) -> None:
    change(folders, EMAIL, "{% if story %}\n", "")
    change(folders, EMAIL, "{% endif %}\n", "")
    (found,) = problems(folders)
    assert "'story' may be empty; wrap it in {% if story %}…{% endif %}" in found
    change(folders, EMAIL, "story: payroll\n", "")
    (found,) = problems(folders)
    assert "unknown name 'story'; name it in the front matter, such as story: ardent-payroll" in found


def test_an_edition_is_asked_about_its_month(folders: tuple[Path, Path]) -> None:
    (folders[1] / "newsletter" / "2026-05.md").write_text(MAIL)
    (found,) = problems(folders)
    assert "2026-05.md:3:8: the story 'payroll' may not be told: the customer's consent ended on 2026-04-15" in found
    assert not [line for line in problems(folders, date(2026, 6, 1)) if "2026-05" in line]  # that month is over


def runs(engage: Engage, day: datetime) -> str:
    engage.now = day
    (mail,) = engage.runs("monthly-newsletter")
    assert ("Payroll in an afternoon" in mail.text) == ("Payroll in an afternoon" in mail.html)
    return mail.text


@pytest.mark.usefixtures("folders")
def test_a_mail_shows_the_story_until_a_consent_ends(start: Callable[[str], Engage]) -> None:
    engage = start("")
    engage.partner("ann")
    shown = runs(engage, datetime(2026, 4, 2, 15, tzinfo=UTC))
    assert "Jane Doe and Ardent Foods\n\nIt began with a sigh over lunch." in shown
    assert "“We closed on a Tuesday.”\nHead of Finance" in shown
    left_out = runs(engage, datetime(2026, 5, 2, 15, tzinfo=UTC))
    assert "story" not in left_out
    assert "Payroll" not in left_out


def test_a_consent_that_is_taken_back_is_taken_back_at_once(
    folders: tuple[Path, Path], start: Callable[[str], Engage]
) -> None:
    """Neither the version that passed lint nor a file that cannot be read keeps the story alive."""
    engage = start("")
    engage.partner("ann")
    change(folders, "stories/payroll.md", "until: 2026-04-15", "until: 2026-12-15")
    assert "Payroll" in runs(engage, datetime(2026, 4, 2, 15, tzinfo=UTC))
    change(folders, "stories/payroll.md", "  customer: {given: 2026-01-15, until: 2026-12-15}\n", "")
    assert "Payroll" not in runs(engage, datetime(2026, 5, 2, 15, tzinfo=UTC))
    change(folders, "stories/payroll.md", "consent:", "consent: [")
    assert "Payroll" not in runs(engage, datetime(2026, 6, 2, 15, tzinfo=UTC))


def test_the_states_say_what_is_lacking_and_how_long_it_lasts(folders: tuple[Path, Path]) -> None:
    (state,) = story_states(judge(*folders).templates, MARCH)
    assert (state.name, state.lacks, state.until, state.days_left) == ("payroll", (), date(2026, 4, 15), 45)
    assert state.emails == ("newsletter/monthly",)
    change(folders, "stories/payroll.md", CUSTOMER, "")
    (state,) = story_states(judge(*folders).templates, MARCH)
    assert (state.lacks, state.days_left) == (("the customer has not agreed to it",), None)
