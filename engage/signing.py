"""Signed tokens for links in emails: who made them is proven, what they say is not hidden, and they never expire.

A token is `payload.version.signature`, each part in base64url without padding (RFC 4648, section 5): the payload is a
JSON list, the version names the key, the signature is HMAC-SHA256 of the payload under a key that is derived from that
one for the purpose. The version says which key a link needs that is out, and so that no other is tried.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

_MAX_LENGTH = 1024  # nothing that engage signs comes near; anything longer is not worth the work of checking
_VERSION_LENGTH = 6


def key_version(key: str) -> str:
    """What names `key` in tokens: six characters of its SHA-256, which say nothing of a key that cannot be guessed."""
    return _encoded(hashlib.sha256(key.encode()).digest())[:_VERSION_LENGTH]


class Signer:
    """Makes and reads tokens. The first of `keys` signs, all of them are accepted, so keys are rotated by overlap."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a signer needs a key")
        self._versions = tuple(dict.fromkeys(key_version(key) for key in keys))
        self._version = self._versions[0]
        self._keys = {key_version(key): key for key in reversed(keys)}
        self._derived: dict[tuple[str, str], bytes] = {}

    def token(self, purpose: str, payload: list[str | int]) -> str:
        """A text of letters, digits, `-`, `_` and `.`; only `read` with the same `purpose` takes it."""
        said = _encoded(json.dumps(payload, separators=(",", ":")).encode())
        return f"{said}.{self._version}.{self._signature(purpose, self._version, said)}"

    def read(self, purpose: str, token: str) -> list[str | int] | None:
        """The payload of `token`, or None when it was not made here for `purpose`. Never raises."""
        parts = token.split(".") if len(token) <= _MAX_LENGTH and token.isascii() else []
        if len(parts) != 3 or parts[1] not in self._keys:
            return None
        said, version, signature = parts
        # Compared as text: base64 can be written in several ways, and only ours is a token of ours.
        if not hmac.compare_digest(signature, self._signature(purpose, version, said)):
            return None
        try:
            payload = json.loads(urlsafe_b64decode(said + "=" * (-len(said) % 4)))
        except (ValueError, RecursionError):  # a signed text that is no JSON, or no text at all
            return None
        return payload if isinstance(payload, list) else None

    def secrets(self, purpose: str, name: str) -> tuple[bytes, ...]:
        """32 bytes for `name` that only the keys' owner can make, so that nobody need keep them: one of each key, the
        first key's first.
        """
        return tuple(
            hmac.digest(self._key_for(purpose, version), name.encode(), "sha256") for version in self._versions
        )

    def _signature(self, purpose: str, version: str, said: str) -> str:
        return _encoded(hmac.digest(self._key_for(purpose, version), said.encode(), "sha256"))

    def _key_for(self, purpose: str, version: str) -> bytes:
        # Kept for each purpose and key: deriving takes as long as signing does. Both come from us, so they are few.
        derived = self._derived.get((purpose, version))
        if derived is None:
            derived = hmac.digest(self._keys[version].encode(), f"engage.{purpose}".encode(), "sha256")
            self._derived[purpose, version] = derived
        return derived


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
