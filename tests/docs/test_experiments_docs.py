"""The numbers that docs/experiments.md shows are those that engage comes to."""

import re

from engage.cli.planned import RATES
from engage.reporting.intervals import difference_of_proportions, smallest_difference
from tests.support.command import ROOT

PAGE = (ROOT / "docs" / "experiments.md").read_text()
NUMBER = r"[\d,]+"


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_table_of_what_holdouts_could_show() -> None:
    rows = re.findall(rf"^\| ({NUMBER}) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for many, *shown in rows:
        held_out = [round(number(many) * share) for share in (0.1, 0.2, 0.5)]
        found = [smallest_difference(number(many) - few, few, RATES[0]) for few in held_out]
        assert [f"{100 * one:.1f}" for one in found] == shown


def test_the_sentence_of_a_plan() -> None:
    said = re.search(rf"({NUMBER}) of ({NUMBER}) who have.*?of ([\d.]+) points.*?of ([\d.]+) where", PAGE, re.DOTALL)
    assert said is not None
    held_out, both = number(said[1]), number(said[2])
    found = [smallest_difference(both - held_out, held_out, rate) for rate in RATES]
    assert [f"{100 * one:.1f}" for one in found] == [said[3], said[4]]


def test_the_report() -> None:
    treated, others = re.findall(rf"^  (?:treated|held out) +({NUMBER}) +({NUMBER}) +([\d.]+)%", PAGE, re.MULTILINE)
    said = re.search(r"difference \+([\d.]+) points \(95 %: \+([\d.]+) to \+([\d.]+)\): more", PAGE)
    assert said is not None
    found = difference_of_proportions(number(treated[1]), number(treated[0]), number(others[1]), number(others[0]))
    assert [f"{100 * one:.1f}" for one in (found.difference, found.low, found.high)] == list(said.groups())
    assert [f"{100 * number(did) / number(of):.1f}" for of, did, _ in (treated, others)] == [treated[2], others[2]]
