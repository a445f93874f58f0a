"""Recognition: who did best is told so, is named only where they agreed, is called, and is invited."""

import pytest

from engage.content.words import PLAIN
from engage.domain.messages import Message
from engage.domain.records import PartnerRecord
from engage.pipeline.leading import labelled, leading
from tests.support.programme import Programme, answered, button


def won(programme: Programme, partner: str, many: int, amount: int) -> None:
    """So many wins of the last days, of this amount each."""
    programme.referred(partner, [20 + n for n in range(many)], "won", since=5, amount=amount)


@pytest.fixture(scope="module")
def april(programme: Programme) -> Programme:
    """In April three did best: ann, who agreed to be named, bob, who was not asked yet, and uwe, who reads German."""
    programme.is_now("2026-04-02 09:00")
    programme.joined("ann", 500, region="Texas", attributes={"show_name": True}, phone="+1 555 0101")
    programme.joined("bob", 500, region="Ohio")
    programme.joined("uwe", 500, locale="de_DE", zone="America/New_York")
    programme.joined("low", 500)
    for name, many, amount in (("ann", 5, 9_000_00), ("bob", 4, 8_000_00), ("uwe", 3, 7_000_00), ("low", 1, 100_00)):
        won(programme, name, many, amount)
        programme.logs_in(name)
    programme.before = len(programme.provider.messages)  # type: ignore[attr-defined]
    programme.runs("top-performers")
    programme.after(minutes=5)
    return programme


def to(programme: Programme, name: str) -> list[Message]:
    since = programme.before  # type: ignore[attr-defined]
    return [mail for mail in programme.provider.messages[since:] if programme.is_to(mail, name)]


def test_who_agreed_to_be_named_is_told_where_and_marketing_writes_about_them(april: Programme) -> None:
    (mail,) = to(april, "ann")
    assert mail.subject == "You are among our top partners this month, Ann"
    assert "Referrals: 5\nWins: 5\nRevenue: $45,000" in mail.text
    assert "your name stands in our next newsletter" in mail.text
    (task,) = to(april, "marketing")
    assert task.subject == "A post about Ann Fox, one of our top partners this month"
    assert "with 5 referrals and 5 wins" in task.text
    assert button(task) == ("Write to Ann", "mailto:ann@example.com")


def test_only_the_first_three_are_written_to(april: Programme) -> None:
    assert to(april, "low") == []


def test_in_lists_only_who_agreed_has_a_name(april: Programme) -> None:
    library = april.services.library()
    with april.services.database.read() as db:
        found = leading(db, library.scopes()["northwind-partners"], april.now)
    labels = [row["label"] for row in labelled(found.leaders, PLAIN)]
    assert labels[:3] == ["Ann F.", "a partner in Ohio", "a fellow partner"]


def test_who_is_not_named_is_asked_and_marketing_hears_of_a_yes(april: Programme) -> None:
    (mail,) = to(april, "bob")
    assert mail.subject == "May we say your name?"
    assert "you stand as “a partner in Ohio”" in mail.text
    assert "Yes, name me" in mail.text
    answered(april, mail, 0)
    tasks = april.later("marketing", days=8)
    assert [task.subject for task in tasks] == ["Bob Fox agreed to be named: please note it in the CRM"]
    assert "show_name" in tasks[0].text


def test_in_german_the_question_and_its_answers_are_german(april: Programme) -> None:
    (mail,) = to(april, "uwe")
    assert mail.subject == "Dürfen wir Ihren Namen nennen?"
    assert "Ja, mit Namen" in mail.text
    assert "Nein, lieber ohne Namen" in mail.text


def test_nobody_is_praised_twice_in_a_quarter_and_the_channel_chief_is_asked_to_call_the_best(
    april: Programme,
) -> None:
    april.is_now("2026-05-02 09:00")
    won(april, "ann", 6, 9_000_00)
    assert april.inbox("top-performers", "ann") == []

    april.is_now("2026-06-01 08:00")
    calls = april.inbox("call-from-the-channel-chief", "channel-chief")
    ann = next(call for call in calls if "Ann Fox" in call.subject)
    assert ann.subject == "Please call Ann Fox: 11 wins in 90 days"
    assert ann.to.name == "Maria Okafor"
    assert "Ask for nothing." in ann.text
    assert button(ann) == ("Call Ann", "tel:+15550101")
    assert len(calls) <= 3


def test_the_best_by_revenue_meet_the_chief_executive_and_the_channel_chief_finds_a_date(april: Programme) -> None:
    april.is_now("2027-01-15 10:00")
    april.salesperson("sam")
    april.takes(PartnerRecord("bob", owner="sam"), news=False)
    for name in ("ann", "bob", "uwe"):
        april.logs_in(name)
    before = len(april.provider.messages)
    (mail,) = april.inbox("meet-the-ceo", "bob")
    assert mail.subject == "An hour with our chief executive, Bob?"
    assert (mail.sender.name, mail.reply_to) == ("Sam, Northwind Partners", "sam@example.com")
    assert "In the last twelve months you brought us 4 customers, who signed for $32,000." in mail.text
    answered(april, mail, 1)
    (german,) = [one for one in april.provider.messages[before:] if april.is_to(one, "uwe")]
    assert german.subject == "Eine Stunde mit unserer Geschäftsführung?"
    assert "Ja, per Video" in german.text
    (task,) = april.later("channel-chief", days=8)
    assert task.subject == "Please call Bob Fox and find a date with our chief executive"
    assert "by video" in task.text
    assert april.inbox("meet-the-ceo", "low") == [], "one win is not enough"
