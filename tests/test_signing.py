"""A link's token says who made it, and nothing that was tampered with is ever read."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from engage.signing import Signer, key_version

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
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_.").filter(lambda c: c != token[place]))
    assert SIGNER.read("unsubscribe", token[:place] + other + token[place + 1 :]) is None


@given(st.text())
def test_nonsense_is_not_read_and_never_raises(token: str) -> None:
    assert SIGNER.read("unsubscribe", token) is None


def test_a_token_of_any_length_is_answered_at_once() -> None:
    assert SIGNER.read("unsubscribe", "A" * 10_000_000 + ".A") is None


def test_a_signed_text_that_is_no_list_is_not_read() -> None:
    token = SIGNER.token("unsubscribe", "1")  # type: ignore[arg-type]
    assert SIGNER.read("unsubscribe", token) is None


@settings(max_examples=200)
@given(st.text(string.ascii_letters + string.digits + "-_.=", min_size=1, max_size=4), st.integers(0, 85))
def test_a_token_with_something_added_or_left_out_is_not_read(added: str, place: int) -> None:
    token = SIGNER.token("unsubscribe", ["default", 12345, "newsletter"])
    assert SIGNER.read("unsubscribe", token[:place] + added + token[place:]) is None
    assert SIGNER.read("unsubscribe", token[:place]) is None


def test_keys_are_rotated_without_breaking_links_that_are_out() -> None:
    old, new = Signer(["old key"]), Signer(["new key", "old key"])
    assert new.read("unsubscribe", old.token("unsubscribe", [1])) == [1]
    assert Signer(["new key"]).read("unsubscribe", new.token("unsubscribe", [1])) == [1]


def test_a_link_that_is_out_works_as_long_as_its_key_is_listed_in_whatever_place() -> None:
    token = Signer(["one", "two"]).token("unsubscribe", [1])
    assert Signer(["three", "two", "one"]).read("unsubscribe", token) == [1]
    assert Signer(["three", "two"]).read("unsubscribe", token) is None


def test_a_token_names_its_key_without_telling_it() -> None:
    key = "a key that nobody knows"
    payload, version, signature = SIGNER.token("unsubscribe", [1]).split(".")
    assert version == key_version(key)
    assert (len(version), len(signature)) == (6, 43)
    assert payload == "WzFd"


def test_a_token_that_names_another_key_is_not_read_even_where_both_are_known() -> None:
    both = Signer(["new key", "old key"])
    payload, _, signature = both.token("unsubscribe", [1]).split(".")
    assert both.read("unsubscribe", f"{payload}.{key_version('old key')}.{signature}") is None


def test_an_unsubscribe_link_stays_short() -> None:
    assert len(SIGNER.token("unsubscribe", ["default", 1234567, "newsletter"])) <= 100
