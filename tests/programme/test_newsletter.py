"""The monthly newsletter, from the slot to the inbox: at nine where each partner is, with the text of the month."""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engage.domain.messages import Message
from tests.support.engage import ROOT
from tests.support.programme import Programme, button

ZONES = {
    "ann": "America/New_York",
    "bea": "Europe/Berlin",
    "kim": "Asia/Tokyo",
    "lea": "America/Los_Angeles",
    "pat": "Pacific/Auckland",
}
NEWSLETTER = "monthly-newsletter"
FEBRUARY = """\
---
subject: "Whom the snow brought together"
---
Hello {{ partner.greeting_name }}, this is February.

{{ blocks.sign_off() }}
"""


class Newsletters(Programme):
    """The shipped newsletter, which no other campaign takes room from, with emails that may be added to."""

    def __init__(self, database_url: str, folder: Path) -> None:
        campaigns, self.templates = folder / "campaigns", folder / "email_templates"
        shutil.copytree(ROOT / "email_templates", self.templates)
        (campaigns / "newsletter").mkdir(parents=True)
        shutil.copy(ROOT / "campaigns" / "newsletter" / "monthly.yaml", campaigns / "newsletter")
        program = (ROOT / "campaigns" / "program.yaml").read_text()
        (campaigns / "program.yaml").write_text(re.sub(r"(?m)^    order:\n(?:      .*\n)+", "", program))
        super().__init__(database_url, folder, campaigns, self.templates)

    def until(self, local: str) -> list[tuple[Message, datetime]]:
        """What goes out until then, and when, while the scheduler looks every hour."""
        end = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("America/New_York"))
        got: list[tuple[Message, datetime]] = []
        while self.now < end:
            self.now += timedelta(hours=1)
            self.services.open_runs()
            self.services.look_after_editions()
            got += [(mail, self.now) for mail in (*self.work(), *self.sweeps())]
        return got


@pytest.fixture(scope="module")
def programme(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[Newsletters]:
    """Late in November 2026. Ann has won twice this month; Bea reads German."""
    folder = tmp_path_factory.mktemp("newsletter")
    shutil.copy(_sqlite_template, folder / "engage.db")
    running = Newsletters(f"sqlite:///{folder / 'engage.db'}", folder)
    running.is_now("2026-11-30 13:05:30")
    for name, zone in ZONES.items():
        running.joined(name, 400, zone=zone, locale="de_DE" if name == "bea" else "en_US")
        running.logs_in(name)
        running.referred(name, [40, 60], "won" if name == "ann" else "demo", since=12)
    assert running.services.library().problems == ()
    running.services.open_runs()
    yield running
    running.services.close()


def newsletters(got: list[tuple[Message, datetime]]) -> dict[str, tuple[Message, str]]:
    """Each partner's newsletter, of the five, with the local time at which it went out; one each."""
    found = [(mail.to.email.partition("@")[0], mail, at) for mail, at in got if mail.category == NEWSLETTER]
    mine = [(name, mail, at) for name, mail, at in found if name in ZONES]
    assert len({name for name, _, _ in mine}) == len(mine), "one each"
    return {name: (mail, f"{at.astimezone(ZoneInfo(ZONES[name])):%d %H:%M}") for name, mail, at in mine}


@pytest.fixture(scope="module")
def december(programme: Newsletters) -> dict[str, tuple[Message, str]]:
    return newsletters(programme.until("2026-12-02 09:00"))


def test_it_arrives_on_the_first_at_nine_wherever_a_partner_is(december: dict[str, tuple[Message, str]]) -> None:
    assert list(december) == ["pat", "kim", "bea", "ann", "lea"]
    assert {at for _, at in december.values()} == {"01 09:05"}  # the dispatch window takes five minutes


def test_it_has_the_text_of_december_and_the_partners_own_numbers(december: dict[str, tuple[Message, str]]) -> None:
    ann, _ = december["ann"]
    assert ann.subject == "2 wins in 30 days, and the sentence of December"
    assert "Became customers: 2" in ann.text
    assert "1 win to Silver (2 wins in 2026; Silver at 3 wins)" in ann.text
    assert button(ann) == ("Refer a company", "https://partners.example.com/refer")
    kim, _ = december["kim"]
    assert kim.subject == "The sentence that gives buyers away in December"
    assert "Open right now: 2" in kim.text


def test_it_names_nobody_who_did_not_agree(december: dict[str, tuple[Message, str]]) -> None:
    lea, _ = december["lea"]
    assert "Most wins in 30 days" in lea.text
    assert "Fox" not in lea.text.split("With our thanks")[1]


def test_it_tells_a_story_to_which_both_agreed(december: dict[str, tuple[Message, str]]) -> None:
    ann, _ = december["ann"]
    assert "A sigh at a school fair, and a contract five weeks later\nMarta Lindqvist and Ardent Foods" in ann.text
    assert "“We had stopped noticing how long it took.”" in ann.text


def test_who_reads_german_reads_all_of_it_in_german(december: dict[str, tuple[Message, str]]) -> None:
    bea, _ = december["bea"]
    assert (bea.subject, bea.locale) == ("An diesem Satz erkennen Sie im Dezember einen Käufer", "de")
    assert "Guten Tag Bea Fox," in bea.text
    assert "Ein Seufzer auf dem Schulfest, und fünf Wochen später ein Vertrag\nMarta Lindqvist und" in bea.text
    assert "Gerade offen: 2" in bea.text


def test_on_new_years_day_it_waits_for_the_morning_after(programme: Newsletters) -> None:
    programme.is_now("2026-12-31 13:05:30")
    got = newsletters(programme.until("2027-01-05 09:00"))
    assert {mail.subject for name, (mail, _) in got.items() if name != "bea"} == {"“Not this year” has just expired"}
    assert got["bea"][0].subject == "„Dieses Jahr nicht mehr“ ist gerade abgelaufen"
    days = {name: at[:2] for name, (_, at) in got.items()}
    assert days == {"ann": "02", "bea": "02", "kim": "02", "lea": "02", "pat": days["pat"]}
    assert days["pat"] in ("03", "04", "05"), "the second is a holiday in New Zealand, too"


def test_marketing_hears_three_days_ahead_of_the_edition_that_nobody_has_written(programme: Newsletters) -> None:
    programme.is_now("2027-01-28 13:05:30")
    desk = [mail for mail, _ in programme.until("2027-01-31 13:00") if mail.to.email == "marketing@example.com"]
    (told,) = [mail for mail in desk if mail.category == f"{NEWSLETTER}-edition"]
    assert told.subject == "Needed by February 1: newsletter/2027-02"
    assert "monthly-newsletter is to go out on February 1, 2027" in told.text
    assert "email_templates/newsletter/2027-02.md" in told.text


def test_it_waits_for_the_edition_and_goes_out_once_it_is_there(programme: Newsletters) -> None:
    assert newsletters(programme.until("2027-02-02 12:00")) == {}
    held = [hold.message for hold in programme.services.held() if hold.of == NEWSLETTER]
    assert any(message.startswith("edition_missing") for message in held)
    (programme.templates / "newsletter" / "2027-02.md").write_text(FEBRUARY)
    got = newsletters(programme.until("2027-02-04 12:00"))
    assert {mail.subject for mail, _ in got.values()} == {"Whom the snow brought together"}
    assert set(got) == set(ZONES)
    assert [hold for hold in programme.services.held() if hold.of == NEWSLETTER] == []
