"""The ledger finds what is wrong: a harness that could not would find everything right."""

from collections import Counter

import pytest

from engage.domain.deliveries import DeliveryState
from tests.faults.ledger import Ledger, Logged, Row, breaches

ANN, BOB = ("ann@example.com", "Lead 1 signed"), ("bob@example.com", "Lead 2 signed")


def ledger(states: dict[str, str], sent: tuple[str, ...]) -> Ledger:
    """Two mails are eligible; `states` has what became of the deliveries `a` and `b`, `sent` is the provider's log."""
    mails = {"a": ANN, "b": BOB, "c": ANN}
    rows = [Row(number, id_, state, mails[id_]) for number, (id_, state) in enumerate(states.items())]
    return Ledger(Counter([ANN, BOB]), rows, Logged(Counter(sent), Counter(mails[id_] for id_ in sent)))


def test_all_is_well_when_each_mail_has_its_end_and_the_accepted_ones_were_sent() -> None:
    assert breaches(ledger({"a": "accepted", "b": "suppressed"}, ("a",))) == []
    assert breaches(ledger({"a": "accepted", "b": "unknown"}, ("a",))) == []
    assert breaches(ledger({"a": "accepted", "b": "unknown"}, ("a", "b"))) == []


@pytest.mark.parametrize(
    ("states", "sent", "said"),
    [
        ({"a": "accepted"}, ("a",), "1 lost"),
        ({"a": "accepted", "b": "accepted", "c": "dead"}, ("a", "b"), "1 nobody fed in"),
        ({"a": "accepted", "b": "retry"}, ("a",), "1 deliveries have not come to an end"),
        ({"a": "accepted", "b": "accepted"}, ("a", "a", "b"), "1 sent twice"),
        ({"a": "accepted", "b": "accepted", "c": "accepted"}, ("a", "b", "c"), "1 sent more often than fed in"),
        ({"a": "accepted", "b": "accepted"}, ("a",), "1 accepted, and the provider does not have it"),
        ({"a": "accepted", "b": "cancelled"}, ("a", "b"), "1 the provider has it, and it ended otherwise"),
    ],
)
def test_what_is_wrong_is_said(states: dict[str, str], sent: tuple[str, ...], said: str) -> None:
    assert any(said in breach for breach in breaches(ledger(states, sent)))


def test_what_became_of_all_of_them_is_counted_by_state() -> None:
    found = ledger({"a": "accepted", "b": "unknown"}, ("a",))
    assert found.counted() == "2 eligible = 1 accepted + 1 unknown"
    assert [row.public_id for row in found.unknown] == ["b"]
    assert found.figures() == {"eligible": 2, "twice": 0, DeliveryState.ACCEPTED: 1, DeliveryState.UNKNOWN: 1}
