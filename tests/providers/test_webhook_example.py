"""The example that SendGrid publishes with its own library: it is believed, and no other that differs by one bit."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engage.providers.webhook_signature import Checked, check, public_keys

EXAMPLE = json.loads((Path(__file__).parents[1] / "data" / "sendgrid" / "webhook_example.json").read_text())
KEYS = public_keys(EXAMPLE["public_key"])
SIGNED = {part: EXAMPLE[part].encode() for part in ("payload", "signature", "timestamp")}
NOW = datetime.fromtimestamp(int(EXAMPLE["timestamp"]), UTC)


def checked(payload: bytes, signature: bytes, timestamp: bytes) -> Checked:
    """As the door checks it, which reads headers as Latin-1. Of any age, so that only the signature can be wrong."""
    headers = (signature.decode("latin-1"), timestamp.decode("latin-1"))
    return check(KEYS, *headers, payload, NOW, timedelta(days=365_000))


def flipped(data: bytes) -> Iterator[bytes]:
    """The same with each bit of it changed, one at a time."""
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_it_is_believed() -> None:
    assert checked(**SIGNED) is Checked.GENUINE


@pytest.mark.parametrize("part", SIGNED)
def test_no_bit_of_it_may_be_another(part: str) -> None:
    changed = list(flipped(SIGNED[part]))
    assert len(changed) == len(SIGNED[part]) * 8
    believed = [one for one in changed if checked(**{**SIGNED, part: one}) is not Checked.FORGED]
    assert believed == []
