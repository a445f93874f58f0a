"""`engage replay`: what a person asks for, sees, and gets wrong."""

import csv
import json
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from engage.signing import Signer
from tests.commands.saying import assert_said
from tests.support.command import EngageCommand
from tests.support.installation import Installation

KEY = "the key of this installation"
JANUARY = ("--from", "2026-01-01", "--to", "2026-01-31")
DEALS = """\
id,partner,company,created,closed,stage
hooli,ann,Hooli Ltd,2026-01-05,2026-01-12,Won
acme,bob,Acme Ltd,2026-01-07,2026-02-02,Won
"""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Two partners; one referral was won in January, the other in February. Tests leave it as it is."""
    made = Installation(EngageCommand(tmp_path_factory.mktemp("past")), secret_key=KEY)
    (made.export / "deals.csv").write_text(DEALS)
    assert made.imports().code == 0
    return made


def test_it_shows_what_would_have_gone_by_campaign_and_month(past: Installation) -> None:
    ran = past.run("replay", "--from", "2026-01-01", "--to", "2026-02-28")
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["campaign", "2026-01", "2026-02", "mails", "alerts"] in lines
    assert ["monthly", "2", "2", "4", "·"] in lines
    assert ["referral-won", "1", "1", "2", "·"] in lines


def test_the_folder_holds_every_mail_and_the_list_of_them(past: Installation, tmp_path: Path) -> None:
    out = tmp_path / "january"
    ran = past.run("replay", *JANUARY, "--campaign", "referral-won", "--out", out, "--json")
    report = ran.json()
    assert report["campaigns"] == [
        {
            "program": "maven-partners",
            "campaign": "referral-won",
            "entered": 1,
            "sends": 1,
            "alerts": 0,
            "skips": {},
            "defers": {},
            "failed": {},
            "held": {},
            "months": {"2026-01": 1},
        }
    ]
    assert json.loads((out / "report.json").read_text()) == report
    with (out / "mails.csv").open() as file:
        (listed,) = csv.DictReader(file)
    assert (listed["partner"], listed["day"], listed["subject"]) == ("ann", "2026-01-12", "Hooli Ltd signed")
    assert listed["locale"] == "en_US"
    mail = message_from_bytes((out / listed["file"]).read_bytes(), policy=policy.SMTP)
    assert (mail["To"], mail["Subject"]) == ("Ann <ann@example.com>", "Hooli Ltd signed")
    assert mail["Date"].datetime.isoformat() == "2026-01-12T00:00:00+00:00"


def test_a_link_in_a_replayed_mail_unsubscribes_nobody(past: Installation, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert past.run("replay", *JANUARY, "--campaign", "monthly", "--out", out).code == 0
    tokens = {
        message_from_bytes(file.read_bytes(), policy=policy.SMTP)["List-Unsubscribe"].strip("<>").rpartition("/")[2]
        for file in out.rglob("*.eml")
    }
    assert len(tokens) == 2
    assert all(Signer([KEY]).read("unsubscribe", token) is None for token in tokens)


def test_several_programs_are_replayed_each_with_its_own_caps(tmp_path: Path) -> None:
    made = Installation(EngageCommand(tmp_path))
    program = made.campaigns / "program.yaml"
    caps = "    frequency_caps: [{at_most: 1, per: partner, in: 60d}]\n"
    allies = "  maven-allies:\n    inherits: maven-partners\n    name: Maven Allies\n"
    program.write_text(program.read_text().rstrip() + f"\n{caps}{allies}{caps.replace('1', '2')}")
    (made.export / "deals.csv").write_text(DEALS)
    mapping = made.folder / "mapping.yaml"
    written = mapping.read_text()
    for key in ("maven-partners", "maven-allies"):
        mapping.write_text(f"program: {key}\n{written}")
        assert made.imports().code == 0
    ran = made.run("replay", "--from", "2026-01-01", "--to", "2026-02-28", "--json")
    assert ran.code == 0, ran.err
    sends = {(one["program"], one["campaign"]): one["sends"] for one in ran.json()["campaigns"]}
    assert sends == {
        ("maven-allies", "monthly"): 4,
        ("maven-allies", "referral-won"): 2,
        ("maven-partners", "monthly"): 2,
        ("maven-partners", "referral-won"): 2,
    }


def test_a_period_without_history_says_so(past: Installation) -> None:
    ran = past.run("replay", "--from", "2020-01-01", "--to", "2020-01-31", "--campaign", "referral-won")
    assert ran.code == 0
    assert "Nothing would have been sent" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "2026-02-01", "--to", "2026-01-31"), 2, "--to 2026-01-31 lies before --from 2026-02-01"),
        (("--from", "yesterday", "--to", "2026-01-31"), 2, "'yesterday' is not a day"),
        (("--from", "2026-01-01", "--to", "2126-01-31"), 2, "--to 2126-01-31 lies in the future"),
        ((*JANUARY, "--campaign", "referal-won"), 1, "there is no campaign 'referal-won'"),
        ((*JANUARY, "--out", "export"), 1, "export is not empty"),
        ((*JANUARY, "--scratch", "sqlite:///var/engage.db"), 1, "is not empty"),
        ((*JANUARY, "--scratch", "mysql://x"), 1, "not a database engage knows"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(past: Installation, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert_said(past.run("replay", *arguments), code, said)


def test_a_folder_that_cannot_be_made_is_said_before_the_walk(past: Installation) -> None:
    assert_said(past.run("replay", *JANUARY, "--out", past.folder / "mapping.yaml" / "out"), 1, "cannot be made")
