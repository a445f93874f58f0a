"""The signature of webhooks: what SendGrid signs is believed, and nothing else."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.eventwebhook import EventWebhook

from engage.providers.webhook_signature import (
    AHEAD,
    Checked,
    check,
    load_private_key,
    new_private_key,
    public_keys,
    shown,
    sign,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
DAY = timedelta(hours=25)
KEY, OTHER = load_private_key(new_private_key()), load_private_key(new_private_key())
TRUSTED = public_keys(shown(KEY))
BODY = b'[{"event": "delivered"}]\r\n'


def checked(signature: str, timestamp: str = SECONDS, body: bytes = BODY, now: datetime = NOW) -> Checked:
    return check(TRUSTED, signature, timestamp, body, now, DAY)


@pytest.mark.guard("signature check")
def test_what_was_signed_with_the_key_is_genuine_and_one_byte_more_is_not() -> None:
    signature = sign(KEY, SECONDS, BODY)
    assert checked(signature) is Checked.GENUINE
    assert checked(signature, body=BODY + b" ") is Checked.FORGED
    assert checked(signature, body=BODY.strip()) is Checked.FORGED
    assert checked(signature, str(int(SECONDS) + 1)) is Checked.FORGED
    assert checked(sign(OTHER, SECONDS, BODY)) is Checked.FORGED


def test_sendgrids_own_library_takes_our_signature() -> None:
    theirs = EventWebhook(shown(KEY))
    assert theirs.verify_signature(BODY.decode(), sign(KEY, SECONDS, BODY), SECONDS)


def test_a_digit_cannot_be_moved_from_the_body_to_the_timestamp() -> None:
    # what is signed is one text; a longer timestamp with a shorter body makes the same
    signature = sign(KEY, SECONDS, b"1" + BODY)
    assert checked(signature, SECONDS + "1", BODY) is Checked.TOO_OLD


@pytest.mark.guard("age check")
@pytest.mark.parametrize(("last", "beyond"), [(DAY, timedelta(seconds=1)), (-AHEAD, -timedelta(seconds=1))])
def test_what_is_older_or_newer_than_allowed_is_not_taken(last: timedelta, beyond: timedelta) -> None:
    signature = sign(KEY, SECONDS, BODY)
    assert checked(signature, now=NOW + last) is Checked.GENUINE
    assert checked(signature, now=NOW + last + beyond) is Checked.TOO_OLD


def test_while_a_key_is_changed_both_are_believed() -> None:
    keys = public_keys(f"{shown(OTHER)}, {shown(KEY)}")
    assert check(keys, sign(KEY, SECONDS, BODY), SECONDS, BODY, NOW, DAY) is Checked.GENUINE
    assert check(keys, sign(OTHER, SECONDS, BODY), SECONDS, BODY, NOW, DAY) is Checked.GENUINE
    assert check((), sign(KEY, SECONDS, BODY), SECONDS, BODY, NOW, DAY) is Checked.FORGED


def _der(key: object) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return base64.b64encode(der).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "MFkw",
        "not base64!",
        "-----BEGIN PUBLIC KEY-----",
        shown(KEY)[:-8] + "AAAAAAA=",
        _der(ec.generate_private_key(ec.SECP384R1()).public_key()),
        _der(ed25519.Ed25519PrivateKey.generate().public_key()),
    ],
    ids=["nothing", "comma", "short", "no-base64", "pem", "cut", "p384", "ed25519"],
)
def test_what_is_no_key_of_sendgrids_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        public_keys(text)


@pytest.mark.guard("signature check")
@given(
    st.text(max_size=200) | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()),
    st.text(max_size=20) | st.from_regex(r"[0-9]{1,400}", fullmatch=True) | st.just("1" + "0" * 400),
    st.binary(max_size=50),
)
def test_whatever_the_headers_say_it_is_forged_and_no_error(signature: str, timestamp: str, body: bytes) -> None:
    assert checked(signature, timestamp, body) is Checked.FORGED
    assert checked(signature, SECONDS, body) is Checked.FORGED
    assert checked("", timestamp, body) is Checked.FORGED
