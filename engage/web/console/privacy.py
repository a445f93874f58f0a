"""What is held of a partner, handed out, and erased: both are noted in the audit log."""

import json
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from starlette.exceptions import HTTPException

from engage.domain.accounts import Permission
from engage.domain.errors import InputError
from engage.facts import Scope
from engage.pipeline.privacy import NobodyKnown, export_for, forget
from engage.web.console.asked import why_of
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.shell import said

PARTNERS = f"{HOME}/partners"

router = APIRouter()

Forgetting = Annotated[Visit, Depends(Allowed(Permission.FORGET_PARTNERS))]


@router.get(PARTNERS + "/{program}/{external_id:path}/export", include_in_schema=False)
def export_partner(visit: Forgetting, program: str, external_id: str) -> Response:
    """All that is held of them, as a file."""
    scope = _scope(visit, program, external_id)
    try:
        with visit.services.database.write() as db:
            found = export_for(db, scope, external_id, visit.actor, visit.now)
    except NobodyKnown:
        raise HTTPException(404) from None
    text = json.dumps(found, indent=2, ensure_ascii=False)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(external_id, safe='')}.json"}
    return Response(text, media_type="application/json", headers=headers | {"Cache-Control": "no-store"})


@router.post(PARTNERS + "/{program}/{external_id:path}/forget", include_in_schema=False)
def forget_partner(visit: Forgetting, program: str, external_id: str) -> Response:
    """Erases them, once their id was typed, and leads back to the list; they have no page any more."""
    scope = _scope(visit, program, external_id)
    here = f"{PARTNERS}/{quote(program, safe='')}/{quote(external_id, safe='')}"
    try:
        why = why_of(visit)
        if visit.form.get("id", "").strip() != external_id:
            raise InputError("Nobody was forgotten", "type the partner's id as it stands beside the field")
        with visit.services.database.write() as db:
            done = forget(db, scope, visit.services.signer, external_id, visit.actor, why, visit.now)
    except NobodyKnown:
        raise HTTPException(404) from None
    except InputError as error:
        return said(visit, here, f"{error.message}: {error.hint}." if error.hint else f"{error.message}.")
    return said(visit, PARTNERS, f"The partner is forgotten. {done.in_words}")


def _scope(visit: Visit, program: str, external_id: str) -> Scope:
    scope = visit.scopes().get(program)
    if scope is None or not external_id.isprintable():
        raise HTTPException(404)
    return scope
