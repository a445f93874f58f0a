"""Stories and editions in the consoles: what may be told, for how long, what lacks, which month is written."""

import re
from html import unescape

import pytest

from tests.support.consoles import Console, MakeConsole
from tests.support.engage import Engage
from tests.support.journeys import rereads
from tests.support.telling import MONTHLY, STORY

EDITION = """\
---
subject: "News"
story: payroll
---
Hello {{ partner.greeting_name }}.

{% if story %}
{{ blocks.success_story(story) }}
{% endif %}
"""


def story(until: str) -> str:
    """Ann's, with markup in its title; to be told until then as far as the customer is concerned."""
    told = (
        STORY.replace("Payroll in an", "Payroll in <b>an</b>").replace("p-001", "ann").replace("Jane Doe", "Ann Weber")
    )
    return told.replace("2026-04-15", until)


def tells(engage: Engage, story: str) -> None:
    folder = engage.services.settings.templates_dir / "stories"
    folder.mkdir(exist_ok=True)
    (folder / "payroll.md").write_text(story)
    rereads(engage)


def writes(engage: Engage, *months: str) -> None:
    settings = engage.services.settings
    (settings.campaigns_dir / "newsletter" / "monthly.yaml").write_text(MONTHLY)
    for month in months:
        (settings.templates_dir / "newsletter" / f"{month}.md").write_text(EDITION)
    (settings.templates_dir / "alerts" / "edition_missing.md").write_text('---\nsubject: "Write it"\n---\nHello.\n')
    rereads(engage)


def read(console: Console, path: str) -> str:
    answer = console.get(path)
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:500]}"
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


@pytest.mark.parametrize(
    ("until", "approved", "said"),
    [
        ("2027-01-15", True, "may be told until 2027-01-15, 319 days"),
        ("2026-03-20", True, "18 days left until 2026-03-20: ask them again"),
        ("2026-03-01", True, "may not be told the customer's consent ended on 2026-03-01"),
        ("2027-01-15", False, "may not be told nobody has approved it"),
    ],
)
def test_a_story_says_whether_it_may_be_told_and_for_how_long(
    engage: Engage, console: MakeConsole, until: str, approved: bool, said: str
) -> None:
    told = story(until)
    tells(engage, told if approved else told.replace("approved: {by: Dana Reed, on: 2026-02-01}\n", ""))
    shown = read(console("marketing"), "/console/stories")
    assert said in shown
    assert "Consent of the partner 2026-01-01 to 2027-09-01" in shown
    assert ("by Dana Reed on 2026-02-01" in shown) is approved
    assert "It began with a sigh over lunch." in shown
    assert "<b>an</b>" in shown, "as it is written"


def test_a_story_leads_to_its_partner_where_there_is_one(engage: Engage, console: MakeConsole) -> None:
    tells(engage, story("2027-01-15"))
    path = f"/console/partners/{engage.program}/ann"
    assert path not in console("marketing").get("/console/stories").text
    engage.partner("ann")
    assert path in console("marketing").get("/console/stories").text


def test_editions_say_which_month_is_written_and_which_is_not(engage: Engage, console: MakeConsole) -> None:
    tells(engage, story("2026-03-20"))
    writes(engage, "2026-03")
    shown = read(console("read-only"), "/console/stories/editions")
    assert "newsletter/2026-03 yes" in shown
    assert "newsletter/2026-04 no write email_templates/newsletter/2026-04.md" in shown
    assert "An edition is missing" not in shown
    assert "2026-03 newsletter/2026-03 payroll" in shown
    engage.now = engage.now.replace(day=30)
    late = read(console("marketing"), "/console/stories/editions")
    assert "An edition is missing that is to go out within 3 days." in late


def test_stories_of_programs_that_one_is_not_let_into_are_not_seen(engage: Engage, console: MakeConsole) -> None:
    tells(engage, story("2027-01-15"))
    writes(engage, "2026-03")
    assert "There are no stories" in read(console("marketing", programs=[]), "/console/stories")
    assert "No campaign has editions" in read(console("marketing", programs=[]), "/console/stories/editions")
    assert "Payroll" in read(console("marketing", programs=[engage.program]), "/console/stories")


@pytest.mark.parametrize("path", ["/console/stories", "/console/stories/editions"])
def test_sales_do_not_see_them(console: MakeConsole, path: str) -> None:
    assert console("sales").get(path).status_code == 403
