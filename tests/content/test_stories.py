"""Success stories: read from files, told only while partner and customer agree."""

from datetime import date

import pytest

from engage.content.stories import Story, read_stories

STORY = """\
---
title: Payroll in an afternoon
partner: p-001
partner_name: Jane Doe
customer: Ardent Foods
quote: We closed on a Tuesday.
quote_by: Head of Finance
consent:
  partner: {given: 2026-09-01, until: 2027-09-01}
  customer: {given: 2026-09-15, until: 2027-03-15}
approved: {by: Dana Reed, on: 2026-10-01}
---
It began with a *sigh*
over lunch.

Then {nothing} happened.
"""


def told(*changes: tuple[str, str], **files: str) -> Story:
    source = STORY
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    paths = {f"stories/payroll.{locale}.md": text for locale, text in files.items()}
    stories, problems = read_stories({"stories/payroll.md": source, **paths}, "")
    assert problems == ()
    return stories["payroll"]


def test_a_story_is_what_emails_can_say() -> None:
    assert told().context("en-US") == {
        "title": "Payroll in an afternoon",
        "text": "It began with a sigh over lunch.\n\nThen {nothing} happened.",
        "paragraphs": [{"text": "It began with a sigh over lunch."}, {"text": "Then {nothing} happened."}],
        "quote": "We closed on a Tuesday.",
        "quote_by": "Head of Finance",
        "customer": "Ardent Foods",
        "partner_name": "Jane Doe",
    }


def test_beside_it_stands_the_same_in_another_language() -> None:
    german = "---\ntitle: Lohnabrechnung an einem Nachmittag\n---\nEs begann mit einem Seufzer.\n"
    context = told(de=german).context("de-AT")
    assert (context["title"], context["text"]) == (
        "Lohnabrechnung an einem Nachmittag",
        "Es begann mit einem Seufzer.",
    )
    assert context["quote"] == "We closed on a Tuesday."
    assert told(de=german).context("fr")["title"] == "Payroll in an afternoon"


@pytest.mark.parametrize(
    ("day", "lacks"),
    [
        (date(2026, 9, 15), ()),
        (date(2027, 3, 15), ()),
        (date(2027, 3, 16), ("the customer's consent ended on 2027-03-15",)),
        (date(2026, 9, 14), ("the customer's consent begins on 2026-09-15",)),
        (
            date(2028, 1, 1),
            ("the partner's consent ended on 2027-09-01", "the customer's consent ended on 2027-03-15"),
        ),
        (None, ()),
    ],
)
def test_it_may_be_told_while_both_agree(day: date | None, lacks: tuple[str, ...]) -> None:
    assert told().lacks(day) == lacks


@pytest.mark.parametrize("day", [date(2026, 12, 1), None])
def test_without_a_consent_or_an_approval_it_may_never_be_told(day: date | None) -> None:
    customer = ("  customer: {given: 2026-09-15, until: 2027-03-15}\n", "")
    approved = ("approved: {by: Dana Reed, on: 2026-10-01}\n", "")
    assert told(customer).lacks(day) == ("the customer has not agreed to it",)
    assert told(customer).until is None
    assert told(approved).lacks(day) == ("nobody has approved it",)
    assert told().until == date(2027, 3, 15)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("partner: p-001\n", "", "stories/payroll.md:2:1: the front matter has no 'partner'"),
        ("2027-03-15", "2026-03-15", "the customer's consent ends before it begins"),
        ("until: 2027-03-15", "until: soon", "'soon' is not a date"),
        ("{nothing}", "{{ partner.name }}", "stories/payroll.md:16:6: a story has no tags; write the words"),
        ("Then", "# Then", "a story is made of paragraphs"),
        ("customer: {given", "buyer: {given", "unknown key 'buyer'"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, said: str) -> None:
    stories, problems = read_stories({"stories/payroll.md": STORY.replace(old, new)}, "")
    assert stories == {}
    assert said in str(problems[0]), problems


def test_a_translation_has_a_story() -> None:
    _, (problem,) = read_stories({"stories/payroll.de.md": "---\ntitle: x\n---\nEin Satz.\n"}, "")
    assert problem.message == "there is no story 'payroll' to translate"
