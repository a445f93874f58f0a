"""Signed tokens for links in emails: who made them is proven, what they say is not hidden, and they never expire."""

import hashlib
import hmac
import json
from collections.abc import Sequence

import itsdangerous

_MAX_LENGTH = 1024  # nothing that engage signs comes near; anything longer is not worth the work of checking


class Signer:
    """Makes and reads tokens. The first of `keys` signs, all of them are accepted, so keys can be rotated."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a signer needs a key")
        self._keys = tuple(keys)
        self._signers: dict[str, itsdangerous.Signer] = {}

    def token(self, purpose: str, payload: list[str | int]) -> str:
        """A text of letters, digits, `-`, `_` and `.`; only `read` with the same `purpose` takes it."""
        text = json.dumps(payload, separators=(",", ":"))
        return self._signer(purpose).sign(itsdangerous.base64_encode(text)).decode()

    def read(self, purpose: str, token: str) -> list[str | int] | None:
        """The payload of `token`, or None when it was not made here for `purpose`. Never raises."""
        if len(token) > _MAX_LENGTH:
            return None
        try:
            signed = self._signer(purpose).unsign(token)
            payload = json.loads(itsdangerous.base64_decode(signed))
        except (itsdangerous.BadData, ValueError):  # ValueError: a signed text that is no JSON, or no text at all
            return None
        return payload if isinstance(payload, list) else None

    def _signer(self, purpose: str) -> itsdangerous.Signer:
        # Kept for each purpose, with the keys already derived: that takes as long as signing does.
        signer = self._signers.get(purpose)
        if signer is None:
            derived = [hmac.digest(key.encode(), f"engage.{purpose}".encode(), "sha256") for key in self._keys]
            signer = itsdangerous.Signer(
                derived[::-1],  # itsdangerous signs with the last
                key_derivation="none",
                digest_method=hashlib.sha256,
            )
            self._signers[purpose] = signer
        return signer
