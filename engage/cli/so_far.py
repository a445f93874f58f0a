"""What `explain` says of what has become so far: entries, decisions, mails."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from engage.cli.context import console
from engage.cli.said import minute
from engage.domain.deliveries import DeliveryState
from engage.store.so_far import Decided, Entered, Mailed

_WAITING = (DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.RETRY)


def so_far_json(entries: Sequence[Entered]) -> Any:
    """The latest entry first; instants in UTC."""
    return [_plain(asdict(one)) for one in entries]


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    return value


def print_so_far(entries: Sequence[Entered]) -> None:
    """A tree for each entry, the latest last: what would happen now stands below."""
    for one in reversed(entries):
        tree = Tree(escape(f"entered {minute(one.at)} ({one.key}){_where(one)}"))
        for line in (*map(_decided, one.decided), *_mails(one.mails)):
            tree.add(escape(line))
        console.print(tree, soft_wrap=False)


def _where(one: Entered) -> str:
    if one.due_at is not None:
        return f": waits at step {one.step} until {minute(one.due_at)}"
    return f": ended, {one.why.replace('_', ' ')}" if one.why else ""


def _decided(one: Decided) -> str:
    reason = f": {one.reason.replace('_', ' ')}" if one.reason else ""
    until = f", until {minute(one.until)}" if one.until else ""
    step = f" {one.step}" if one.step else ""
    return f"{minute(one.at)} {one.phase}{step}: {one.decision}{reason}{until}{_cap(one.values)}"


def _cap(values: dict[str, Any]) -> str:
    """Which cap left no room, and whose mails had taken it."""
    if "cap" not in values:
        return ""
    by = ", ".join(values.get("taken_by", ()))
    return f" ({values['cap']}{', taken by ' + by if by else ''})"


def _mails(mails: Sequence[Mailed]) -> Iterator[str]:
    for one in mails:
        reason = f", {one.reason.replace('_', ' ')}" if one.reason else ""
        when = f", due {minute(one.due_at)}" if one.state in _WAITING and one.due_at else ""
        settled = f" {minute(one.settled_at)}" if one.settled_at and not when else ""
        yield f"mail {one.step} to {one.recipient}: {one.state}{settled}{reason}{when}"
