"""Success stories begin with a task for marketing: whom to interview, why, what to ask, and whose consent it takes."""

from engage.domain.messages import Message
from tests.support.programme import Programme, button

MARKETING = "marketing"  # the desk of campaigns/program.yaml
CONSENTS = ("The partner’s consent", "The customer’s consent", "Approval")


def tasks(programme: Programme, campaign: str, about: str) -> list[Message]:
    return [mail for mail in programme.inbox(campaign, MARKETING) if about in mail.subject]


def test_ten_wins_in_a_month_are_a_story(programme: Programme) -> None:
    programme.is_now("2026-03-09 08:00")
    programme.logs_in(programme.joined("ann", 400))
    programme.referred("ann", range(40, 50), "won", since=10, amount=900_000)
    (task,) = tasks(programme, "story-ten-wins-in-a-month", "Ann Fox")
    assert task.subject == "Interview Ann Fox: there may be a success story"
    assert "10" in task.text
    assert "What exactly did you say when you asked for the introduction?" in task.text
    assert all(consent in task.text for consent in CONSENTS)
    assert button(task) == ("Write to Ann", "mailto:ann@example.com")
    assert tasks(programme, "story-fastest-growth", "Ann Fox") == [], "one interview is enough"


def test_the_partner_hears_nothing_of_it(programme: Programme) -> None:
    assert [mail for mail in programme.provider.messages if programme.is_to(mail, "ann")] == []


def test_twice_the_wins_of_the_quarter_before_are_a_story(programme: Programme) -> None:
    programme.is_now("2026-03-16 08:00")
    programme.logs_in(programme.joined("bea", 400))
    programme.referred("bea", [120, 130], "won")
    programme.referred("bea", [20, 30, 40, 50, 60], "won")
    (task,) = tasks(programme, "story-fastest-growth", "Bea Fox")
    assert "2.5" in task.text
    assert all(consent in task.text for consent in CONSENTS)


def test_wins_in_doubt_are_no_story_yet(programme: Programme) -> None:
    programme.is_now("2026-03-23 08:00")
    programme.logs_in(programme.joined("cem", 400))
    first, *_ = programme.referred("cem", range(40, 50), "won", since=10)
    programme.becomes("cem", first, "won", reversal_pending=True)
    assert tasks(programme, "story-ten-wins-in-a-month", "Cem Fox") == []


def test_a_first_win_that_is_big_is_a_story_a_week_later(programme: Programme) -> None:
    programme.is_now("2026-04-01 10:00")
    programme.salesperson("sam")
    for name, amount in (("dan", 4_000_000), ("eva", 400_000)):
        programme.logs_in(programme.joined(name, 400))
        (deal,) = programme.referred(name, [40], "proposal", amount=amount, salesperson="sam")
        programme.becomes(name, deal, "won")
    programme.work()
    assert [mail for mail in programme.later(MARKETING, days=6) if "first win" in mail.subject] == []
    (task,) = [mail for mail in programme.later(MARKETING, days=2) if "first win" in mail.subject]
    assert task.subject == "Interview Dan Fox: a first win of $40,000"
    assert "Sam won the deal and can introduce you there." in task.text
    assert all(consent in task.text for consent in CONSENTS)


def test_a_second_win_is_no_first_one(programme: Programme) -> None:
    programme.is_now("2026-05-06 10:00")
    programme.logs_in(programme.joined("fay", 400))
    programme.referred("fay", [90], "won")
    (deal,) = programme.referred("fay", [40], "proposal", amount=4_000_000)
    programme.becomes("fay", deal, "won")
    programme.work()
    assert programme.later(MARKETING, days=8) == []
