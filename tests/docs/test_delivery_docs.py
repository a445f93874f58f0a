"""docs/delivery.md draws the transitions that the code has."""

import re
from collections import defaultdict

from engage.domain.deliveries import DUE, TRANSITIONS, By, DeliveryState
from tests.docs.test_docs import DOCS, code, table

PAGE = DOCS / "delivery.md"


def drawn() -> dict[tuple[str, str], set[str]]:
    lines = re.findall(r"^    (\w+) --> (\w+): (.+)$", PAGE.read_text(), re.MULTILINE)
    return {(source, target): set(by.split(", ")) for source, target, by in lines}


def test_the_diagram_has_every_transition_and_who_makes_it() -> None:
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for by, moves in TRANSITIONS.items():
        for source, targets in moves.items():
            for target in targets:
                # that proof settles a delivery wherever it stands is said in words
                if by is not By.EVIDENCE or source is DeliveryState.UNKNOWN:
                    known[source, target].add(by)
    assert drawn() == known
    assert set(DUE) <= {source for source, _ in drawn()}


def test_everybody_who_moves_a_delivery_is_explained() -> None:
    assert [code(row[0])[0] for row in table(PAGE, "## The states")] == list(By)
