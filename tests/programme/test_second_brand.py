"""The alliance with Contoso, in a short file: its partners get its look, words and limit, and nobody else does."""

import shutil
from pathlib import Path

import pytest

from engage.domain.messages import Message
from engage.pipeline.judging import Judged, judge
from tests.support.engage import ROOT
from tests.support.programme import Programme

FILE = ROOT / "campaigns" / "programs" / "northwind-contoso.yaml"
ALLIANCE = "northwind-contoso"


@pytest.fixture(scope="module")
def judged() -> Judged:
    return judge(ROOT / "campaigns", ROOT / "email_templates")


@pytest.fixture(scope="module")
def mails(programme: Programme) -> dict[str, list[Message]]:
    """The same happens to ann of Northwind and to bob of the alliance; ola of the alliance reads German.

    Each wins a deal on the first day of December, and is asked for another one some days after.
    """
    programme.is_now("2026-11-30 07:00")
    before = len(programme.provider.messages)
    for program, name, fields in (
        ("northwind-partners", "ann", {}),
        (ALLIANCE, "bob", {}),
        (ALLIANCE, "ola", {"locale": "de_DE", "zone": "America/New_York"}),
    ):
        programme.program = program
        programme.feeds_speak()
        programme.logs_in(programme.joined(name, 300, **fields))
        programme.refers(name, f"{name}-deal", days_ago=30, amount=20_000_00)
    for program in ("northwind-partners", ALLIANCE):
        programme.program = program
        programme.runs("december-bonus")
    for day in range(1, 8):
        for program, names in (("northwind-partners", ("ann",)), (ALLIANCE, ("bob", "ola"))):
            programme.program = program
            programme.is_now(f"2026-12-0{day} {7 + 2 * (program == ALLIANCE):02}:00")
            if day == 1:
                for name in names:
                    programme.becomes(name, f"{name}-deal", "won")
            if day == 7:
                programme.runs("next-referral-after-a-win")
            programme.sweeps()
            programme.after(hours=1, minutes=30)
            programme.after(minutes=5)
    programme.program = "northwind-partners"
    got: dict[str, list[Message]] = {}
    for mail in programme.provider.messages[before:]:
        got.setdefault(mail.to.email.partition("@")[0], []).append(mail)
    return got


def bonus(mails: list[Message]) -> Message:
    """The announcement of the bonus."""
    (mail,) = [mail for mail in mails if mail.category == "december-bonus"]
    return mail


def test_it_is_one_short_file_that_changes_no_more_than_it_says(judged: Judged) -> None:
    ours, theirs = judged.programs["northwind-partners"], judged.programs[ALLIANCE]
    assert judged.problems == ()
    assert len(FILE.read_text().splitlines()) < 30
    for same in (
        "zone",
        "locale",
        "currency",
        "ladder",
        "tiers",
        "topics",
        "feeds",
        "quiet_hours",
        "attributes",
        "order",
    ):
        assert getattr(theirs, same) == getattr(ours, same)
    assert theirs.frequency_caps != ours.frequency_caps


def test_it_has_every_campaign_but_the_contests_among_our_salespeople(judged: Judged) -> None:
    ours, theirs = ({name for program, name in judged.campaigns if program == key} for key in judged.programs)
    assert ours - theirs == {"contest-january-2027", "blitz-day-2027-01"}
    assert theirs <= ours


def test_its_partners_get_its_look_its_sender_and_its_words(mails: dict[str, list[Message]]) -> None:
    ours, theirs = bonus(mails["ann"]), bonus(mails["bob"])
    assert ours.subject == theirs.subject == "$50 for each company you refer until December 31"
    assert (theirs.sender.name, theirs.sender.email) == ("Northwind and Contoso", "alliance@example.com")
    assert theirs.reply_to == "alliance-desk@example.com"
    assert "Contoso" in theirs.html
    assert "#5b2a86" in theirs.html
    assert "#1f4b99" not in theirs.html
    assert "Your Northwind and Contoso team" in theirs.text
    assert "You receive this as a partner of the Northwind and Contoso alliance." in theirs.text


def test_news_of_their_referrals_has_the_same_look(mails: dict[str, list[Message]]) -> None:
    (won,) = [mail for mail in mails["bob"] if mail.category == "referral-won"]
    assert "Bob-Deal Ltd" in won.subject
    assert won.sender.email == "alliance@example.com"
    assert "Your Northwind and Contoso team" in won.text


def test_its_words_do_not_stand_in_the_way_of_a_translation(mails: dict[str, list[Message]]) -> None:
    german = bonus(mails["ola"])
    assert german.subject == "50 $ für jede Firma, die Sie bis 31. Dezember empfehlen"
    assert german.sender.email == "alliance@example.com"
    assert "#5b2a86" in german.html


def test_its_partners_get_one_such_mail_in_seven_days_and_others_two(mails: dict[str, list[Message]]) -> None:
    marketing = {
        name: [mail.category for mail in those if mail.category != "referral-won"] for name, those in mails.items()
    }
    assert marketing["ann"] == ["december-bonus", "next-referral-after-a-win"]
    assert marketing["bob"] == marketing["ola"] == ["december-bonus"]


def test_nobody_elses_mail_changes_by_it(mails: dict[str, list[Message]], judged: Judged, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "campaigns", tmp_path / "campaigns", ignore=shutil.ignore_patterns("programs"))
    alone = judge(tmp_path / "campaigns", ROOT / "email_templates")
    assert alone.problems == ()
    assert alone.programs["northwind-partners"] == judged.programs["northwind-partners"]
    assert alone.campaigns == {key: one for key, one in judged.campaigns.items() if key[0] == "northwind-partners"}
    for mail in mails["ann"]:
        assert "Contoso" not in mail.html + mail.text + mail.sender.name
        assert mail.sender.email == "partners@example.com"
        assert "The Northwind Partners team" in mail.text
