"""Who leads: partners are named only where they agreed to it."""

from datetime import timedelta
from pathlib import Path

import pytest

from engage.content.words import PLAIN, Words
from engage.domain.records import CompanyRecord
from engage.pipeline.leading import Leading, labelled, leading
from tests.support.engage import Engage
from tests.support.journeys import rereads


def found(engage: Engage) -> Leading:
    library = engage.services.library()
    with engage.services.database.read() as db:
        return leading(db, library.scopes()[engage.program], engage.now)


def labels(rows: list[dict[str, object]], words: Words = PLAIN) -> list[str]:
    return [f"{row['place']} {row['label']} {row['value']}" for row in labelled(rows, words)]


def declare(authored: tuple[Path, Path], lines: str) -> None:
    file = authored[0] / "program.yaml"
    before = "    attributes:\n"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, f"    named_with: show_name\n{before}      {lines}\n"))


@pytest.fixture
def asked(engage: Engage, authored: tuple[Path, Path]) -> Engage:
    """Partners may agree to be named."""
    declare(authored, "show_name: boolean")
    rereads(engage)
    engage.takes(CompanyRecord("harbor", name="Harborline"), news=False)
    return engage


def wins(engage: Engage, partner: str, *referrals: str, days_ago: float = 1, amount: int = 100_00) -> None:
    for referral in referrals:
        engage.refers(partner, referral, days_ago=days_ago + 1, amount=amount)
        engage.becomes(partner, referral, "won", days_ago=days_ago, amount=amount)


def test_only_who_agreed_is_named(asked: Engage) -> None:
    yes, no = {"show_name": True}, {"show_name": False}
    asked.partner("ann", last_name="Lee", company="harbor", region="Texas", attributes=yes)
    asked.partner("bob", last_name="Ray", company="harbor", region="Texas", attributes=no)
    asked.partner("cat", last_name="Orr", region="Ohio")
    asked.partner("dan", attributes=yes)
    wins(asked, "ann", "a1", "a2", "a3", "a4")
    wins(asked, "bob", "b1", "b2", "b3")
    wins(asked, "cat", "c1", "c2")
    wins(asked, "dan", "d1")
    assert labels(found(asked).leaders) == [
        "1 Ann L., Harborline 4",
        "2 a partner in Texas 3",
        "3 a partner in Ohio 2",
        "4 Dan 1",
    ]


def test_without_named_with_nobody_is_named(engage: Engage) -> None:
    engage.partner("ann", last_name="Lee")
    wins(engage, "ann", "a1")
    assert labels(found(engage).leaders) == ["1 a fellow partner 1"]


def test_kudos_go_to_the_best_in_each_thing_in_thirty_days(asked: Engage) -> None:
    asked.partner("ann", last_name="Lee", attributes={"show_name": True})
    asked.partner("bob", region="Texas")
    asked.partner("cat", region="Ohio")
    wins(asked, "bob", "b1", "b2", amount=50_00)
    wins(asked, "ann", "a1", amount=9_000_00)
    wins(asked, "ann", *(f"old{n}" for n in range(5)), days_ago=40)
    for n in range(3):
        asked.refers("cat", f"c{n}", days_ago=2)
    shown = [(row["what"], row["label"], row["value"]) for row in labelled(found(asked).kudos, PLAIN)]
    assert shown == [
        ("referrals", "a partner in Ohio", 3),
        ("wins", "a partner in Texas", 2),
        ("revenue", "Ann L.", 9_000_00),
    ]


def test_where_nobody_did_anything_nobody_is_praised(asked: Engage) -> None:
    asked.partner("ann")
    assert found(asked) == Leading([], [])
    asked.now += timedelta(days=1)


def test_the_words_for_somebody_without_a_name_are_the_readers(asked: Engage) -> None:
    asked.partner("bob", region="Texas")
    wins(asked, "bob", "b1")
    german = Words("de", "de", {"a partner in {region}": "jemand in {region}"})
    assert labels(found(asked).leaders, german) == ["1 jemand in Texas 1"]
