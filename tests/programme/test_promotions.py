"""Promotions, from their first day to the inbox: a bonus to partners, a contest and a blitz day, a company's kit."""

import pytest

from engage.domain.messages import Message
from engage.domain.records import CompanyRecord
from tests.support.programme import Programme, button

REFER = "https://partners.example.com/refer"
PORTAL = "https://partners.example.com"


def kit_of_harborline(programme: Programme) -> list[Message]:
    """What the contact gets of a company with two partners, when the kits are sent."""
    programme.salesperson("mia")
    programme.takes(CompanyRecord("harbor", name="Harborline", manager="mia"), news=False)
    for name in ("hal", "hans"):
        programme.logs_in(programme.joined(name, 300, company="harbor"))
    programme.refers("hans", "hans-1", days_ago=50)
    programme.takes(CompanyRecord("harbor", contact="hal"), news=False)
    return programme.inbox("december-bonus-company-kit", "hal")


@pytest.fixture(scope="module")
def december(programme: Programme) -> dict[str, list[Message]]:
    """The bonus of December: ann refers at once, bob after the reminder, cem never; dee joins on the 20th."""
    programme.is_now("2026-11-27 07:00")
    for name in ("ann", "bob", "cem"):
        programme.logs_in(programme.joined(name, 400))
    programme.joined("uwe", 400, locale="de_DE", zone="Europe/Berlin")
    programme.logs_in("uwe")
    programme.runs("december-bonus")
    got: dict[str, list[Message]] = {}

    def until(day: str) -> None:
        before = len(programme.provider.messages)
        programme.is_now(f"{day} 07:00")
        programme.sweeps()
        for _ in range(3):  # eight o'clock in Berlin and in New York, and what the caps have put off
            programme.after(hours=2)
            programme.after(minutes=5)
        for mail in programme.provider.messages[before:]:
            got.setdefault(mail.to.email.partition("@")[0], []).append(mail)

    until("2026-11-30")
    assert got == {}, "nobody hears of it before it begins"
    got["hal"] = kit_of_harborline(programme)
    until("2026-12-01")
    assert [*got] == ["hal"], "the first is the newsletter's"
    until("2026-12-02")
    programme.is_now("2026-12-04 12:00")
    programme.refers("ann", "a-1", days_ago=0.1)
    programme.refers("ann", "a-2", days_ago=0)
    until("2026-12-15")
    programme.is_now("2026-12-16 12:00")
    programme.refers("bob", "b-1", days_ago=0)
    programme.logs_in(programme.joined("dee", 100))
    programme.runs("december-bonus")
    got["dee"] = [mail for mail in programme.after(minutes=5) if programme.is_to(mail, "dee")]
    until("2026-12-29")
    until("2027-01-02")
    return got


def test_the_bonus_is_announced_to_all_on_its_second_day(december: dict[str, list[Message]]) -> None:
    for name in ("ann", "bob", "cem"):
        first = december[name][0]
        assert first.subject == "$50 for each company you refer until December 31"
        assert "December 1 – December 31\n$50 for each referral\nPaid with the payout in January" in first.text
        assert button(first) == ("Refer a company", REFER)


def test_only_who_has_referred_nobody_is_reminded(december: dict[str, list[Message]]) -> None:
    reminder = "One name before December 31: whose could it be?"
    assert [mail.subject for mail in december["ann"]].count(reminder) == 0
    assert december["bob"][1].subject == december["cem"][1].subject == reminder
    assert "You have none yet." in december["cem"][1].text


def test_the_last_chance_says_what_is_theirs_already(december: dict[str, list[Message]]) -> None:
    last = {name: mails[2 if name != "ann" else 1] for name, mails in december.items() if name in ("ann", "cem")}
    assert {mail.subject for mail in last.values()} == {"Three days left: the bonus ends on December 31"}
    assert "with 2 referrals since December 1 you have earned a bonus of $100" in last["ann"].text
    assert "Until Thursday, December 31, 2026 a referral brings you $50" in last["cem"].text


def test_the_result_goes_to_who_earned_something_and_to_nobody_else(december: dict[str, list[Message]]) -> None:
    assert [december[name][-1].subject for name in ("ann", "bob")] == ["Your bonus: $100", "Your bonus: $50"]
    assert "you introduced us to 2 companies" in december["ann"][-1].text
    assert "is paid with the payout in January" in december["ann"][-1].text
    assert button(december["ann"][-1]) == ("See your referrals", PORTAL)
    assert len(december["cem"]) == 3


def test_who_joins_in_the_middle_hears_what_is_still_true(december: dict[str, list[Message]]) -> None:
    assert [mail.subject for mail in december["dee"]] == [
        "One name before December 31: whose could it be?",
        "Three days left: the bonus ends on December 31",
    ]


