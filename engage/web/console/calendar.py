"""The next two weeks by volume: what goes out on which day, as far as it can be known."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from engage.domain.accounts import Permission
from engage.pipeline.ahead import look_ahead
from engage.web.console.doors import Allowed, Visit
from engage.web.console.shell import show

router = APIRouter()


@router.get("/console/calendar", include_in_schema=False)
def calendar(visit: Annotated[Visit, Depends(Allowed(Permission.SEE_CAMPAIGNS))], program: str = "") -> Response:
    """One program's days, on its clocks."""
    scopes = visit.scopes()
    scope = scopes.get(program) or next(iter(scopes.values()), None)
    ahead = None
    if scope is not None:
        with visit.services.database.read() as db:
            ahead = look_ahead(db, visit.services.library(), scope, visit.now)
    return show(visit, "calendar.html", scopes=scopes, scope=scope, ahead=ahead)
