"""Standard Webhooks: the secret of a key whose owner signs what it pushes, and whether a request is signed. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from engage.signing import Signer

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

TOLERANCE = timedelta(minutes=5)
"""How far the time of a signature may be from ours: an older one may be somebody else's copy, sent again."""

_PURPOSE = "webhook-secret"
_MOST_SIGNATURES = 8  # a header has several while the sender changes its secret
_LONGEST_HEADER = 512
_LONGEST_TIMESTAMP = 12  # digits of seconds: beyond, no date


def shown_secret(signer: Signer, public_id: str) -> str:
    """The secret of a signed key as its owner is told it: `whsec_` and base64.

    It is made of the installation's first secret key, so nothing has to be kept that could be stolen from the database.
    """
    return f"whsec_{b64encode(signer.secrets(_PURPOSE, public_id)[0]).decode()}"


def is_signed(signer: Signer, public_id: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether the key with this public id signed this body just now. Never raises.

    `headers` are looked up by names in lower case. The library makes the signature, and we compare: its own `verify`
    reads the machine's clock, takes one time or one signature in several spellings, and raises what comes on others.
    """
    message, stamp, brought = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    at = _instant(stamp)
    if at is None or abs(now - at) > TOLERANCE or not (_is_plain(message) and _is_plain(brought)):
        return False
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    right = [Webhook(secret).sign(message, at, text) for secret in signer.secrets(_PURPOSE, public_id)]
    signatures = brought.split(" ")[:_MOST_SIGNATURES]
    matches = [hmac.compare_digest(one, other) for one in right for other in signatures]
    return any(matches)


def _is_plain(value: str) -> bool:
    return 0 < len(value) <= _LONGEST_HEADER and value.isascii() and value.isprintable()


def _instant(stamp: str) -> datetime | None:
    """The instant, of the one way to write it: what is signed is the number, and another spelling is another text."""
    if not (stamp.isascii() and stamp.isdigit()) or len(stamp) > _LONGEST_TIMESTAMP or stamp != str(int(stamp)):
        return None
    try:
        return datetime.fromtimestamp(int(stamp), UTC)
    except (ValueError, OverflowError):
        return None
