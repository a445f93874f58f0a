"""`share-kit`, `refer-link` and `ask-partner`: what staff do for and with one partner, from the command line."""

import re
from pathlib import Path

import pytest

from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import Installation

ASK = "Do you know who signs at Acme?"
WAITS = """\
campaign: help-wanted
state: live
topic: referral-status
for: referral
when: {event: referral.help_wanted}
steps: [{send: help}]
"""


@pytest.fixture
def made(run_engage: EngageCommand) -> Installation:
    found = Installation(run_engage)
    found.partners("ann")
    found.deals("acme", partner="ann")
    assert found.imports().code == 0
    return found


def with_share_url(made: Installation, url: str) -> None:
    file = made.campaigns / "program.yaml"
    file.write_text(file.read_text().replace("    brand:\n", f"    brand:\n      share_url: {url}\n"))


def test_a_kit_is_a_code_for_print_and_screen_and_a_sheet_of_cards(made: Installation, tmp_path: Path) -> None:
    with_share_url(made, "https://partners.example.com/r/{partner}")
    kit = tmp_path / "kit"

    said = made.run("share-kit", "ann", "--out", str(kit))

    assert said.code == 0
    assert "https://partners.example.com/r/ann" in said.out
    assert sorted(file.name for file in kit.iterdir()) == ["cards.html", "qr.png", "qr.svg"]
    cards = (kit / "cards.html").read_text()
    assert cards.count('<article class="card">') == 10
    assert "http" not in cards.replace('xmlns="http://www.w3.org/2000/svg"', ""), "it loads nothing"
    assert made.run("share-kit", "ann", "--out", str(kit), "--json").json()["link"].endswith("/r/ann")


def test_what_stands_in_the_way_is_said(made: Installation, tmp_path: Path) -> None:
    assert_said(made.run("share-kit", "ann", "--out", str(tmp_path)), 1, "has no share_url", "program.yaml")
    with_share_url(made, "https://partners.example.com/r/{partner}")
    (tmp_path / "file").write_text("")
    assert_said(made.run("share-kit", "ann", "--out", str(tmp_path / "file")), 1, "nothing can be written")
    assert_said(made.run("share-kit", "eve", "--out", str(tmp_path)), 1, "there is no partner 'eve'")


def test_a_partner_is_asked_for_help(made: Installation) -> None:
    nobody = made.run("ask-partner", "acme", "--ask", ASK)
    assert (nobody.code, "no live campaign waits" in nobody.out) == (0, True)

    (made.campaigns / "help.yaml").write_text(WAITS)
    (made.emails / "help.md").write_text('---\nsubject: "{{ help.ask }}"\n---\nHello.\n')
    assert "help-wanted" in made.run("ask-partner", "acme", "--ask", ASK).out
    assert made.run("ask-partner", "acme", "--ask", ASK, "--json").json() == {
        "referral": "acme",
        "by": None,
        "ask": ASK,
        "campaigns": ["help-wanted"],
    }
    assert f"Subject: {ASK}" in made.run("preview", "help-wanted", "ann").out


def test_a_request_that_cannot_be_meant_is_refused(made: Installation) -> None:
    assert_said(made.run("ask-partner", "bolt", "--ask", ASK), 1, "there is no referral 'bolt'")
    assert_said(made.run("ask-partner", "acme", "--ask", " "), 1, "there is nothing that is asked")
    assert_said(made.run("ask-partner", "acme", "--ask", ASK, "--by", "eve"), 1, "nobody of our staff")


def test_a_link_to_the_form_is_printed_for_partners_and_staff(made: Installation) -> None:
    mapping = "  - file: staff.csv\n    staff: {external_id: id, email: mail, name: name}\n"
    with (made.folder / "mapping.yaml").open("a") as file:
        file.write(mapping)
    (made.export / "staff.csv").write_text("id,mail,name\nsam,sam@example.com,Sam Hill\nann-s,ann@example.com,Ann\n")
    assert made.imports().code == 0

    by_partner = made.run("refer-link", "ann@example.com")
    assert re.fullmatch(r"https?://\S+/refer/[\w.-]+\n", by_partner.out)
    assert "For partner 'ann', until 20" in by_partner.err
    assert made.run("refer-link", "ann", "--json").json().keys() == {"partner", "link", "until"}
    assert "staff 'sam'" in made.run("refer-link", "sam").err
    assert made.run("refer-link", "ann@example.com", "--staff", "--json").json()["staff"] == "ann-s"
    assert_said(made.run("refer-link", "eve"), 1, "nobody 'eve' is a partner of", "or of its staff")
    assert_said(made.run("refer-link", "bob", "--staff"), 1, "there is no member of staff 'bob'")
