"""A link's token says who made it, and nothing that was tampered with is ever read."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from engage.signing import Signer

PAYLOADS = st.lists(st.integers(min_value=0, max_value=2**53) | st.text(max_size=20), max_size=5)
SIGNER = Signer(["a key that nobody knows"])


@given(PAYLOADS)
def test_what_was_signed_is_read(payload: list[str | int]) -> None:
    token = SIGNER.token("unsubscribe", payload)
    assert SIGNER.read("unsubscribe", token) == payload
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


@given(PAYLOADS)
def test_a_token_is_for_one_purpose_and_one_key(payload: list[str | int]) -> None:
    token = SIGNER.token("unsubscribe", payload)
    assert SIGNER.read("preferences", token) is None
    assert Signer(["another key"]).read("unsubscribe", token) is None


@settings(max_examples=200)
@given(st.data())
def test_a_token_that_was_changed_anywhere_is_not_read(data: st.DataObject) -> None:
    token = SIGNER.token("unsubscribe", ["default", 12345, "newsletter"])
    place = data.draw(st.integers(0, len(token) - 2))  # of the last character two bits say nothing
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_.").filter(lambda c: c != token[place]))
    assert SIGNER.read("unsubscribe", token[:place] + other + token[place + 1 :]) is None


@given(st.text())
def test_nonsense_is_not_read_and_never_raises(token: str) -> None:
    assert SIGNER.read("unsubscribe", token) is None


def test_a_token_of_any_length_is_answered_at_once() -> None:
    assert SIGNER.read("unsubscribe", "A" * 10_000_000 + ".A") is None


def test_a_signed_text_that_is_no_list_is_not_read() -> None:
    assert SIGNER.read("unsubscribe", SIGNER._signer("unsubscribe").sign("IjEi").decode()) is None


def test_keys_are_rotated_without_breaking_links_that_are_out() -> None:
    old, new = Signer(["old key"]), Signer(["new key", "old key"])
    assert new.read("unsubscribe", old.token("unsubscribe", [1])) == [1]
    assert Signer(["new key"]).read("unsubscribe", new.token("unsubscribe", [1])) == [1]


def test_an_unsubscribe_link_stays_short() -> None:
    assert len(SIGNER.token("unsubscribe", ["default", 1234567, "newsletter"])) <= 100
