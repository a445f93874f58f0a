"""Campaigns in words: conditions, triggers and the rest as marketing reads them."""

from datetime import time, timedelta

import pytest

from engage.domain.campaigns import Again, AgainKind
from engage.domain.conditions import All, AnyOf, Comparator, FactRef, Not, Test
from engage.domain.limits import FrequencyCap, Per, SendWindow
from engage.domain.windows import Window, WindowKind
from engage.facts import Node
from engage.web.console import phrases
from engage.web.console.phrases import (
    Line,
    again_said,
    cap_said,
    condition_lines,
    condition_said,
    explained_lines,
    length_said,
    window_said,
)

LAST = Window(WindowKind.LAST, timedelta(days=90))
WINS = Test(FactRef("wins", LAST), Comparator.IS, 0)
TIER = Test(FactRef("tier"), Comparator.IN, ("silver", "gold"))


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (Test(FactRef("referrals", LAST), Comparator.AT_LEAST, 10), "referrals in the last 90 days: at least 10"),
        (WINS, "wins in the last 90 days: none"),
        (TIER, "tier: silver or gold"),
        (Test(FactRef("days_in_status"), Comparator.BETWEEN, (5, 9)), "days in status: 5 to 9"),
        (Test(FactRef("attribute", name="tax_form"), Comparator.IS, False), "tax form: no"),
        (Test(FactRef("attribute", name="tax_form"), Comparator.EXISTS, True), "tax form: known"),
        (Test(FactRef("answer", question="how-is-it"), Comparator.IS, "fine"), "answer to “how is it”: fine"),
        (
            Test(FactRef("wins", Window(WindowKind.FIRST, timedelta(days=60)), ("email", "form")), Comparator.IS, 2),
            "wins by email or form in the first 60 days: 2",
        ),
    ],
)
def test_a_comparison_is_said_without_the_words_of_the_file(test: Test, said: str) -> None:
    assert phrases.test_said(test) == said


def test_a_condition_is_a_list_of_what_has_to_hold() -> None:
    condition = All((WINS, Not(AnyOf((TIER, WINS)))))
    wins, tier = Line("wins in the last 90 days: none"), Line("tier: silver or gold")
    assert condition_lines(condition) == (wins, Line("none of these", (tier, wins)))
    assert condition_lines(None) == ()
    assert condition_said(condition) == f"{wins.text} and not ({tier.text} or {wins.text})"


def test_what_a_condition_came_to_has_the_same_words_and_the_values() -> None:
    wins = Node(str(WINS), True, 0, "0")
    active = Node("status is active", True, "active", "active")
    tree = Node("all of", False, parts=(active, Node("all of", False, parts=(wins, Node("not", False, parts=(wins,))))))
    lines = explained_lines(tree, All((WINS, Not(WINS))))
    said = "wins in the last 90 days: none"
    found = Line(said, (), True, "0")
    assert lines == (Line("status is active", (), True, "active"), found, Line("not", (found,), False))
    assert explained_lines(wins, WINS) == (found,)


def test_lengths_windows_caps_and_again_are_said_in_words() -> None:
    assert [length_said(timedelta(hours=hours)) for hours in (1, 12, 24, 36)] == [
        "1 hour",
        "12 hours",
        "1 day",
        "36 hours",
    ]
    weekdays = SendWindow(time(8), time(18), frozenset(range(5)), on_holidays=False)
    assert window_said(weekdays) == "Mon–Fri 08:00–18:00, not on holidays"
    assert window_said(SendWindow(time(8), time(18), frozenset({1, 3}))) == "Tue, Thu 08:00–18:00"
    assert cap_said(FrequencyCap(2, Per.PARTNER, timedelta(days=7), "tips")) == (
        "at most 2 mails of tips per partner in 7 days"
    )
    assert again_said(Again(AgainKind.AFTER, timedelta(days=60))) == "again after 60 days"
    assert again_said(None) == "each time it happens"
