"""Contests among salespeople: they begin and end by themselves, the standings are of their days, ties are said."""

from datetime import UTC, datetime

import pytest

from engage.pipeline.judging import judge
from engage.store import tables
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, states, write_trial

STEPS = "{at: start}, {send: a}, {at: start + 1d}, {send: b}, {at: end}, {send: c}"
MARCH = "{from: 2026-03-10, through: 2026-03-12, counts: win, prize: a dinner for two}"
EMAIL = """\
---
subject: "%s {{ promotion.prize }} until {{ promotion.through | date('day') }}"
---
{{ staff.first_name }}, {% if standing.place %}place {{ standing.place }}{% else %}no place{% endif %}
with {{ standing.value }}{% if standing.gap %}, {{ standing.gap }} to go{% endif %}.

{% for one in standings %}
- {{ one.place }} {{ one.name }} {{ one.value }} {{ one.wins }} {{ one.revenue | money }}
{% endfor %}

{% if winners %}
Won by {% for one in winners %}{{ one.name }}{% if not loop.last %} and {% endif %}{% endfor %}.
{% endif %}
"""


def contest(engage: Engage, promotion: str = MARCH, **keys: str) -> list[str]:
    """Writes the contest; returns what lint says of it."""
    folders = engage.services.settings.campaigns_dir, engage.services.settings.templates_dir
    for name in "abc":
        (folders[1] / f"{name}.md").write_text(EMAIL.replace("%s", name.upper()))
    steps = keys.pop("steps", STEPS)
    write_trial(engage, steps, (), for_="staff", again=keys.pop("again", "never"), promotion=promotion, **keys)
    return [str(problem) for problem in judge(*folders).problems]


def goes_to(engage: Engage, month: int, day: int) -> None:
    """09:30 of a day in New York."""
    engage.now = datetime(2026, month, day, 13, 30, tzinfo=UTC)


def wins(engage: Engage, referral: str, salesperson: str, amount: int = 0) -> None:
    engage.refers("ann", referral, days_ago=3, salesperson=salesperson, amount=amount or None)
    engage.becomes("ann", referral, "won", salesperson=salesperson, amount=amount or None)


def said(engage: Engage, to: str) -> list[str]:
    """Subject and text of each of the mails to them, in order."""
    return [f"{mail.subject}\n{mail.text}" for mail in engage.provider.messages if mail.to.email == f"{to}@example.com"]


@pytest.fixture
def team(engage: Engage) -> Engage:
    engage.partner("ann")
    engage.salesperson("sam")
    engage.salesperson("kim")
    assert contest(engage) == []
    engage.runs(TRIAL)
    return engage


def test_it_begins_and_ends_by_itself_and_everybody_is_in_it_once(team: Engage) -> None:
    assert (said(team, "sam"), states(team)) == ([], ["active", "active"])
    team.runs(TRIAL)
    assert team.count(tables.enrollments) == 2
    for day, subject in ((10, "A"), (11, "B"), (13, "C")):
        goes_to(team, 3, day)
        assert [mail.subject[0] for mail in team.sweeps()] == [subject, subject]
    assert states(team) == ["done", "done"]
    assert said(team, "kim")[0].startswith("A a dinner for two until March 12")
    team.salesperson("late")
    team.runs(TRIAL)
    assert team.count(tables.enrollments) == 2, "nobody enters a contest that is over"


def test_the_standings_are_those_of_its_days_and_the_result_stays(team: Engage) -> None:
    goes_to(team, 3, 9)
    wins(team, "before", "sam", 900_00)
    goes_to(team, 3, 10)
    team.sweeps()
    assert "no place with 0" in said(team, "sam")[0]
    wins(team, "one", "sam", 1_000_00)
    wins(team, "two", "kim", 2_500_00)
    wins(team, "three", "kim")
    goes_to(team, 3, 11)
    team.sweeps()
    assert "place 2 with 1, 1 to go" in said(team, "sam")[1]
    assert "- 1 Kim 2 2 $2,500\n- 2 Sam 1 1 $1,000" in said(team, "sam")[1]
    goes_to(team, 3, 13)
    wins(team, "too-late", "sam")
    wins(team, "far-too-late", "sam")
    team.becomes("ann", "two", "reopened")
    team.sweeps()
    assert "- 1 Kim 2 2 $2,500\n- 2 Sam 1 1 $1,000" in said(team, "sam")[2]
    assert "Won by Kim." in said(team, "kim")[2]
    assert "place 1 with 2." in said(team, "kim")[2]


def test_equals_share_the_first_place_and_nobody_wins_a_contest_without_a_win(team: Engage) -> None:
    wins(team, "early", "sam")
    goes_to(team, 3, 11)
    team.sweeps()
    assert "Won by" not in said(team, "sam")[-1]
    wins(team, "one", "sam", 9_000_00)
    wins(team, "two", "kim", 1_000_00)
    goes_to(team, 3, 13)
    team.sweeps()
    assert "Won by Kim and Sam." in said(team, "sam")[-1]


def test_a_blitz_day_may_count_referrals(engage: Engage) -> None:
    engage.partner("ann")
    engage.salesperson("sam")
    assert contest(engage, "{from: 2026-03-11, through: 2026-03-11, counts: referral, prize: lunch}") == []
    engage.runs(TRIAL)
    goes_to(engage, 3, 11)
    engage.refers("ann", "x", days_ago=2, salesperson="sam")
    engage.refers("ann", "y", days_ago=0.1, salesperson="sam")
    goes_to(engage, 3, 12)
    engage.sweeps()
    assert "- 1 Sam 1 0 $0" in said(engage, "sam")[-1]


@pytest.mark.parametrize(
    ("promotion", "keys", "problem"),
    [
        (MARCH.replace("counts: win", "counts: login"), {}, "unknown thing to count 'login'; known are referral, win"),
        (MARCH.replace("prize", "bonus"), {}, "promotion has no 'prize'; add it"),
        (
            MARCH[:-1] + ", bonus: 100}",
            {},
            "'bonus' is of what partners are paid, and this campaign is for staff; take it out, and write prize: what",
        ),
        (
            MARCH,
            {"steps": "{at: start + 9h 09:00}, {send: a}"},
            "names a time of day and hours; write start",
        ),
        (MARCH, {"again": "each slot"}, "a contest is entered once, and goes from its first day to its last by itself"),
    ],
)
def test_what_does_not_fit_a_contest_is_said(
    engage: Engage, promotion: str, keys: dict[str, str], problem: str
) -> None:
    assert problem in "\n".join(contest(engage, promotion, **keys))


def test_a_prize_is_not_for_partners(engage: Engage) -> None:
    offer = "{from: 2026-03-10, through: 2026-03-12, counts: win, bonus: 1, paid_when: soon, prize: a dinner}"
    write_trial(engage, "{at: start}, {send: status_updates/won}", (), again="never", promotion=offer)
    found = judge(engage.services.settings.campaigns_dir, engage.services.settings.templates_dir).problems
    assert "a prize is for the best of our staff, and this campaign is for partners" in "\n".join(map(str, found))
