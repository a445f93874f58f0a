"""Chance that is the same each time it is asked: a number from 0 to 1 out of a salted hash."""

import hashlib

_BITS = 53  # what a float can hold


def chance(*parts: str) -> float:
    """A number in [0, 1) that only depends on the parts, evenly spread over different ones."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return (int.from_bytes(digest[:8]) >> (64 - _BITS)) / (1 << _BITS)
