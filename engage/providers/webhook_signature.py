"""SendGrid's signature of a webhook: proves who sent a request, and that it is not an old one sent again. Pure.

ECDSA on P-256 with SHA-256 over the timestamp as it stands in its header, then the raw body; the signature is DER in
base64, the public key a DER SubjectPublicKeyInfo in base64, as SendGrid shows it. Source:
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

AHEAD = timedelta(minutes=5)
"""How far ahead of ours the sender's clock may be."""

_ALGORITHM = ec.ECDSA(hashes.SHA256())
_LONGEST_SIGNATURE = 128  # base64 of at most 72 bytes of DER is shorter
_LONGEST_TIMESTAMP = 12  # digits of seconds: beyond, no date


class Checked(StrEnum):
    """What the check of a request says."""

    GENUINE = "genuine"
    FORGED = "forged"  # not signed by any of the keys, or changed on its way
    TOO_OLD = "too_old"  # signed, and too long ago (or too far ahead) to be news


def public_keys(text: str) -> tuple[PublicKey, ...]:
    """The keys in `text`, separated by commas. Raises ValueError that says what is wrong."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError("no key is there")
    return tuple(_public_key(part) for part in parts)


def _public_key(text: str) -> PublicKey:
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        raise ValueError("not a public key as SendGrid shows it: one line of base64 that begins with MFkw") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a key on the curve P-256, with which SendGrid signs")
    return key


def check(
    keys: Sequence[PublicKey], signature: str, timestamp: str, body: bytes, now: datetime, max_age: timedelta
) -> Checked:
    """Whether one of `keys` signed this body, and `recent` holds of its time. Never raises.

    `signature` and `timestamp` are the values of the two headers, empty where they are missing.
    """
    if not _signed(keys, signature, timestamp, body):
        return Checked.FORGED
    return Checked.GENUINE if recent(timestamp, now, max_age) else Checked.TOO_OLD


def recent(timestamp: str, now: datetime, max_age: timedelta) -> bool:
    """Whether the value of TIMESTAMP_HEADER is a time at most `max_age` ago, or AHEAD of us. Never raises."""
    if not _is_time(timestamp):
        return False
    age = now.timestamp() - int(timestamp)
    return -AHEAD.total_seconds() <= age <= max_age.total_seconds()


def _is_time(timestamp: str) -> bool:
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP


def _signed(keys: Sequence[PublicKey], signature: str, timestamp: str, body: bytes) -> bool:
    if not _is_time(timestamp):
        return False
    if len(signature) > _LONGEST_SIGNATURE:
        return False
    try:
        der = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error):
        return False
    if base64.b64encode(der).decode() != signature:  # base64 can be written in several ways; only one was sent
        return False
    signed = timestamp.encode() + body
    return any(_verifies(key, der, signed) for key in keys)


def _verifies(key: PublicKey, der: bytes, signed: bytes) -> bool:
    # nothing secret is compared, so the time this takes tells an attacker nothing
    try:
        key.verify(der, signed, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def sign(key: PrivateKey, timestamp: str, body: bytes) -> str:
    """The value of SIGNATURE_HEADER for this body; `timestamp` (seconds since 1970) is that of TIMESTAMP_HEADER."""
    return base64.b64encode(key.sign(timestamp.encode() + body, _ALGORITHM)).decode()


def new_private_key() -> str:
    """A new key to sign with, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def load_private_key(pem: str) -> PrivateKey:
    """Reads what `new_private_key` wrote. Raises ValueError for anything else."""
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a private key on the curve P-256")
    return key


def shown(key: PrivateKey) -> str:
    """The public key that belongs to it, as SendGrid shows one: what `public_keys` reads."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()
