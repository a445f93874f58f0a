"""The suppression lists of the mailbox's account, as SendGrid keeps them. Safe to use from several threads.

They are kept as the changes that made them, a line of JSON each, in the mailbox's folder; a line that was cut short is
dropped when they are read again.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from engage.domain.errors import EngageError

_FILE = "suppressions.log"

LISTS: dict[str, tuple[str, ...]] = {
    "bounces": ("reason", "status"),
    "spam_reports": ("ip",),
    "invalid_emails": ("reason",),
    "unsubscribes": (),
}
"""Each list, and what an entry has besides `created` and `email`."""

Entry = dict[str, Any]


class SuppressedStore:
    """The lists in the folder `path`, or with None in memory only. Raises EngageError when it cannot be written."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path / _FILE if path else None
        self._lock = Lock()
        self._lists: dict[str, dict[str, Entry]] = {name: {} for name in LISTS}
        self._groups: dict[int, Entry] = {}
        self._members: dict[int, dict[str, Entry]] = {}
        self._load()

    def add(self, name: str, entries: Sequence[Entry]) -> None:
        """Puts entries with `email` and `created` (seconds since 1970) on a list; who is there already stays."""
        with self._lock:
            self._change({"list": name, "entries": list(entries)})

    def add_group(self, name: str, description: str, is_default: bool) -> Entry:
        """Makes an unsubscribe group, with the next id."""
        with self._lock:
            group = {
                "id": max(self._groups, default=100) + 1,
                "name": name,
                "description": description,
                "is_default": is_default,
            }
            self._change({"new_group": group})
            return group

    def leave(self, group_id: int, emails: Sequence[str], now: int) -> None:
        """Takes addresses out of a group; out of everything when there is no such group, as SendGrid does."""
        entries = [{"email": email, "created": now} for email in emails]
        with self._lock:
            known = group_id in self._groups
            self._change({"group": group_id, "entries": entries} if known else _of_all(entries))

    def entries(self, name: str) -> list[Entry]:
        with self._lock:
            return list(self._lists[name].values())

    def groups(self) -> list[Entry]:
        """As GET /v3/asm/groups has them."""
        with self._lock:
            return [
                group | {"last_email_sent_at": None, "unsubscribes": len(self._members[id_])}
                for id_, group in self._groups.items()
            ]

    def members(self, group_id: int) -> list[str] | None:
        """The addresses that have left a group; None when there is no such group."""
        with self._lock:
            found = self._members.get(group_id)
            return None if found is None else [entry["email"] for entry in found.values()]

    def all_members(self) -> list[Entry]:
        """As GET /v3/asm/suppressions has them."""
        with self._lock:
            return [
                {
                    "email": entry["email"],
                    "group_id": id_,
                    "group_name": self._groups[id_]["name"],
                    "created_at": entry["created"],
                }
                for id_, entries in self._members.items()
                for entry in entries.values()
            ]

    def _change(self, change: Entry) -> None:
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(orjson.dumps(change) + b"\n")
        self._apply(change)

    def _apply(self, change: Entry) -> None:
        if "new_group" in change:
            group = change["new_group"]
            self._groups[group["id"]] = group
            self._members[group["id"]] = {}
            return
        target = self._members[change["group"]] if "group" in change else self._lists[change["list"]]
        for entry in change["entries"]:
            target.setdefault(entry["email"].lower(), entry)

    def _load(self) -> None:
        if self._path is None or not self._path.exists():
            return
        try:
            whole = self._path.read_bytes().rpartition(b"\n")[0]
            os.truncate(self._path, len(whole) + 1 if whole else 0)
        except OSError as error:
            raise EngageError(
                f"the mailbox cannot use {self._path}: {error.strerror}", "see to its permissions"
            ) from None
        for line in whole.splitlines():
            self._apply(orjson.loads(line))


def _of_all(entries: Sequence[Entry]) -> Entry:
    return {"list": "unsubscribes", "entries": list(entries)}
