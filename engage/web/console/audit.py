"""The audit log: who changed what, when, from where and why. It can be read, and not changed."""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Response

from engage.domain.accounts import Permission
from engage.store.accounts import find_user
from engage.store.audit import Entry, entries
from engage.web.console.asked import asked_for
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.shell import query, show

router = APIRouter()

PATH = f"{HOME}/audit"
_ON_A_PAGE = 50
_LONGEST_VALUE = 200
_NOBODY = 0


@router.get(PATH, include_in_schema=False)
def audit_page(visit: Annotated[Visit, Depends(Allowed(Permission.SEE_AUDIT))]) -> Response:
    """Of who is let into some programs only, what concerns those."""
    whose, of_object, before = (asked_for(visit, name) for name in ("user", "object", "before"))
    before_id = int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None
    with visit.services.database.read() as db:
        user = find_user(db, whose.lower()) if whose else None
        of_user = (user.id if user else _NOBODY) if whose else None
        found = entries(
            db,
            _ON_A_PAGE + 1,
            of_object=of_object or None,
            of_user=of_user,
            before_id=before_id,
            program_ids=visit.user.program_ids,
        )
    shown = found[:_ON_A_PAGE]
    filters = {"user": whose, "object": of_object}
    older = urlencode(query(filters | {"before": shown[-1].id})) if len(found) > _ON_A_PAGE else ""
    return show(visit, "audit.html", entries=shown, filters=filters, older=older, changes=_changes)


def _changes(entry: Entry) -> Iterator[tuple[str, str | None, str | None]]:
    """(what, before, after) of each value that an entry names."""
    before, after = entry.before or {}, entry.after or {}
    for name in dict.fromkeys((*before, *after)):
        yield name, _shown(before, name), _shown(after, name)


def _shown(values: Any, name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    text = ", ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
