"""What `plan` says of those who are inside a campaign: which version they entered, and where they wait."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from engage.cli.context import console
from engage.store.journeys import Inside


def inside_json(standing: Sequence[Inside], current: int | None) -> list[dict[str, object]]:
    """`current` is the version that the file says now; None: it is not a file of the campaigns folder."""
    return [
        {
            "version": one.version_id,
            "first_seen": one.first_seen.isoformat().replace("+00:00", "Z"),
            "current": one.version_id == current,
            "step": one.step,
            "count": one.count,
        }
        for one in standing
    ]


def print_inside(standing: Sequence[Inside], current: int | None) -> None:
    """A line for each version and step; nothing where nobody is inside."""
    if not standing:
        return
    console.print(f"inside now: {sum(one.count for one in standing):,}")
    table = Table("how many", "wait at", "in the version of", box=None, padding=(0, 2, 0, 0))
    for one in standing:
        older = "" if one.version_id == current else ", an older one"
        table.add_row(f"{one.count:,}", escape(one.step), f"{one.first_seen:%Y-%m-%d %H:%M} UTC{older}")
    console.print(table, soft_wrap=False)
