"""Reads `tracking:` of a program: what engage learns of how partners use their mails."""

from dataclasses import replace

from engage.authoring.reader import Fields
from engage.domain.programs import Tracking

KEYS = ("clicks", "opens")


def read_tracking(fields: Fields) -> Tracking:
    """`tracking: {clicks: true, opens: false}`; what is not said is as it is without the key."""
    if "tracking" not in fields:
        return Tracking()
    written = fields.reader.fields(fields["tracking"], "tracking", (), KEYS)
    return replace(
        Tracking(), **{key: written.reader.boolean(written[key], f"'{key}'") for key in KEYS if key in written}
    )