def test_in_german_all_of_it_is_german(december: dict[str, list[Message]]) -> None:
    assert [mail.subject for mail in december["uwe"]] == [
        "50 $ für jede Firma, die Sie bis 31. Dezember empfehlen",
        "Ein Name vor dem 31. Dezember: Wer könnte es sein?",
        "Noch drei Tage: Der Bonus endet am 31. Dezember",
    ]
    assert "50\xa0$ für jede Empfehlung\nAuszahlung mit der Abrechnung im Januar" in december["uwe"][0].text


def test_a_companys_contact_gets_a_kit_from_its_alliance_manager(december: dict[str, list[Message]]) -> None:
    kit = december["hal"][0]
    assert kit.subject == "A kit for your team at Harborline"
    assert (kit.sender.name, kit.reply_to) == ("Mia, Northwind Partners", "mia@example.com")
    assert "Your team has made 1 referral in the last 90 days" in kit.text
    assert "https://partners.example.com/r/hal" in kit.text
    assert button(kit) == ("Open the portal for your team", PORTAL)
    assert kit.subject not in [mail.subject for mail in december["hans"]], "the contact hands it on"


@pytest.fixture(scope="module")
def january(programme: Programme, december: object) -> dict[str, list[Message]]:  # noqa: ARG001  (comes after it)
    """The contest and the blitz day of January: sam wins three deals, kim three, and leo none."""
    programme.is_now("2027-01-03 09:00")
    before = len(programme.provider.messages)
    programme.joined("pat", 500)
    for name in ("sam", "kim", "leo"):
        programme.salesperson(name)
        programme.refers("pat", f"open-{name}", days_ago=20, salesperson=name)
    programme.runs("blitz-day-2027-01")
    programme.runs("contest-january-2027")

    def goes_to(local: str) -> None:
        programme.is_now(local)
        programme.sweeps()

    def wins(salesperson: str, *names: str) -> None:
        for name in names:
            programme.refers("pat", name, days_ago=30, salesperson=salesperson, amount=1_000_00)
            programme.becomes("pat", name, "won", salesperson=salesperson, amount=1_000_00)

    wins("leo", "leo-before")
    goes_to("2027-01-04 08:05")
    wins("sam", "s-1", "s-2")
    goes_to("2027-01-11 08:05")
    wins("kim", "k-1", "k-2", "k-3")
    goes_to("2027-01-18 08:05")
    goes_to("2027-01-19 09:05")
    programme.is_now("2027-01-20 11:00")
    programme.refers("pat", "new-1", days_ago=0.01, salesperson="leo")
    goes_to("2027-01-20 13:05")
    goes_to("2027-01-21 09:05")
    goes_to("2027-01-25 08:05")
    wins("sam", "s-3")
    goes_to("2027-02-01 09:05")
    got: dict[str, list[Message]] = {}
    for mail in programme.provider.messages[before:]:
        got.setdefault(mail.to.email.partition("@")[0], []).append(mail)
    return got


def test_the_contest_begins_and_ends_by_itself_with_standings_each_monday(january: dict[str, list[Message]]) -> None:
    contest = [mail.subject for mail in january["sam"] if mail.category == "contest-january-2027"]
    assert contest == [
        "Dinner for two, on us: the contest begins today",
        "You are on place 1 with 2 wins",
        "You are on place 2 with 2 wins",
        "You are on place 2 with 2 wins",
        "The contest is over, and 2 share the first place",
    ]
    third = next(mail.text for mail in january["sam"] if "place 2" in mail.subject)
    assert "1. Kim: 3 wins\n2. Sam: 2 wins" in third
    assert "1 win more, and you draw level with the place above you." in third


def test_a_tie_is_said_honestly_to_all_of_them(january: dict[str, list[Message]]) -> None:
    for name in ("sam", "kim", "leo"):
        result = january[name][-1]
        assert "Kim, Sam have the same number of wins and share the first place." in result.text
        assert "Each of them gets the prize: Dinner for two, on us." in result.text
    assert "You have no win on the list this time." in january["leo"][-1].text
    assert "Your 3 wins brought $3,000." in january["kim"][-1].text


def test_the_blitz_day_is_one_day_of_calls(january: dict[str, list[Message]]) -> None:
    subjects = [mail.subject for mail in january["leo"]]
    assert "Tomorrow: one day, one question to your partners" in subjects
    assert "Place 1 at noon, with 1 referral" in subjects
    assert "The blitz day goes to Leo" in subjects
    assert "Half of the day is over, and the list is open" in [mail.subject for mail in january["kim"]]
    announced = next(mail for mail in january["leo"] if mail.subject.startswith("Tomorrow"))
    assert "Tomorrow, Wednesday, January 20, 2027, we do one thing" in announced.text
    assert "Lunch with your team, where you like" in announced.text
