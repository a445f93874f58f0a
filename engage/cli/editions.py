"""What commands say of editions: which email a slot sends, and whether it is there."""

from collections.abc import Sequence

from engage.cli.context import console
from engage.cli.said import minute
from engage.pipeline.editions import Edition


def editions_json(editions: Sequence[Edition]) -> dict[str, object]:
    """Nothing of campaigns without editions."""
    if not editions:
        return {}
    return {"editions": [{"slot": one.slot, "email": one.email, "there": one.there} for one in editions]}


def print_editions(editions: Sequence[Edition]) -> None:
    for one in editions:
        there = "there" if one.there else f"[yellow]not there[/]: write email_templates/{one.file}"
        console.print(f"slot {one.slot}, from {minute(one.at)} on, sends {one.email}, which is {there}")
