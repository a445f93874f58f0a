"""Who may use the consoles: admins invite, give roles, reset and disable. Links are shown to them once."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException

from engage.domain.accounts import ALLOWED, Permission, Role, User
from engage.domain.errors import InputError
from engage.pipeline.users import LONGEST_NAME, Linked, disable, enable, give_role, invite, login_url, reset
from engage.store.accounts import all_users, get_user
from engage.store.audit import entries
from engage.store.sessions import sessions_of
from engage.web.console.asked import LONGEST_WHY, why_of
from engage.web.console.doors import HOME, Allowed, Visit
from engage.web.console.shell import said, show

router = APIRouter()

PATH = f"{HOME}/users"
_LATEST = 20
Admin = Annotated[Visit, Depends(Allowed(Permission.MANAGE_USERS, everywhere=True))]


@router.get(PATH, include_in_schema=False)
def users_page(visit: Admin) -> Response:
    return _list(visit)


@router.post(PATH, include_in_schema=False)
def invite_user(visit: Admin) -> Response:
    """Makes a user, and shows the link by which they choose a password."""
    form = visit.form
    try:
        role, programs = _role(visit), _programs(visit)
        with visit.services.database.write() as db:
            name = form.get("name", "")
            linked = invite(db, form.get("email", "")[:320], name, role, programs, visit.actor, visit.now)
    except InputError as error:
        return _list(visit, 422, str(error))
    return _link(visit, linked, new=True)


@router.get(PATH + "/{user_id:int}", include_in_schema=False)
def user_page(visit: Admin, user_id: int) -> Response:
    return _user(visit, user_id)


@router.post(PATH + "/{user_id:int}/role", include_in_schema=False)
def change_role(visit: Admin, user_id: int) -> Response:
    def change(db: Connection, user: User) -> None:
        known = visit.services.library().program_ids
        give_role(db, user, _role(visit), _programs(visit), known, visit.actor, why_of(visit), visit.now)

    return _changed(visit, user_id, change, "{} has this role from the next click on.")


@router.post(PATH + "/{user_id:int}/disable", include_in_schema=False)
def disable_user(visit: Admin, user_id: int) -> Response:
    def change(db: Connection, user: User) -> None:
        disable(db, user, visit.actor, why_of(visit), visit.now)

    return _changed(visit, user_id, change, "{} is not let in any more.")


@router.post(PATH + "/{user_id:int}/enable", include_in_schema=False)
def enable_user(visit: Admin, user_id: int) -> Response:
    def change(db: Connection, user: User) -> None:
        enable(db, user, visit.actor, why_of(visit), visit.now)

    return _changed(visit, user_id, change, "{} may log in again.")


@router.post(PATH + "/{user_id:int}/reset", include_in_schema=False)
def reset_user(visit: Admin, user_id: int) -> Response:
    """Shows a link by which the user chooses another password."""
    factor = visit.form.get("factor") == "1"
    try:
        with visit.services.database.write() as db:
            linked = reset(db, _known(db, user_id), visit.actor, why_of(visit), visit.now, factor=factor)
    except InputError as error:
        return _user(visit, user_id, 422, str(error))
    return _link(visit, linked, new=False)


def _changed(visit: Visit, user_id: int, change: Callable[[Connection, User], None], text: str) -> Response:
    try:
        with visit.services.database.write() as db:
            user = _known(db, user_id)
            change(db, user)
    except InputError as error:
        return _user(visit, user_id, 422, str(error))
    return said(visit, f"{PATH}/{user_id}", text.format(user.email))


def _list(visit: Visit, status: int = 200, error: str = "") -> Response:
    with visit.services.database.read() as db:
        users = all_users(db)
    programs = visit.services.library().program_ids
    form = {name: visit.form.get(name, "") for name in ("email", "name", "role")}
    ticked = set(visit.fields("programs"))
    names = {user.id: _names(user, programs) for user in users}
    shown = {"users": users, "names": names, "form": form, "ticked": ticked, "longest_name": LONGEST_NAME}
    return show(visit, "users.html", status, error=error, roles=_ROLES, programs=programs, **shown)


def _user(visit: Visit, user_id: int, status: int = 200, error: str = "") -> Response:
    with visit.services.database.read() as db:
        user = _known(db, user_id)
        lately = entries(db, _LATEST, of_object=f"user:{user.id}")
        sessions = [session for _, session in sessions_of(db, user.id, visit.now)]
    programs = visit.services.library().program_ids
    shown = {"whose": user, "lately": lately, "sessions": sessions, "names": _names(user, programs)}
    limits = {"longest_why": LONGEST_WHY, "why": visit.form.get("why", "")[:LONGEST_WHY]}
    return show(visit, "user.html", status, error=error, roles=_ROLES, programs=programs, **shown, **limits)


def _link(visit: Visit, linked: Linked, *, new: bool) -> Response:
    url = login_url(visit.services.settings.public_url, linked.token)
    return show(visit, "user_link.html", whose=linked.user, url=url, until=linked.until, new=new)


def _known(db: Connection, user_id: int) -> User:
    user = get_user(db, user_id) if user_id < 2**31 else None
    if user is None:
        raise HTTPException(404)
    return user


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.form.get("role", ""))
    except ValueError:
        raise InputError("Choose a role", "the list says what each may do") from None


def _programs(visit: Visit) -> dict[str, int] | None:
    """The programs that were ticked; None for all. Raises InputError for none at all, and for one that there is not."""
    if visit.form.get("everywhere") == "1":
        return None
    known = visit.services.library().program_ids
    keys = visit.fields("programs")
    if not keys or any(key not in known for key in keys):
        raise InputError("Choose the programs", "or every program, also those that come later")
    return {key: known[key] for key in keys}


def _names(user: User, programs: dict[str, int]) -> str:
    if user.program_ids is None:
        return "every program"
    return ", ".join(key for key, id_ in programs.items() if user.sees(id_)) or "none"


_ROLES = {role.value: ", ".join(sorted(permission.value for permission in ALLOWED[role])) for role in Role}
